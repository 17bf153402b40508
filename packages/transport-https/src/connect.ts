import {
  type IConnectionStatus,
  isStorageError,
  type OperationOptions,
  type ServerAnnouncement,
  type StorageConnection,
  StorageError,
} from '@lafs/storage-interface'
import { type Nurl, parseNurl } from '@lafs/storage-protocol'
import { createHttpStorageServer, type SendRequest } from '@lafs/storage-protocol/client'
import { ConnectionPool } from './connection-pool.ts'
import { HttpConnection } from './http-connection.ts'

/** A connection to a server over HTTPS, with how things stand with it. */
export interface HttpsConnection extends StorageConnection {
  readonly status: IConnectionStatus
}

/** How servers are connected to. */
export interface ConnectOptions {
  /** How long a server may say nothing, in milliseconds. */
  readonly timeoutMs: number
  /** How many connections to one server there may be. */
  readonly connectionsMax: number
}

/** How long a TCP connection and its handshake may take. */
const CONNECT_TIMEOUT_MS = 20_000

/** The NURLs of an announcement that this transport can use. Never throws. */
export function usableNurls(announcement: ServerAnnouncement): Nurl[] {
  const texts: unknown = announcement['anonymous-storage-NURLs']
  // Upstream's own announcements hold a set.
  const list = Array.isArray(texts) || texts instanceof Set ? [...(texts as Iterable<unknown>)] : []
  return list.flatMap((text) => {
    try {
      const nurl = parseNurl(String(text))
      return nurl.scheme === 'pb' ? [nurl] : []
    } catch {
      return []
    }
  })
}

/** Connects by all the NURLs of an announcement at once; the first that answers is kept. */
export async function connect(
  announcement: ServerAnnouncement,
  settings: ConnectOptions,
  options: OperationOptions = {},
): Promise<HttpsConnection> {
  options.signal?.throwIfAborted()
  const nurls = usableNurls(announcement)
  if (nurls.length === 0) {
    throw new StorageError('STORAGE_BAD_ANNOUNCEMENT', 'the announcement has no NURL for HTTPS')
  }
  const candidates = nurls.map((nurl) => connectionTo(nurl, settings))
  try {
    const first = await Promise.any(
      candidates.map(async (candidate) => {
        await candidate.storageServer.getVersion(options)
        return candidate
      }),
    )
    await Promise.all(candidates.filter((other) => other !== first).map((other) => other.close()))
    return first
  } catch (error) {
    await Promise.all(candidates.map((candidate) => candidate.close()))
    options.signal?.throwIfAborted()
    throw failureOf(error)
  }
}

/** One error for the failure of every NURL: the first that says more than that none was reached. */
function failureOf(error: unknown): unknown {
  const errors: unknown[] = error instanceof AggregateError ? error.errors : [error]
  const told = errors.find((each) => !isStorageError(each, 'STORAGE_UNREACHABLE')) ?? errors[0]
  if (errors.length === 1 || !isStorageError(told)) return told
  const { message, serverId, status } = told
  return new StorageError(told.code, message, { cause: error, serverId, status })
}

/** What is known of a connection. */
interface Facts {
  closed: boolean
  connectedMs?: number
  receivedMs?: number
  failure?: string
}

function connectionTo(nurl: Nurl, settings: ConnectOptions): HttpsConnection {
  const facts: Facts = { closed: false }
  const closed = new AbortController()
  const pool = new ConnectionPool(async () => {
    const connection = await HttpConnection.open(nurl, {
      timeoutMs: Math.min(CONNECT_TIMEOUT_MS, settings.timeoutMs),
      closed: closed.signal,
    })
    facts.connectedMs = Date.now()
    return connection
  }, settings.connectionsMax)
  const close = async (): Promise<void> => {
    facts.closed = true
    closed.abort(closedError())
    pool.close(closedError())
  }
  return {
    storageServer: createHttpStorageServer(senderTo(pool, facts), {
      swissnum: nurl.swissnum,
      timeoutMs: settings.timeoutMs,
    }),
    get status() {
      return statusOf(facts)
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

function senderTo(pool: ConnectionPool, facts: Facts): SendRequest {
  return async (request) => {
    if (facts.closed) throw closedError()
    try {
      const response = await pool.send(request)
      facts.receivedMs = Date.now()
      delete facts.failure
      return response
    } catch (error) {
      if (request.signal.aborted) throw request.signal.reason
      const failure = failureOfRequest(error, facts.closed)
      facts.failure = failure.code
      throw failure
    }
  }
}

function statusOf(facts: Facts): IConnectionStatus {
  const connected = !facts.closed && facts.failure === undefined && facts.receivedMs !== undefined
  const otherwise = facts.closed ? 'closed' : (facts.failure ?? 'connecting')
  return {
    connected,
    summary: connected ? 'connected over HTTPS' : otherwise,
    ...(facts.connectedMs === undefined ? {} : { lastConnectionTimeMs: facts.connectedMs }),
    ...(facts.receivedMs === undefined ? {} : { lastReceivedTimeMs: facts.receivedMs }),
  }
}

function failureOfRequest(error: unknown, closed: boolean): StorageError {
  if (isStorageError(error)) return error
  if (closed) return closedError()
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined
  const why = typeof code === 'string' ? code : 'the connection broke'
  return new StorageError('STORAGE_UNREACHABLE', `cannot talk to the server: ${why}`, {
    cause: error,
  })
}

function closedError(): StorageError {
  return new StorageError('STORAGE_CLOSED', 'the connection has been closed')
}
