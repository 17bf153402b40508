import { isStorageError, StorageError } from '@lafs/storage-interface'
import type { IServer } from '@lafs/storage-interface'
import { leaseSecretsOf } from '@lafs/storage-protocol'
import { Cancellation, timedRequest } from '@lafs/storage-protocol/waiting'
import type { Clock } from '@lafs/storage-protocol/waiting'
import type { CheckerContext } from '../context.ts'
import { QUERY_TIMEOUT_MS } from '../immutable/timeouts.ts'

/** A server that was out of reach so often in a row is left out for a while. */
const SILENCES_MAX = 3

/** How long it is left out before it is asked for one thing again. */
const PAUSE_MS = 60_000

/** What came of one server. */
export interface RenewedServer {
  readonly serverId: string
  /** Not asked: known to be out of reach. */
  readonly outcome: 'renewed' | 'holds-nothing' | 'failed' | 'not-asked'
  /** Why it failed. */
  readonly error?: unknown
}

/**
 * Adds or renews our lease on one object, on every server that can be reached, all at once.
 *
 * @param signal - ends what is under way; what is said of those servers then means nothing.
 * @returns what came of each server; one that fails is an outcome.
 */
export async function renewLease(
  object: { readonly storageIndex: Uint8Array; readonly mutable: boolean },
  context: CheckerContext,
  patience: ServerPatience,
  signal: AbortSignal,
): Promise<readonly RenewedServer[]> {
  const { storageIndex, mutable } = object
  const secretsOn = leaseSecretsOf(storageIndex, context)
  const requests = new Cancellation(signal)
  const renewOn = async (server: IServer, own: AbortSignal): Promise<boolean> => {
    const storage = await server.storageServer({ signal: own })
    const options = { signal: own }
    // A server does not say whether it has anything to add a lease to; both go in one request.
    const [shares] = await Promise.all([
      mutable
        ? storage.slotReadv(storageIndex, [], [], options)
        : storage.getBuckets(storageIndex, options),
      storage.addLease(storageIndex, secretsOn(server), options),
    ])
    return shares.size > 0
  }
  try {
    const servers = context.broker.serversForStorageIndex(storageIndex)
    const ids = new Set(servers.map(({ serverId }) => serverId))
    const notAsked = context.broker
      .knownServers()
      .filter(({ serverId }) => !ids.has(serverId))
      .map(({ serverId }) => ({ serverId, outcome: 'not-asked' }) as const)
    const asked = await Promise.all(
      servers.map(async (server): Promise<RenewedServer> => {
        const { serverId } = server
        try {
          const held = await patience.ask(serverId, requests, (own) => renewOn(server, own))
          return { serverId, outcome: held ? 'renewed' : 'holds-nothing' }
        } catch (error) {
          return { serverId, outcome: 'failed', error }
        }
      }),
    )
    return [...asked, ...notAsked]
  } finally {
    requests.dispose()
  }
}

interface Silence {
  /** How often in a row it was out of reach. */
  times: number
  /** When it may be asked again. */
  pauseUntilMs: number
  error: StorageError
}

/** Gives up requests that take too long, and for a while the servers that do not answer. */
export class ServerPatience {
  readonly #clock: Clock
  /** By the ids of the servers: those that did not answer the last time. */
  readonly #silences = new Map<string, Silence>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * The outcome of a request.
   *
   * @throws what the request throws; {@link StorageError} `STORAGE_TIMEOUT` when it takes too long, and
   *   the last error of a server that is left out for now.
   */
  async ask<T>(
    serverId: string,
    requests: Cancellation,
    request: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const silence = this.#silences.get(serverId)
    if (silence !== undefined && silence.times >= SILENCES_MAX) {
      if (this.#clock.nowMs() < silence.pauseUntilMs) throw silence.error
      // One request finds out for all.
      silence.pauseUntilMs = Number.POSITIVE_INFINITY
    }
    const timeout = (): StorageError =>
      new StorageError('STORAGE_TIMEOUT', 'the server did not answer in time', { serverId })
    const limit = { clock: this.#clock, delayMs: QUERY_TIMEOUT_MS, timeout }
    try {
      const answer = await timedRequest(requests, limit, request)
      this.#silences.delete(serverId)
      return answer
    } catch (error) {
      this.#note(serverId, error)
      throw error
    }
  }

  #note(serverId: string, error: unknown): void {
    if (
      !isStorageError(error, 'STORAGE_TIMEOUT') &&
      !isStorageError(error, 'STORAGE_UNREACHABLE')
    ) {
      // It answers.
      this.#silences.delete(serverId)
      return
    }
    const times = (this.#silences.get(serverId)?.times ?? 0) + 1
    const pauseUntilMs = this.#clock.nowMs() + PAUSE_MS
    this.#silences.set(serverId, { times, pauseUntilMs, error })
  }
}
