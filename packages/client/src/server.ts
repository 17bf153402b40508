import type {
  IConnectionStatus,
  IServer,
  IStorageServer,
  OperationOptions,
  ServerAnnouncement,
  ServerVersion,
  StorageConnection,
  StorageErrorCode,
  StorageTransport,
} from '@lafs/storage-interface'
import { isStorageError, StorageError } from '@lafs/storage-interface'
import { Cancellation, systemClock, timedRequest } from '@lafs/storage-protocol/waiting'
import type { ServerIdentity } from './announcement.ts'

/** How long connecting to one server may take, in milliseconds. */
const CONNECT_TIMEOUT_MS = 10_000
/** How long a server is left alone after its first failure; each further one doubles it. */
const BACK_OFF_MIN_MS = 1_000
const BACK_OFF_MAX_MS = 60_000
/** For so long what a server says of itself holds: upstream asks each second. */
const VERSION_LIFETIME_MS = 5_000
/** What operations say that find a server out of reach, or wait for it in vain. */
const SIGNS_OF_ABSENCE: ReadonlySet<StorageErrorCode> = new Set([
  'STORAGE_UNREACHABLE',
  'STORAGE_CLOSED',
  'STORAGE_TIMEOUT',
])

/**
 * One server of the grid. It is connected to when it is first needed; after a failure it is left
 * alone for a while that doubles each time; and an operation that finds it out of reach makes the
 * next user ask it for a sign of life first.
 */
export class GridServer implements IServer {
  readonly serverId: string
  readonly nickname: string
  readonly name: string
  readonly longName: string
  readonly permutationSeed: Uint8Array
  readonly leaseSeed: Uint8Array
  readonly announcement: ServerAnnouncement
  readonly #transport: StorageTransport
  readonly #now: () => number
  readonly #gate: () => boolean
  readonly #ending = new Cancellation()
  #connection: StorageConnection | undefined
  #version: { readonly said: ServerVersion; readonly saidMs: number } | undefined
  #connecting: Promise<IStorageServer> | undefined
  /** An operation found the connected server out of reach. */
  #suspect = false
  #failure:
    | {
        readonly error: StorageError
        readonly count: number
        readonly failedAtMs: number
        readonly backOffMs: number
      }
    | undefined
  #lastConnectionTimeMs: number | undefined

  constructor(
    identity: ServerIdentity,
    announcement: ServerAnnouncement,
    transport: StorageTransport,
    now: () => number,
    gate: () => boolean,
  ) {
    this.serverId = identity.serverId
    this.nickname = identity.nickname
    this.name = identity.name
    this.longName = identity.longName
    this.permutationSeed = identity.permutationSeed
    this.leaseSeed = identity.leaseSeed
    this.announcement = announcement
    this.#transport = transport
    this.#now = now
    this.#gate = gate
  }

