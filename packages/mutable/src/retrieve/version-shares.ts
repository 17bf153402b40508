import { sameBytes } from '@lafs/crypto'
import { isFilesystemError, NotEnoughSharesError } from '@lafs/filesystem-interface'
import { StorageError, isStorageError } from '@lafs/storage-interface'
import type { IServer, OperationOptions } from '@lafs/storage-interface'
import {
  createMutableShareReader,
  numberOfSegments,
  parseCheckstring,
} from '@lafs/storage-protocol/layout'
import { timedRequest } from '@lafs/storage-protocol/waiting'
import type { Cancellation } from '@lafs/storage-protocol/waiting'
import type { IncompleteHashTree } from '@lafs/hashtree'
import { untilHeard } from '../advice.ts'
import type { MutableFile } from '../file.ts'
import { placementKey } from '../publish/placement.ts'
import type { RetrieveStatus } from './status.ts'
import type { KnownShare, ServerMap } from '../servermap/server-map.ts'
import { updateServermap } from '../servermap/updater.ts'
import { shareTreeOf, ShareVerifier } from './share-verifier.ts'
import type { VersionInfo } from '../servermap/version-info.ts'

/** After this long without an answer another share is tried as well. */
const OVERDUE_MS = 10_000
/** Large answers have more time: as much as a link of this many bytes a millisecond takes. */
const SLOW_BYTES_PER_MS = 256
/** No answer has more time: a timer that is set for longer than 24 days fires at once. */
const OVERDUE_MAX_MS = 24 * 60 * 60 * 1000
/** A share is given up after this many times the time after which it is overdue. */
const PATIENCE = 6

/** How long an answer of so many bytes may take before it is overdue. */
export function overdueMs(size: number): number {
  return Math.min(OVERDUE_MS + size / SLOW_BYTES_PER_MS, OVERDUE_MAX_MS)
}

/** One share of the version on one server, as the servermap has it. */
export interface VersionShare {
  readonly server: IServer
  readonly shareNumber: number
  /** Checks the share against the version; made when first wanted. */
  readonly verifier: (options: OperationOptions) => Promise<ShareVerifier>
  /** Whether these blocks came with the servermap. */
  readonly holds: (first: number, last: number) => boolean
  /** Why it is not used any more. */
  failure: unknown
  /** It has given something. */
  used: boolean
}

/** What to do with shares until enough of them, with different numbers, have given something. */
export interface Gathering<T> {
  /** How many must give something. */
  readonly need: number
  /** Bytes of all answers together; they may share one link. */
  readonly size: number
  readonly act: (verifier: ShareVerifier, options: OperationOptions) => Promise<T>
  /** Which shares may be tried. Default: all. */
  readonly usable?: (share: VersionShare) => boolean
  /** Which ones come first. */
  readonly holds?: (share: VersionShare) => boolean
  /** How many segments have been handed out, for messages. */
  readonly segmentsDone: number
}

/** The state of one {@link Gathering}. */
interface Gathered<T> {
  readonly got: Map<number, T>
  readonly pending: Set<VersionShare>
  readonly overdue: Set<VersionShare>
  readonly timers: Set<() => void>
  /** The shares that the servermap did not know count among them. */
  widened: boolean
}

/**
 * The shares of one version that a servermap knows, for one retrieval: chooses among them, and
 * replaces those that fail, that are damaged or that keep us waiting by others. Where these run out,
 * and not every server has been asked for the map, all of them are asked once.
 *
 * A share that fails is marked as bad in the servermap; where it is damaged its server hears of it.
 */
export class VersionShares {
  #all: readonly VersionShare[]
  readonly #cancellation: Cancellation
  readonly #file: MutableFile
  readonly #map: ServerMap
  readonly #version: VersionInfo
  readonly #shareTree: IncompleteHashTree
  readonly #status: RetrieveStatus
  readonly #failures: unknown[] = []
  readonly #advice: Promise<void>[] = []
  readonly #troubled = new Set<string>()
  #widening: Promise<void> | undefined
  #waiting: (() => void)[] = []

