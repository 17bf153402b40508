import type { IShareStore, ShareNumber, StorageIndex } from '@lafs/storage-interface'
import type { CrawlContext } from '../src/care/crawler.ts'
import { KeyedQueue } from '../src/queue.ts'

/** Time that stands still, and work that goes on when it is told to. */
export class Stepper {
  /** Milliseconds since 1970. */
  ms: number
  readonly lines: string[] = []
  readonly queue: KeyedQueue = new KeyedQueue()
  /** How long each rest was to be. */
  readonly restsMs: number[] = []
  #pending: (() => void) | undefined

  constructor(nowSeconds: number) {
    this.ms = nowSeconds * 1000
  }

  context(store: IShareStore): CrawlContext {
    return {
      store,
      now: () => this.ms,
      schedule: (callback, delayMs) => {
        this.restsMs.push(delayMs)
        this.#pending = callback
        return () => {
          if (this.#pending === callback) this.#pending = undefined
        }
      },
      inTurn: (key, task) => this.queue.run(key, task),
      log: (line) => {
        this.lines.push(line)
      },
    }
  }

  get waiting(): boolean {
    return this.#pending !== undefined
  }

  /** Begins a slice, without waiting for its end. */
  begin(): void {
    const callback = this.#pending
    this.#pending = undefined
    if (callback === undefined) throw new Error('nothing waits')
    callback()
  }

  /** Runs slices until something is so, be it in the middle of one. */
  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      if (this.waiting) this.begin()
      await turn()
    }
  }

  /** Runs one slice to its end. */
  async slice(): Promise<void> {
    this.begin()
    while (this.#pending === undefined) await turn()
  }
}

/** Lets everything go on that waits for nothing but its turn. */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

interface Crawling {
  start(): void
  stop(): Promise<void>
  state(): { readonly 'last-cycle-finished': number | null }
}

/** Starts a crawler, and stops it after so many whole cycles. */
export async function runCycles(stepper: Stepper, crawler: Crawling, cycles = 1): Promise<void> {
  const first = (crawler.state()['last-cycle-finished'] ?? -1) + cycles
  crawler.start()
  while ((crawler.state()['last-cycle-finished'] ?? -1) < first) await stepper.slice()
  await crawler.stop()
}

/** A storage index, one of as many as are wanted, spread over the prefixes. */
export function indexOf(n: number): StorageIndex {
  const bytes = new Uint8Array(16).fill(n)
  new DataView(bytes.buffer).setUint32(0, Math.imul(n + 1, 2_654_435_761) >>> 0)
  return bytes
}

const LEASE_SECONDS = 31 * 24 * 60 * 60

/** Puts a share whose leases were renewed at such times, in seconds; lease *i* has the secrets *i*. */
export async function putShare(
  store: IShareStore,
  n: number,
  kind: 'immutable' | 'mutable',
  renewedSeconds: readonly number[],
  shareNumber: ShareNumber = 0,
): Promise<void> {
  const at = indexOf(n)
  const leases = renewedSeconds.map((seconds, i) => ({
    ownerNumber: 1,
    renewSecret: new Uint8Array(32).fill(i + 1),
    cancelSecret: new Uint8Array(32).fill(i + 101),
    expiresAtSeconds: seconds + LEASE_SECONDS,
  }))
  const [first, ...rest] = leases
  if (first === undefined) throw new Error('a share begins with a lease')
  const data = new Uint8Array(50).fill(n)
  if (kind === 'immutable') {
    const incoming = await store.createImmutable(at, shareNumber, data.length, first)
    await incoming.write(0, [data])
    await incoming.commit()
  } else {
    const changes = new Map([[shareNumber, { writes: [{ offset: 0, data }] }]])
    await store.writeSlot(at, new Uint8Array(32), changes, first, Infinity)
  }
  for (const lease of rest) await store.addLease(at, shareNumber, lease, Infinity)
}
