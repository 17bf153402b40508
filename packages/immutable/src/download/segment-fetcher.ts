import { NoSharesError, NotEnoughSharesError } from '@lafs/filesystem-interface'
import { afterSilence } from '../silence.ts'
import { BlockRuns } from './block-runs.ts'
import type { Block } from './block-runs.ts'
import { DownloadEndedError } from './file-knowledge.ts'
import type { FileState } from './file-state.ts'
import type { RemoteShare } from './remote-share.ts'

/**
 * After this long another share is tried beside the one that keeps us waiting, unless it is the line that
 * does: then after what is under way could have come.
 */
const OVERDUE_MS = 10_000
/** How much longer than all of it alone it may take, as it shares the line with what is asked for later. */
const LATER_FACTOR = 2
/** After this long without an answer of any server a share is given up. */
const GIVE_UP_MS = 60_000
/** Bytes of blocks to fetch in one request from one share. */
const RUN_SIZE = 512 * 1024
/** Bytes of blocks to fetch in one go from all shares. */
const ALL_RUNS_SIZE = 16 * 1024 * 1024

/** What to do with shares until enough of them have given something. */
interface Gathering<T> {
  /** How many shares of different numbers must give something. */
  readonly need: number
  /** How many are tried at once; more only when some fail or are overdue. */
  readonly parallel: number
  readonly act: (share: RemoteShare) => Promise<T | undefined>
  readonly usable: (share: RemoteShare) => boolean
  readonly prefers: (share: RemoteShare) => boolean
}

/**
 * Fetches checked blocks for one read of a file, and replaces shares that fail, are damaged or keep
 * us waiting by others.
 *
 * @see allmydata.immutable.downloader.fetcher.SegmentFetcher
 */
export class SegmentFetcher {
  readonly #file: FileState
  readonly #signal: AbortSignal
  readonly #runs = new Map<RemoteShare, BlockRuns>()
  /** The servers that gave blocks. */
  readonly serversUsed: Set<string> = new Set()

  constructor(file: FileState, signal: AbortSignal) {
    this.#file = file
    this.#signal = signal
    signal.addEventListener('abort', () => file.changed.notify(), { once: true })
  }