  constructor(
    file: MutableFile,
    map: ServerMap,
    version: VersionInfo,
    {
      status,
      cancellation,
    }: { readonly status: RetrieveStatus; readonly cancellation: Cancellation },
  ) {
    this.#file = file
    this.#map = map
    this.#version = version
    this.#status = status
    this.#cancellation = cancellation
    cancellation.signal.addEventListener('abort', () => this.#notify(), { once: true })
    this.#shareTree = shareTreeOf(version, file.context.crypto)
    this.#all = map.sharesOf(version).map((share) => this.#share(share, map))
  }

  /** All that are known. */
  get all(): readonly VersionShare[] {
    return this.#all
  }

  /**
   * What `need` shares of different numbers give, by share number; now and then more.
   *
   * @throws {@link NotEnoughSharesError} when too few shares are left; the reason of the signal.
   */
  async gather<T>(gathering: Gathering<T>): Promise<Map<number, T>> {
    const { need } = gathering
    const state: Gathered<T> = {
      got: new Map(),
      pending: new Set(),
      overdue: new Set(),
      timers: new Set(),
      widened: false,
    }
    try {
      for (;;) {
        const change = this.#change()
        this.#cancellation.signal.throwIfAborted()
        if (state.got.size >= need) {
          for (const share of state.overdue) this.fail(share, noAnswer(share))
          return state.got
        }
        if (this.#possible(gathering, state) < need) {
          if (state.widened) throw this.#notEnough(gathering.segmentsDone)
          state.widened = true
          await (this.#widening ??= this.#widen())
          continue
        }
        const missing = need - hopeful(state).size
        if (missing > 0) {
          for (const share of this.#choose(gathering, state, missing)) {
            this.#start(share, gathering, state)
          }
        }
        await change
      }
    } finally {
      for (const cancel of state.timers) cancel()
    }
  }

  /** What one of the shares with this number gives; undefined where all of them fail. */
  async gatherOne<T>(shareNumber: number, act: Gathering<T>['act']): Promise<T | undefined> {
    const gathering = {
      need: 1,
      size: 0,
      act,
      usable: (share: VersionShare) => share.shareNumber === shareNumber,
      segmentsDone: 0,
    }
    try {
      return (await this.gather(gathering)).get(shareNumber)
    } catch (error) {
      if (isFilesystemError(error, 'DOWNLOAD_NOT_ENOUGH_SHARES')) return undefined
      throw error
    }
  }

  /**
   * What a share gives; undefined, and the share is marked as bad, where that fails or takes too long.
   *
   * @param limitMs - how long it may take.
   */
  async attempt<T>(
    share: VersionShare,
    act: Gathering<T>['act'],
    limitMs: number,
  ): Promise<T | undefined> {
    const { clock } = this.#file.context
    const startedMs = clock.nowMs()
    try {
      const limit = { clock, delayMs: limitMs, timeout: () => noAnswer(share) }
      const value = await timedRequest(this.#cancellation, limit, async (signal) =>
        act(await share.verifier({ signal }), { signal }),
      )
      share.used = true
      this.#status.addFetch(share.server.serverId, clock.nowMs() - startedMs)
      return value
    } catch (error) {
      if (!this.#cancellation.signal.aborted) this.fail(share, error)
      return undefined
    }
  }

  /** Waits until the servers of damaged shares have heard of them; see {@link untilHeard}. */
  heard(): Promise<void> {
    const { clock } = this.#file.context
    return untilHeard(this.#advice, { clock, signal: this.#cancellation.signal })
  }

  /** Uses a share no more. */
  fail(share: VersionShare, error: unknown): void {
    if (share.failure !== undefined) return
    const { server, shareNumber } = share
    share.failure = error ?? noAnswer(share)
    this.#failures.push(error)
    this.#troubled.add(server.serverId)
    this.#status.addProblem(server.serverId, error)
    const { checkstring } = this.#version.header
    // Somebody may have written another version there, and noted it, meanwhile.
    if (this.#map.versionOn(server, shareNumber)?.id === this.#version.id) {
      this.#map.markBadShare(server, shareNumber, checkstring, isDamage(error))
    }
    if (isDamage(error) && this.#map.claimAdvice(server, shareNumber, checkstring)) {
      this.#advice.push(this.#report(share, error).catch(() => {}))
    }
    this.#notify()
  }

  /**
   * Looks for shares on every server, where that was not done for the servermap. That map stays what
   * it is: a writer may count on it at this moment.
   */
  async #widen(): Promise<void> {
    const mode = this.#map.lastUpdateMode
    if (mode === 'MODE_CHECK' || mode === 'MODE_REPAIR') return
    const map = this.#map.copy()
    await this.#cancellation.run((signal) =>
      updateServermap(this.#file, map, 'MODE_CHECK', { signal }),
    )
    // What could not be had before may be there again.
    const kept = this.#all.filter(({ failure }) => failure === undefined || isDamage(failure))
    const known = new Set(kept.map(placementKey))
    const others = map.sharesOf(this.#version).filter((share) => !known.has(placementKey(share)))
    this.#all = [...kept, ...others.map((share) => this.#share(share, map))]
  }

  #share({ server, shareNumber }: KnownShare, map: ServerMap): VersionShare {
    const [version, shareTree] = [this.#version, this.#shareTree]
    const { storageIndex, context } = this.#file
    const known = map.readerFor(server, shareNumber)
    let verifier: Promise<ShareVerifier> | undefined
    const open = async (options: OperationOptions): Promise<ShareVerifier> => {
      const reader =
        known ??
        createMutableShareReader({
          server: await server.storageServer(options),
          storageIndex,
          shareNumber,
          header: version.header,
        })
      return new ShareVerifier({ version, shareNumber, shareTree, reader, crypto: context.crypto })
    }
    return {
      server,
      shareNumber,
      verifier: (options) => (verifier ??= open(options)),
      holds: (first, last) => known?.holdsBlocks(first, last) === true,
      failure: undefined,
      used: false,
    }
  }

  /**
   * The best shares that may be tried, of as many numbers: from servers without trouble, those that
   * have given something, those whose blocks are here, from servers that are not busy for us, with
   * low numbers.
   */
  #choose<T>({ usable, holds }: Gathering<T>, state: Gathered<T>, count: number): VersionShare[] {
    const taken = hopeful(state)
    const busy = new Map<string, number>()
    for (const { server } of state.pending) increment(busy, server.serverId)
    const tierOf = (share: VersionShare): number =>
      (this.#troubled.has(share.server.serverId) ? 4 : 0) +
      (share.used ? 0 : 2) +
      (holds?.(share) === true ? 0 : 1)
    const ranked = this.#all
      .filter((share) => share.failure === undefined && !state.pending.has(share))
      .filter((share) => !taken.has(share.shareNumber) && usable?.(share) !== false)
      .map((share) => ({ share, tier: tierOf(share) }))
      .toSorted((a, b) => a.tier - b.tier || a.share.shareNumber - b.share.shareNumber)
      .map((one) => ({ ...one, load: increment(busy, one.share.server.serverId) }))
      .toSorted((a, b) => a.tier - b.tier || a.load - b.load)
    const chosen = new Map<number, VersionShare>()
    for (const { share } of ranked) {
      if (chosen.size === count) break
      if (!chosen.has(share.shareNumber)) chosen.set(share.shareNumber, share)
    }
    return [...chosen.values()]
  }

  #start<T>(share: VersionShare, { act, size, need }: Gathering<T>, state: Gathered<T>): void {
    const { clock } = this.#file.context
    const lateMs = overdueMs(size)
    state.pending.add(share)
    const cancelOverdue = clock.after(lateMs, () => {
      state.overdue.add(share)
      this.#notify()
    })
    state.timers.add(cancelOverdue)
    void this.attempt(share, act, lateMs * PATIENCE).then((value) => {
      cancelOverdue()
      state.timers.delete(cancelOverdue)
      state.pending.delete(share)
      state.overdue.delete(share)
      if (value !== undefined) state.got.set(share.shareNumber, value)
      if (value === undefined || state.got.size >= need) this.#notify()
    })
  }

  /** How many share numbers have given something, or still may. */
  #possible<T>({ usable }: Gathering<T>, { got, pending }: Gathered<T>): number {
    const numbers = new Set(got.keys())
    for (const { shareNumber } of pending) numbers.add(shareNumber)
    for (const share of this.#all) {
      if (share.failure === undefined && usable?.(share) !== false) numbers.add(share.shareNumber)
    }
    return numbers.size
  }

  #notEnough(segmentsDone: number): NotEnoughSharesError {
    const { requiredShares, totalShares, header } = this.#version
    const failures = this.#failures
    const good = this.#all.filter(({ failure }) => failure === undefined)
    const remaining = new Set(good.map(({ shareNumber }) => shareNumber)).size
    const last = failures.at(-1)
    const lastText = last instanceof Error ? last.message : 'None'
    return new NotEnoughSharesError(
      `ran out of servers: have ${segmentsDone} of ${numberOfSegments(header)} segments; found ${failures.length} bad shares; have ${remaining} remaining shares of the right version; encoding ${requiredShares}-of-${totalShares}, last failure: ${lastText}`,
      { errors: failures, sharesFound: remaining, requiredShares },
    )
  }

  /** Tells a server that its share is damaged, unless a newer version has come to stand there. */
  async #report({ server, shareNumber }: VersionShare, error: Error): Promise<void> {
    const { storageIndex } = this.#file
    const { checkstring, sequenceNumber } = this.#version.header
    const storage = await server.storageServer()
    const spans = [{ offset: 0, size: checkstring.length }]
    const now = (await storage.slotReadv(storageIndex, [shareNumber], spans)).get(shareNumber)?.[0]
    if (now === undefined) return
    if (!sameBytes(now, checkstring) && sequenceNumberIn(now) > sequenceNumber) return
    await storage.adviseCorruptShare('mutable', storageIndex, shareNumber, error.message)
  }

