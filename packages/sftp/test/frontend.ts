import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Client } from '@lafs/client'
import { isDirectoryNode } from '@lafs/filesystem-interface'
import type { IDirectoryNode } from '@lafs/filesystem-interface'
import { createLocalGrid } from '@lafs/node-directory'
import type { LocalGrid } from '@lafs/node-directory'
import { serveSftp } from '../src/index.ts'
import type { SftpListener } from '../src/index.ts'

const execute = promisify(execFile)

/** What one run of OpenSSH's `sftp` came to. */
interface Outcome {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

/** A frontend over a grid in memory, with one account "alice". */
export interface Frontend extends AsyncDisposable {
  /** A folder for local files. */
  readonly folder: string
  readonly client: Client
  readonly root: IDirectoryNode
  readonly listener: SftpListener
  /** The private key of the account, in OpenSSH's format. */
  readonly userKey: string
  /** Runs commands of OpenSSH's `sftp`, which stops at the first that fails. */
  readonly sftp: (
    commands: readonly string[],
    options?: { user?: string; key?: string },
  ) => Promise<Outcome>
  /** Runs a command over `ssh`. */
  readonly ssh: (command: string) => Promise<Outcome>
}

/** A key pair that ssh-keygen makes: `NAME` and `NAME.pub` in a folder. */
export async function makeKey(folder: string, name: string, type = 'ed25519'): Promise<string> {
  const file = join(folder, name)
  await execute('ssh-keygen', ['-q', '-t', type, '-N', '', '-C', 'a comment', '-f', file])
  return file
}

/** A frontend with all that it needs. */
export async function startFrontend(): Promise<Frontend> {
  const folder = await mkdtemp(join(tmpdir(), 'lafs-sftp-test-'))
  const grid: LocalGrid = await createLocalGrid({
    servers: 1,
    transport: 'memory',
    encoding: { requiredShares: 1, totalShares: 1 },
  })
  const client = await grid.createClient()
  const root = await client.createDirnode()
  if (!isDirectoryNode(root)) throw new TypeError('expected a directory')
  const hostKey = await makeKey(folder, 'host')
  const userKey = await makeKey(folder, 'user')
  const rsaKey = await makeKey(folder, 'user-rsa', 'rsa')
  const line = async (key: string): Promise<string> =>
    `alice ${(await readFile(`${key}.pub`, 'utf8')).trim()} ${root.uri}`
  const listener = await serveSftp({
    client,
    port: 0,
    hostPrivateKey: await readFile(hostKey, 'utf8'),
    accounts: `# Who may log in\n\n${await line(userKey)}\n${await line(rsaKey)}\n`,
    temporaryFolder: folder,
  })
  const options = [
    'StrictHostKeyChecking=no',
    `UserKnownHostsFile=${join(folder, 'known-hosts')}`,
    'BatchMode=yes',
    'IdentitiesOnly=yes',
    'ConnectTimeout=10',
    'LogLevel=ERROR',
  ].flatMap((option) => ['-o', option])
  return {
    folder,
    client,
    root,
    listener,
    userKey: await readFile(userKey, 'utf8'),
    sftp: async (commands, { user = 'alice', key = 'user' } = {}) => {
      const batch = join(folder, 'batch')
      await writeFile(batch, `${commands.join('\n')}\n`)
      const at = ['-P', String(listener.port), '-i', join(folder, key)]
      return run('sftp', [...options, '-q', '-F', 'none', ...at, '-b', batch, `${user}@127.0.0.1`])
    },
    ssh: async (command) => {
      const at = ['-p', String(listener.port), '-i', join(folder, 'user')]
      return run('ssh', [...options, '-F', 'none', ...at, 'alice@127.0.0.1', command])
    },
    [Symbol.asyncDispose]: async () => {
      await listener.close()
      await client.close()
      await grid.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function run(program: string, words: readonly string[]): Promise<Outcome> {
  try {
    const { stdout, stderr } = await execute(program, words, { timeout: 60_000 })
    return { status: 0, stdout, stderr }
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string }
    return { status: code, stdout, stderr }
  }
}