  /** Whether it failed so recently that it is not worth asking. */
  get outOfReach(): boolean {
    if (this.#failure === undefined) return false
    const { failedAtMs, backOffMs } = this.#failure
    const sinceMs = this.#now() - failedAtMs
    // A clock that was put back says nothing of when that was.
    return sinceMs >= 0 && sinceMs < backOffMs
  }

  get connectionStatus(): IConnectionStatus {
    const connected =
      this.#connection !== undefined && !this.#suspect && this.#failure === undefined
    const summary = connected
      ? `connected by ${this.#transport.name}`
      : this.#failure !== undefined
        ? `failed: ${this.#failure.error.code}`
        : this.#connecting !== undefined
          ? 'connecting'
          : 'not connected yet'
    return {
      connected,
      summary,
      ...(this.#lastConnectionTimeMs === undefined
        ? {}
        : { lastConnectionTimeMs: this.#lastConnectionTimeMs }),
    }
  }

  uploadPermitted(): boolean {
    return this.#gate()
  }

  async storageServer(options: OperationOptions = {}): Promise<IStorageServer> {
    options.signal?.throwIfAborted()
    if (this.#ending.signal.aborted) throw this.#ending.signal.reason
    if (this.#connection !== undefined && !this.#suspect) return this.#watched(this.#connection)
    if (this.#failure !== undefined && this.outOfReach) throw this.#failure.error
    // The attempt is shared by everyone who waits for it, and outlives those who give up.
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined
    })
    return raceAbort(this.#connecting, options.signal)
  }

  async #connect(): Promise<IStorageServer> {
    const limit = {
      clock: systemClock,
      delayMs: CONNECT_TIMEOUT_MS,
      timeout: () => new Error(`no connection within ${CONNECT_TIMEOUT_MS / 1000} seconds`),
    }
    let connection: StorageConnection
    try {
      connection = await timedRequest(this.#ending, limit, async (signal) => {
        await this.#dropUnlessAlive(signal)
        return this.#connection ?? this.#openConnection(signal)
      })
    } catch (cause) {
      if (this.#ending.signal.aborted) throw this.#ending.signal.reason
      throw this.#fail(cause)
    }
    this.#suspect = false
    this.#failure = undefined
    this.#lastConnectionTimeMs = this.#now()
    return this.#watched(connection)
  }

  /** Connects until the signal aborts; a connection that comes too late is closed at once. */
  async #openConnection(signal: AbortSignal): Promise<StorageConnection> {
    const opening = this.#transport.connect(this.announcement, { signal })
    try {
      const connection = await raceAbort(opening, signal)
      signal.throwIfAborted()
      this.#connection = connection
      return connection
    } catch (error) {
      opening.then((late) => late.close()).catch(() => undefined)
      throw error
    }
  }

  /** Keeps a connection under suspicion only if the server still answers on it. */
  async #dropUnlessAlive(signal: AbortSignal): Promise<void> {
    const connection = this.#connection
    if (connection === undefined) return
    try {
      await raceAbort(connection.storageServer.getVersion({ signal }), signal)
    } catch {
      this.#connection = undefined
      this.#version = undefined
      connection.close().catch(() => undefined)
      signal.throwIfAborted()
    }
  }

  #fail(cause: unknown): StorageError {
    const error = isStorageError(cause)
      ? cause
      : new StorageError('STORAGE_UNREACHABLE', `server ${this.name} cannot be reached`, {
          serverId: this.serverId,
          cause,
        })
    const count = (this.#failure?.count ?? 0) + 1
    const backOffMs = Math.min(BACK_OFF_MIN_MS * 2 ** (count - 1), BACK_OFF_MAX_MS)
    this.#failure = { error, count, failedAtMs: this.#now(), backOffMs }
    return error
  }

  /** The server's operations, with an eye on those that find it out of reach. */
  #watched(connection: StorageConnection): IStorageServer {
    const { storageServer } = connection
    const getVersion: IStorageServer['getVersion'] = (options) =>
      this.#latestVersion(storageServer, options)
    return watchFailures(storageServer, { getVersion }, () => {
      if (this.#connection === connection) this.#suspect = true
    })
  }

  /** What the server said of itself a moment ago, or says now. */
  async #latestVersion(
    server: IStorageServer,
    options: OperationOptions = {},
  ): Promise<ServerVersion> {
    options.signal?.throwIfAborted()
    const known = this.#version
    const age = this.#now() - (known?.saidMs ?? -Infinity)
    if (known !== undefined && age >= 0 && age < VERSION_LIFETIME_MS) return known.said
    const said = await server.getVersion(options)
    this.#version = { said, saidMs: this.#now() }
    return said
  }

  async close(): Promise<void> {
    this.#ending.abort(
      new StorageError('STORAGE_CLOSED', 'the storage broker has been closed', {
        serverId: this.serverId,
      }),
    )
    await this.#connecting?.catch(() => undefined)
    const connection = this.#connection
    this.#connection = undefined
    await connection?.close()
  }
}

/**
 * A server that is announced and cannot be used: no transport here speaks to it, or its
 * announcement makes no sense.
 */
export class UnusableServer implements IServer {
  readonly serverId: string
  readonly nickname: string
  readonly name: string
  readonly longName: string
  readonly permutationSeed: Uint8Array = new Uint8Array(20)
  readonly leaseSeed: Uint8Array = new Uint8Array(20)
  readonly connectionStatus: IConnectionStatus
  /** Why; it stays so. */
  readonly error: StorageError

  constructor(serverId: string, nickname: string, error: StorageError) {
    this.serverId = serverId
    this.nickname = nickname
    this.name = serverId.replace(/^v0-/, '').slice(0, 8)
    this.longName = serverId
    this.connectionStatus = { connected: false, summary: `unusable: ${error.message}` }
    this.error = error
  }

  uploadPermitted(): boolean {
    return false
  }

  storageServer(): Promise<IStorageServer> {
    return Promise.reject(this.error)
  }
}

/**
 * The same operations but for those that are replaced; `onUnreachable` hears of each that fails because
 * the server is away.
 */
function watchFailures(
  server: IStorageServer,
  replaced: Partial<IStorageServer>,
  onUnreachable: () => void,
): IStorageServer {
  return new Proxy(server, {
    get(target, key) {
      const member: unknown = Reflect.get(key in replaced ? replaced : target, key)
      if (typeof member !== 'function') return member
      return async (...parameters: unknown[]): Promise<unknown> => {
        try {
          return await (member.apply(target, parameters) as Promise<unknown>)
        } catch (error) {
          if (isStorageError(error) && SIGNS_OF_ABSENCE.has(error.code)) onUnreachable()
          throw error
        }
      }
    },
  })
}

/** Waits for a shared promise until the signal aborts; the promise goes on for the others. */
async function raceAbort<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  if (signal.aborted) {
    promise.catch(() => undefined)
    throw signal.reason
  }
  let stop: (() => void) | undefined
  const aborted = new Promise<never>((_resolve, reject) => {
    stop = () => reject(signal.reason as Error)
    signal.addEventListener('abort', stop, { once: true })
  })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    if (stop !== undefined) signal.removeEventListener('abort', stop)
  }
}