  /** Settles when the URI extension block is known; k shares get ready meanwhile. */
  async ready(): Promise<void> {
    if (this.#file.uriExtension !== undefined) return
    await this.#gather({
      need: 1,
      parallel: this.#file.cap.requiredShares,
      act: (share) => share.prepare(),
      usable: () => true,
      prefers: () => false,
    })
  }

  /**
   * The blocks of k shares of one segment, by share number.
   *
   * @param lastSegment - the last segment of the read: blocks up to there may be fetched with this one.
   * @throws {@link FilesystemError} `DOWNLOAD_NO_SHARES`, `DOWNLOAD_NOT_ENOUGH_SHARES`.
   */
  async blocks(segment: number, lastSegment: number): Promise<Map<number, Block>> {
    const { requiredShares } = this.#file.cap
    const { blockSize } = this.#file.known().geometry
    const runSize = Math.min(RUN_SIZE, ALL_RUNS_SIZE / requiredShares)
    const countMax = Math.max(1, Math.ceil(runSize / blockSize))
    return this.#gather({
      need: requiredShares,
      parallel: requiredShares,
      act: async (share) => {
        const runs = this.#runs.get(share) ?? new BlockRuns(share, lastSegment, countMax)
        this.#runs.set(share, runs)
        const block = await runs.take(segment)
        if (block !== undefined) this.serversUsed.add(share.server.serverId)
        return block
      },
      usable: (share) => !share.badSegments.has(segment),
      prefers: (share) => this.#runs.has(share),
    })
  }

  async #gather<T>(gathering: Gathering<T>): Promise<Map<number, T>> {
    const { need, parallel } = gathering
    const file = this.#file
    const got = new Map<number, T>()
    const active = new Map<number, RemoteShare>()
    const overdue = new Set<RemoteShare>()
    const tried = new Set<RemoteShare>()
    let over = false
    try {
      for (;;) {
        const change = file.changed.next()
        this.#signal.throwIfAborted()
        if (file.fatal !== undefined) throw file.fatal
        if (got.size >= need) return got
        while (distinct(got, active) < parallel) {
          const share = this.#choose(gathering, { got, active, tried })
          if (share === undefined) break
          tried.add(share)
          this.#start(share, gathering, { got, active, tried, overdue, isOver: () => over })
        }
        if (distinct(got, active) < parallel) file.finder.ask(file.requests)
        const hope = distinct(got, active, new Set([...overdue].map((one) => one.shareNumber)))
        if (hope < need && file.finder.exhausted) throw this.#outOfShares(got, active, overdue)
        await change
      }
    } finally {
      over = true
    }
  }

  /**
   * The best share that may be tried: none that is known to be damaged until no other is to be found,
   * none with a damaged block or that was overdue if there is another, from servers that are not busy
   * for us, one that we use already, from a fast server, with a low number.
   */
  #choose<T>(
    { usable, prefers }: Gathering<T>,
    now: {
      readonly got: ReadonlyMap<number, T>
      readonly active: ReadonlyMap<number, RemoteShare>
      readonly tried: ReadonlySet<RemoteShare>
    },
  ): RemoteShare | undefined {
    const busy = new Map<string, number>()
    for (const { server } of now.active.values()) {
      busy.set(server.serverId, (busy.get(server.serverId) ?? 0) + 1)
    }
    const rank = (share: RemoteShare): number[] => [
      share.suspect || share.badSegments.size > 0 ? 1 : 0,
      share.overdue ? 1 : 0,
      busy.get(share.server.serverId) ?? 0,
      prefers(share) ? 0 : 1,
      // Answer times that differ by less than a factor of two are as good as equal.
      Math.round(Math.log2(1 + share.answerMs)),
      share.shareNumber,
    ]
    let best: { share: RemoteShare; rank: number[] } | undefined
    for (const share of this.#file.shares) {
      const { shareNumber } = share
      if (share.suspect && !this.#file.finder.exhausted) continue
      if (share.failure !== undefined || now.tried.has(share) || !usable(share)) continue
      if (now.got.has(shareNumber) || now.active.has(shareNumber)) continue
      const candidate = { share, rank: rank(share) }
      if (best === undefined || precedes(candidate.rank, best.rank)) best = candidate
    }
    return best?.share
  }

  #start<T>(
    share: RemoteShare,
    { act, need }: Gathering<T>,
    state: {
      readonly got: Map<number, T>
      readonly active: Map<number, RemoteShare>
      readonly tried: Set<RemoteShare>
      readonly overdue: Set<RemoteShare>
      readonly isOver: () => boolean
    },
  ): void {
    const { clock, changed } = this.#file
    const { shareNumber, foundBefore } = share
    state.active.set(shareNumber, share)
    const retire = (): void => {
      if (state.active.get(shareNumber) === share) state.active.delete(shareNumber)
      state.overdue.delete(share)
      changed.notify()
    }
    const onOverdue = (): void => {
      share.overdue = true
      retire()
      state.overdue.add(share)
    }
    let cancelOverdue = clock.after(OVERDUE_MS, () => {
      const busyMs = LATER_FACTOR * this.#file.line.busyMs
      if (busyMs < OVERDUE_MS) onOverdue()
      else cancelOverdue = clock.after(busyMs, onOverdue)
    })
    const answers = (): number => this.#file.answerCount
    const cancelGiveUp = afterSilence(clock, GIVE_UP_MS, answers, () => {
      share.failure ??= new Error(`${share.label} did not answer`)
      retire()
    })
    const settle = (): void => {
      cancelOverdue()
      cancelGiveUp()
    }
    act(share).then(
      (value) => {
        settle()
        share.overdue = state.overdue.has(share) && share.overdue
        // Of several that come in one moment no more are taken than are needed.
        const isWanted = !state.isOver() && state.got.size < need
        if (value !== undefined && isWanted) state.got.set(shareNumber, value)
        retire()
      },
      (error: unknown) => {
        settle()
        // It went on with what a read had begun that ended meanwhile.
        if (error instanceof DownloadEndedError) state.tried.delete(share)
        else if (foundBefore) this.#file.findAgain(share)
        retire()
      },
    )
  }

  #outOfShares<T>(
    got: ReadonlyMap<number, T>,
    active: ReadonlyMap<number, RemoteShare>,
    overdue: ReadonlySet<RemoteShare>,
  ): Error {
    const { shares, finder, cap } = this.#file
    const failures = [finder.lastFailure, ...shares.map(({ failure }) => failure)].filter(
      (failure) => failure !== undefined,
    )
    const last = failures.at(-1)
    const lastText = last instanceof Error ? last.message : 'None'
    const details = { errors: failures, requiredShares: cap.requiredShares }
    if (shares.length === 0) {
      return new NoSharesError(
        `no shares (need ${cap.requiredShares}). Last failure: ${lastText}`,
        {
          ...details,
          sharesFound: 0,
        },
      )
    }
    const complete = [...got.keys()]
      .toSorted((a, b) => a - b)
      .map((share) => `sh${share}`)
      .join(',')
    const labels = (some: Iterable<RemoteShare>): string =>
      [...some].map(({ label }) => label).join(',')
    return new NotEnoughSharesError(
      `ran out of shares: complete=${complete} pending=${labels(active.values())} overdue=${labels(overdue)} unused= need ${cap.requiredShares}. Last failure: ${lastText}`,
      { ...details, sharesFound: new Set(shares.map(({ shareNumber }) => shareNumber)).size },
    )
  }
}

/** How many different share numbers there are in all of these. */
function distinct(...groups: { keys(): IterableIterator<number> }[]): number {
  return new Set(groups.flatMap((group) => [...group.keys()])).size
}

function precedes(a: readonly number[], b: readonly number[]): boolean {
  for (const [index, value] of a.entries()) {
    const other = b[index] ?? 0
    if (value !== other) return value < other
  }
  return false
}
