import { once } from 'node:events'
import { createServer } from 'node:net'
import type { Socket } from 'node:net'
import type { Client } from '@lafs/client'
import ssh2 from 'ssh2'
import type { AuthContext, Connection, ServerChannel, Session as SshSession } from 'ssh2'
import { findAccount, parseAccounts } from './accounts.ts'
import type { Account } from './accounts.ts'
import { SftpError } from './errors.ts'
import { FilesInWork } from './files-in-work.ts'
import { Session } from './session.ts'
import type { SessionContext } from './session.ts'
import { Subsystem } from './subsystem.ts'
import { Transfers } from './transfers.ts'

/** How many times a connection may have SFTP at one time; as often as with OpenSSH. */
const CHANNELS_MAX = 10
/** How many connections may be about to log in; further ones are closed, as by OpenSSH. */
const LOGINS_MAX = 100
/** How long a connection may take to log in. */
const LOGIN_TIMEOUT_MS = 60_000
/** How long the last words of a connection may take. */
const FAREWELL_MS = 1000
/** Quiet connections are asked for a sign of life; after three questions without answer they end. */
const KEEPALIVE_MS = 60_000

const DF_COMMAND = 'df -P -k /'
const DF_ANSWER =
  'Filesystem         1024-blocks      Used Available Capacity Mounted on\r\n' +
  'tahoe                628318530 314159265 314159265      50% /\r\n'
const NO_SHELL =
  'This server supports only the SFTP protocol. It does not support SCP,\r\n' +
  'interactive shell sessions, or commands other than one needed by sshfs.\r\n'

/** What the SFTP frontend is made of. */
export interface SftpOptions {
  /** Stays the caller's, who closes it after the frontend. */
  readonly client: Client
  /** 0: any that is free. */
  readonly port: number
  /** Default: `127.0.0.1`. */
  readonly host?: string | undefined
  /** The private key of the host, in OpenSSH's format or as PEM, without a passphrase. */
  readonly hostPrivateKey: string
  /** The text of the accounts file: lines `NAME KEY-TYPE KEY CAP`. */
  readonly accounts: string
  /** Where content waits while it is written, encrypted. Default: the system's folder for temporary files. */
  readonly temporaryFolder?: string | undefined
}

/** An SFTP frontend that listens. */
export interface SftpListener extends AsyncDisposable {
  readonly port: number
  /** Ends all connections. Files that are being closed are stored first; open ones are not. */
  close(): Promise<void>
}

/**
 * Serves the directories of some accounts over SFTP, to those who hold their keys.
 *
 * @throws {@link SftpError} `SFTP_BAD_ACCOUNT`, `SFTP_BAD_HOST_KEY`; what `listen` throws, such as
 *   `EADDRINUSE`.
 * @see Tahoe-LAFS docs/frontends/FTP-and-SFTP.rst
 */
export async function serveSftp(options: SftpOptions): Promise<SftpListener> {
  const accounts = parseAccounts(options.accounts)
  assertHostKey(options.hostPrivateKey)
  const context: SessionContext = {
    client: options.client,
    filesInWork: new FilesInWork(),
    temporaryFolder: options.temporaryFolder,
    now: Date.now,
  }
  const ssh = { hostKeys: [options.hostPrivateKey], keepaliveInterval: KEEPALIVE_MS }
  /** Undefined as long as the other side has said nothing. */
  const connections = new Map<Socket, Connection | undefined>()
  const sessions = new Set<Promise<void>>()
  const loggingIn = new Set<Socket>()
  const server = createServer((socket) => {
    if (loggingIn.size >= LOGINS_MAX) {
      socket.destroy()
      return
    }
    connections.set(socket, undefined)
    loggingIn.add(socket)
    const timer = setTimeout(() => dismiss(socket, connections.get(socket)), LOGIN_TIMEOUT_MS)
    const endLogin = (): void => {
      loggingIn.delete(socket)
      clearTimeout(timer)
    }
    socket.on('close', () => {
      connections.delete(socket)
      endLogin()
    })
    // One for each socket: it does not tell which of them a connection has.
    const own = new ssh2.Server(ssh, (connection) => {
      connections.set(socket, connection)
      connection.on('ready', endLogin)
      // Whoever speaks no SSH, or goes away, ends nothing but the own connection.
      connection.on('error', () => dismiss(socket, connection))
      const transfers = new Transfers()
      let channelCount = 0
      welcome(connection, accounts, (accept, reject, { rootCap }) => {
        if (channelCount >= CHANNELS_MAX) {
          reject()
          return
        }
        channelCount++
        const session = new Session(context, transfers, rootCap)
        const served = serveChannel(accept(), session).finally(() => channelCount--)
        sessions.add(served)
        served.finally(() => sessions.delete(served)).catch(() => {})
      })
    })
    own.injectSocket(socket)
  })
  server.listen(options.port, options.host ?? '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const close = async (): Promise<void> => {
    const closed = new Promise((resolve) => server.close(resolve))
    for (const [socket, connection] of connections) dismiss(socket, connection)
    await Promise.allSettled(sessions)
    await closed
  }
  return {
    port: typeof address === 'object' && address !== null ? address.port : options.port,
    close,
    [Symbol.asyncDispose]: close,
  }
}

