import { OperationCancelledError } from '@lafs/filesystem-interface'
import type { CryptoProvider, RsaSigningKey } from '@lafs/crypto'

/** Enough for a burst of small directories; each takes about 0.2 s of a core to make. */
const POOL_SIZE_DEFAULT = 8

/** How long the pool leaves the processor to whoever has just taken a key. */
const REFILL_DELAY_MS = 100

/** At once while somebody waits; ahead of need there is one. */
const GENERATIONS_MAX = 2

/** What a key pool is made of. */
export interface KeyPoolOptions {
  readonly crypto: Pick<CryptoProvider, 'generateRsaKey'>
  /** How many keys are made ahead. Default: 8. */
  readonly size?: number | undefined
}

/** RSA keys made ahead of need, so that creating a file or a directory does not wait for one. */
export interface KeyPool {
  /**
   * A key that nobody else has had or will get, at once where one is ready.
   *
   * @throws what making keys throws, the signal's reason; {@link OperationCancelledError} once the pool is
   *   closed.
   */
  take(signal?: AbortSignal): Promise<RsaSigningKey>
  /** Begins to make keys ahead; without it that begins after the first is taken. */
  prepare(): void
  /** Forgets the keys and makes no more; whoever waits for one gets {@link OperationCancelledError}. */
  close(): void
}

interface Taker {
  resolve(key: RsaSigningKey): void
  reject(reason: unknown): void
}

/** A timer that does not keep the process alive, where the platform knows of that. */
function unhurriedly(delayMs: number, callback: () => void): () => void {
  const timer: unknown = setTimeout(callback, delayMs)
  if (typeof timer === 'object' && timer !== null && 'unref' in timer) {
    if (typeof timer.unref === 'function') timer.unref()
  }
  return () => clearTimeout(timer as number)
}

class BackgroundKeyPool implements KeyPool {
  readonly #generate: () => Promise<RsaSigningKey>
  readonly #size: number
  readonly #ready: RsaSigningKey[] = []
  readonly #waiting = new Set<Taker>()
  #generating = 0
  #cancelRefill: (() => void) | undefined
  #closed = false

  constructor({ crypto, size = POOL_SIZE_DEFAULT }: KeyPoolOptions) {
    if (!Number.isSafeInteger(size) || size < 0) {
      throw new RangeError(`key pool: expected a size that is a safe integer >= 0, got ${size}`)
    }
    this.#generate = () => crypto.generateRsaKey()
    this.#size = size
  }

  async take(signal?: AbortSignal): Promise<RsaSigningKey> {
    signal?.throwIfAborted()
    if (this.#closed) throw new OperationCancelledError('the key pool is closed')
    const ready = this.#ready.shift()
    if (ready === undefined) return this.#wait(signal)
    this.#refillAfter(REFILL_DELAY_MS)
    return ready
  }

  prepare(): void {
    this.#refillAfter(0)
  }

  close(): void {
    this.#closed = true
    this.#cancelRefill?.()
    this.#ready.length = 0
    this.#rejectAll(new OperationCancelledError('the key pool is closed'))
  }

  #wait(signal: AbortSignal | undefined): Promise<RsaSigningKey> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waiting.delete(taker)
        signal?.removeEventListener('abort', onAbort)
      }
      const taker: Taker = {
        resolve: (key) => {
          leave()
          resolve(key)
        },
        reject: (reason) => {
          leave()
          reject(reason)
        },
      }
      const onAbort = (): void => taker.reject(signal?.reason)
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#waiting.add(taker)
      this.#generateForWaiting()
    })
  }

  #generateForWaiting(): void {
    while (this.#generating < Math.min(this.#waiting.size, GENERATIONS_MAX)) void this.#makeOne()
  }

  async #makeOne(): Promise<void> {
    this.#generating += 1
    try {
      this.#deliver(await this.#generate())
    } catch (error) {
      this.#rejectAll(error)
    } finally {
      this.#generating -= 1
    }
    if (this.#closed) return
    this.#generateForWaiting()
  }

  #deliver(key: RsaSigningKey): void {
    const [taker] = this.#waiting
    if (this.#closed) return
    if (taker === undefined) {
      this.#ready.push(key)
      this.#refillAfter(0)
    } else {
      taker.resolve(key)
      this.#refillAfter(REFILL_DELAY_MS)
    }
  }

  #rejectAll(reason: unknown): void {
    for (const taker of this.#waiting) taker.reject(reason)
  }

  #refillAfter(delayMs: number): void {
    this.#cancelRefill?.()
    this.#cancelRefill = unhurriedly(delayMs, () => {
      if (this.#closed || this.#generating > 0 || this.#ready.length >= this.#size) return
      void this.#makeOne()
    })
  }
}

/**
 * A pool that fills itself in the background, one key at a time, off the calling thread where the
 * provider can. It never keeps the process alive for longer than one key takes.
 */
export function createKeyPool(options: KeyPoolOptions): KeyPool {
  return new BackgroundKeyPool(options)
}
