import type { Client } from '@lafs/client'

/** What the SFTP frontend is made of. */
export interface SftpOptions {
  readonly client: Client
  /** 0: any that is free. */
  readonly port: number
  /** Default: `127.0.0.1`. */
  readonly host?: string
  /** The private key of the host, in OpenSSH's or PEM format. */
  readonly hostPrivateKey: string
  /** The text of the accounts file. */
  readonly accounts: string
}

/** An SFTP frontend that listens. */
export interface SftpListener extends AsyncDisposable {
  readonly port: number
  close(): Promise<void>
}

/** Serves the directories of some accounts over SFTP. */
export function serveSftp(_options: SftpOptions): Promise<SftpListener> {
  return Promise.reject(new Error('not there yet'))
}
