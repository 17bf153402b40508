import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { StorageError } from '@lafs/storage-interface'
import { type Nurl, onAbort } from '@lafs/storage-protocol'
import { spkiHashOf } from './identity.ts'
import { CIPHERS, HIGH_WATER_MARK, MIN_VERSION } from './tls.ts'

/** What {@link connectPinned} is limited by. */
export interface PinnedOptions {
  /** How long a connection and its handshake may take, in milliseconds. */
  readonly timeoutMs: number
  /** Ends, with its reason, what is not connected yet. */
  readonly closed: AbortSignal
}

/** What a socket does with what it reads. */
export interface ReadInto {
  /** Where the next bytes go. Asked before each read. */
  readonly buffer: () => Uint8Array
  /** So many bytes have been put there. */
  readonly callback: (size: number) => boolean
}

/**
 * Connects to a server and makes sure that it holds the key that its NURL names, before a byte of a
 * request goes out. Names, dates and issuers of certificates mean nothing here.
 *
 * It fails closed: no certificate, or one that cannot be read, is a wrong server. Sessions are never
 * resumed, since a resumed one shows no certificate.
 *
 * @throws {@link StorageError} `STORAGE_WRONG_SERVER`, `STORAGE_TIMEOUT`; and what the socket says.
 */
export function connectPinned(
  nurl: Nurl,
  { timeoutMs, closed }: PinnedOptions,
  onread: ReadInto,
): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: nurl.host,
      port: nurl.port,
      // The pin is checked below instead; a name would only tell who we talk to.
      rejectUnauthorized: false,
      servername: '',
      ciphers: CIPHERS,
      minVersion: MIN_VERSION,
      ALPNProtocols: ['http/1.1'],
      highWaterMark: HIGH_WATER_MARK,
      onread,
    } as ConnectionOptions)
    socket.setNoDelay(true)
    const timer = setTimeout(
      () =>
        socket.destroy(new StorageError('STORAGE_TIMEOUT', 'the server does not take connections')),
      timeoutMs,
    )
    let pending = true
    const forget = onAbort(closed, () => socket.destroy(closed.reason))
    const settle = (): void => {
      pending = false
      clearTimeout(timer)
      forget()
    }
    const fail = (error: Error): void => {
      if (!pending) return
      settle()
      socket.destroy()
      reject(error)
    }
    socket.on('error', fail)
    socket.once('close', () => fail(new Error('the peer closed the connection')))
    socket.once('secureConnect', () => {
      if (!pending) return
      const problem = problemWithPeer(socket, nurl.spkiHash)
      if (problem !== undefined) return fail(problem)
      settle()
      resolve(socket)
    })
  })
}

/** Why the peer is not the one that was asked for; undefined when it is. */
function problemWithPeer(socket: TLSSocket, spkiHash: string): StorageError | undefined {
  let got: string | undefined
  try {
    const certificate = socket.getPeerX509Certificate()
    got = certificate === undefined ? undefined : spkiHashOf(certificate)
  } catch {
    got = undefined
  }
  if (got === spkiHash) return undefined
  const what = got === undefined ? 'shows no certificate' : 'has another key'
  return new StorageError('STORAGE_WRONG_SERVER', `the server ${what}`)
}