function assertHostKey(text: string): void {
  const key = ssh2.utils.parseKey(text)
  if (key instanceof Error || !key.isPrivateKey()) {
    // The cause may quote the key.
    throw new SftpError('SFTP_BAD_HOST_KEY', 'expected a private key without a passphrase')
  }
}

/** Ends a connection, however little its other side takes of the last words. */
function dismiss(socket: Socket, connection: Connection | undefined): void {
  connection?.end()
  socket.destroySoon()
  const timer = setTimeout(() => socket.destroy(), FAREWELL_MS)
  socket.on('close', () => clearTimeout(timer))
}

/** Somebody asks for SFTP. */
type OnSftp = (accept: () => ServerChannel, reject: () => void, account: Account) => void

/** Lets somebody in who holds the key of an account. */
function welcome(connection: Connection, accounts: readonly Account[], onSftp: OnSftp): void {
  let user: Account | undefined
  connection.on('authentication', (attempt) => {
    const account = verifiedAccount(attempt, accounts)
    if (account === undefined) {
      attempt.reject(['publickey'])
      return
    }
    user = account
    attempt.accept()
  })
  connection.on('ready', () => {
    connection.on('session', (accept) => {
      if (user !== undefined) offer(accept(), user, onSftp)
    })
  })
}

/** Without a signature a client only asks whether a key would do. */
function verifiedAccount(attempt: AuthContext, accounts: readonly Account[]): Account | undefined {
  if (attempt.method !== 'publickey') return undefined
  const account = findAccount(accounts, attempt.username, attempt.key.data)
  if (account === undefined || attempt.signature === undefined) return account
  const { blob, signature, hashAlgo } = attempt
  const isGenuine = blob !== undefined && account.publicKey.verify(blob, signature, hashAlgo)
  return isGenuine ? account : undefined
}

function offer(session: SshSession, user: Account, onSftp: OnSftp): void {
  session.on('subsystem', (accept, reject, { name }) => {
    if (name === 'sftp') onSftp(accept, reject, user)
    else reject()
  })
  session.on('exec', (accept, _reject, { command }) => {
    const channel = accept()
    if (command === DF_COMMAND) finish(channel, 0, () => channel.write(DF_ANSWER))
    else finish(channel, 1, () => channel.stderr.write(NO_SHELL))
  })
  session.on('pty', (accept) => accept())
  session.on('shell', (accept) => {
    const channel = accept()
    finish(channel, 1, () => channel.stderr.write(NO_SHELL))
  })
}

function finish(channel: ServerChannel, status: number, say: () => void): void {
  say()
  channel.exit(status)
  channel.end()
}

async function serveChannel(channel: ServerChannel, session: Session): Promise<void> {
  const ended = new AbortController()
  channel.on('close', () => ended.abort())
  channel.on('error', () => ended.abort())
  let drained: Promise<unknown> | undefined
  const send = async (bytes: Uint8Array): Promise<void> => {
    if (ended.signal.aborted || channel.write(bytes)) return
    // All that wait do so together.
    drained ??= once(channel, 'drain', { signal: ended.signal }).finally(() => {
      drained = undefined
    })
    await drained
  }
  try {
    await new Subsystem(session).serve(channel, send)
  } catch {
    // The stream broke off, or what came is no SFTP.
  } finally {
    channel.exit(0)
    channel.end()
  }
}
