import { execFile } from 'node:child_process'
import { appendFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { isDirectoryNode } from '@lafs/filesystem-interface'
import type { IDirectoryNode } from '@lafs/filesystem-interface'
import {
  createResourceStack,
  describeWithUpstream,
  freePort,
  startMixedGrid,
  startUpstreamNode,
} from '@lafs/interop'
import type { MixedGrid } from '@lafs/interop'
import { serveSftp } from '@lafs/sftp'
import { stretch } from '@lafs/vectors'
import { afterAll, beforeAll, expect, it } from 'vitest'

const execute = promisify(execFile)

interface Outcome {
  readonly status: number
  readonly output: string
}

// The same commands of OpenSSH's sftp, through upstream's frontend and through ours.
describeWithUpstream('the SFTP frontend', () => {
  const resources = createResourceStack()
  let grid: MixedGrid
  let folder: string
  let ports: { own: number; upstream: number }
  const roots: { own?: IDirectoryNode; upstream?: IDirectoryNode } = {}

  beforeAll(async () => {
    grid = await startMixedGrid(resources, {
      upstreamServerCount: 0,
      ownServerCount: 1,
      encoding: { requiredShares: 1, happyShares: 1, totalShares: 1 },
      convergence: new Uint8Array(16),
    })
    folder = grid.upstream.folder
    for (const name of ['host', 'user']) {
      const file = join(folder, 'private', name)
      await execute('ssh-keygen', ['-q', '-t', 'rsa', '-m', 'PEM', '-N', '', '-f', file])
    }
    const publicKey = (await readFile(join(folder, 'private/user.pub'), 'utf8')).trim()
    const accountOf = async (whose: 'own' | 'upstream'): Promise<string> => {
      const node = await grid.own.createDirnode()
      if (!isDirectoryNode(node)) throw new TypeError('expected a directory')
      roots[whose] = node
      return `${whose} ${publicKey} ${node.uri}\n`
    }
    const accounts = (await accountOf('own')) + (await accountOf('upstream'))
    await writeFile(join(folder, 'private/accounts'), accounts)
    const upstreamPort = await freePort()
    const section = `
[sftpd]
enabled = true
port = tcp:${upstreamPort}:interface=127.0.0.1
host_pubkey_file = private/host.pub
host_privkey_file = private/host
accounts.file = private/accounts
`
    await grid.upstream.stop()
    await appendFile(join(folder, 'tahoe.cfg'), section)
    resources.use(await startUpstreamNode(folder))
    const own = resources.use(
      await serveSftp({
        client: grid.own,
        port: 0,
        hostPrivateKey: await readFile(join(folder, 'private/host'), 'utf8'),
        accounts,
      }),
    )
    ports = { own: own.port, upstream: upstreamPort }
    await mkdir(join(folder, 'local'))
    await writeFile(join(folder, 'local/small'), 'a small file')
    await writeFile(
      join(folder, 'local/large'),
      stretch(new TextEncoder().encode('large '), 300_000),
    )
  }, 120_000)
  afterAll(() => resources[Symbol.asyncDispose](), 60_000)

  /** Runs commands of `sftp` as the user of a frontend. */
  async function sftp(whose: 'own' | 'upstream', commands: readonly string[]): Promise<Outcome> {
    const batch = join(folder, `batch-${whose}`)
    await writeFile(batch, `${commands.join('\n')}\n`)
    const options = [
      'StrictHostKeyChecking=no',
      'UserKnownHostsFile=/dev/null',
      'IdentitiesOnly=yes',
      'LogLevel=ERROR',
    ].flatMap((option) => ['-o', option])
    const at = ['-P', String(ports[whose]), '-i', join(folder, 'private/user'), '-b', batch]
    const words = [...options, '-q', '-F', 'none', ...at, `${whose}@127.0.0.1`]
    const outcome = await execute('sftp', words, {
      cwd: join(folder, 'local'),
      timeout: 60_000,
    }).then(
      ({ stdout, stderr }) => ({ status: 0, output: stdout + stderr }),
      ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => ({
        status: code,
        output: stdout + stderr,
      }),
    )
    // Two frontends are not asked in the same minute, and neither gives its entries in an order.
    const output = outcome.output.replaceAll(/\w{3} \d\d \d\d:\d\d/g, 'TIME')
    return { ...outcome, output }
  }

  it.each([
    ['a file there and back', ['put small', 'ls -l', 'get small back', '!cat back']],
    ['a large file', ['put large', 'ls -l large', 'get large back', '!cksum back']],
    ['directories', ['mkdir box', 'mkdir box/deep', 'put small box/deep/a', 'ls -l box/deep']],
    ['a rename', ['rename small moved', 'ls -l moved', 'ls small']],
    ['a rename over a file', ['put small', 'rename small moved', 'ls -l moved']],
    ['a rename into a directory', ['rename moved box/moved', 'ls box']],
    ['a rename of a directory', ['rename box/deep chest', 'ls chest']],
    [
      'a file that is protected',
      ['put small kept', 'chmod 444 kept', 'ls -l kept', 'put large kept'],
    ],
    ['removing a protected file', ['rm kept', 'ls kept']],
    ['removing what is no directory', ['rmdir large']],
    ['removing what is no file', ['rm box']],
    ['removing a directory with something in it', ['rmdir box', 'ls']],
    ['nothing there', ['get nowhere']],
    ['a link', ['symlink large link']],
    ['the space', ['df -h']],
    ['where one is', ['cd chest', 'pwd', 'cd ..', 'pwd', 'cd ../..', 'pwd']],
  ])('does as upstream’s with %s', async (_what, commands) => {
    const upstream = await sftp('upstream', commands)
    const own = await sftp('own', commands)
    expect(own).toEqual(upstream)
  })

  it('leaves the same tree behind', async () => {
    const names = async (root: IDirectoryNode | undefined): Promise<unknown> =>
      new Map(
        [...((await root?.list()) ?? [])].map(([name, { node }]) => [
          name,
          node.kind === 'immutable-file' ? node.uri : node.kind,
        ]),
      )
    expect(await names(roots.own)).toEqual(await names(roots.upstream))
  })
})
