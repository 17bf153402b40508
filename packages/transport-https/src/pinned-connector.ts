import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { StorageError } from '@lafs/storage-interface'
import { type Nurl, onAbort } from '@lafs/storage-protocol'
import type { buildConnector } from 'undici'
import { spkiHashOf } from './identity.ts'
import { CIPHERS, HIGH_WATER_MARK, MIN_VERSION } from './tls.ts'

/** What a {@link pinnedConnector} is limited by. */
export interface ConnectorOptions {
  /** How long a connection and its handshake may take, in milliseconds. */
  readonly timeoutMs: number
  /** Ends, with its reason, what is not connected yet. */
  readonly closed: AbortSignal
  readonly onConnect: () => void
}

/**
 * Connects to a server and makes sure that it holds the key that its NURL names, before a byte of a
 * request goes out. Names, dates and issuers of certificates mean nothing here.
 *
 * It fails closed: no certificate, or one that cannot be read, is a wrong server. Sessions are never
 * resumed, since a resumed one shows no certificate.
 */
export function pinnedConnector(nurl: Nurl, options: ConnectorOptions): buildConnector.connector {
  return (_, callback) => {
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
    } as ConnectionOptions)
    socket.setNoDelay(true)
    const timer = setTimeout(
      () =>
        socket.destroy(new StorageError('STORAGE_TIMEOUT', 'the server does not take connections')),
      options.timeoutMs,
    )
    let pending = true
    const forget = onAbort(options.closed, () => socket.destroy(options.closed.reason))
    const settle = (): void => {
      pending = false
      clearTimeout(timer)
      forget()
    }
    const fail = (error: Error): void => {
      if (!pending) return
      settle()
      socket.destroy()
      callback(error, null)
    }
    socket.on('error', fail)
    socket.once('close', () => fail(new Error('the peer closed the connection')))
    socket.once('secureConnect', () => {
      if (!pending) return
      const problem = problemWithPeer(socket, nurl.spkiHash)
      if (problem !== undefined) {
        fail(problem)
        return
      }
      settle()
      options.onConnect()
      callback(null, socket)
    })
  }
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
