import { readFile } from 'node:fs/promises'
import type { Client } from '@lafs/client'
import { NodeDirectoryError } from '@lafs/node-directory'
import type { SftpSettings } from '@lafs/node-directory'
import { listening } from './listen.ts'

/** The SFTP frontend of a node. */
export interface SftpService {
  /** Undefined where there is none. */
  readonly port: number | undefined
  close(): Promise<void>
}

/** Starts the SFTP frontend where there are settings for one. */
export async function startSftp(
  settings: SftpSettings | undefined,
  client: Client,
  temporaryFolder: string,
): Promise<SftpService> {
  if (settings === undefined) return { port: undefined, close: async () => undefined }
  const hostPrivateKey = await readNamed(settings.hostPrivateKeyFile, 'host_privkey_file')
  const accounts = await readNamed(settings.accountsFile, 'accounts.file')
  // Most nodes have no SFTP, and do not wait for it.
  const { serveSftp } = await import('@lafs/sftp')
  const { host, port } = settings.listen
  return listening(settings.listen, () =>
    serveSftp({ client, host, port, hostPrivateKey, accounts, temporaryFolder }),
  )
}

async function readNamed(file: string, option: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'no access'
    throw new NodeDirectoryError(
      'NODEDIR_BAD_CONFIG',
      `tahoe.cfg: expected a file that can be read at [sftpd] ${option}: ${file}: ${code}`,
      { cause },
    )
  }
}