  /** Settles at the next change. */
  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
    })
  }

  #notify(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}

/** The share numbers that have given something, or are expected to in time. */
function hopeful<T>({ got, pending, overdue }: Gathered<T>): Set<number> {
  const numbers = new Set(got.keys())
  for (const share of pending) {
    if (!overdue.has(share) && share.failure === undefined) numbers.add(share.shareNumber)
  }
  return numbers
}

function noAnswer({ server, shareNumber }: VersionShare): StorageError {
  return new StorageError(
    'STORAGE_TIMEOUT',
    `no answer from ${server.name} for share ${shareNumber}`,
  )
}

/** Whether an error says that the share is not as it was written. */
export function isDamage(error: unknown): error is Error {
  if (isStorageError(error, 'STORAGE_BAD_SHARE')) return true
  return isFilesystemError(error) && error.code.startsWith('SHARE_')
}

/** The sequence number of what may be the beginning of a share; -1 where it is none. */
function sequenceNumberIn(bytes: Uint8Array): number {
  try {
    return parseCheckstring(bytes).sequenceNumber
  } catch {
    return -1
  }
}

/** Counts one more; gives the count before. */
function increment(counts: Map<string, number>, key: string): number {
  const count = counts.get(key) ?? 0
  counts.set(key, count + 1)
  return count
}
