/**
 * The addon: erasure coding, batched hashing and AES on libuv's thread pool.
 *
 * Every operation checks its arguments first and throws a TypeError or RangeError at once if one is bad.
 * Byte arguments are Uint8Arrays at any offset of an ordinary ArrayBuffer (not shared, resizable or
 * detached). They are borrowed until the promise settles: kept alive, modified only where this says so,
 * and the caller must neither write to them nor transfer them in that time.
 */
export interface NativeAddon {
  /** The instruction set that erasure coding uses: `gfni512`, `gfni256`, `avx2`, `ssse3`, `neon`, `scalar`. */
  readonly kernel: string
  /** Those that run on this machine, fastest first. */
  readonly kernels: string[]
  /** Uses another from the next operation on, in the whole process. For tests and benchmarks. */
  setKernel(name: string): void
  /** The instruction set that hashing uses: `sha-ni`, `arm-sha2`, `portable`. */
  readonly hashKernel: string
  /** Those that run on this machine, fastest first. */
  readonly hashKernels: string[]
  /** Uses another from the next operation on, in the whole process. For tests and benchmarks. */
  setHashKernel(name: string): void
  /** The instruction set that AES uses: `vaes512`, `vaes256`, `aes-ni`, `arm-aes`; undefined if none is here. */
  readonly aesKernel: string | undefined
  /** Those that run on this machine, fastest first. */
  readonly aesKernels: string[]
  /** Uses another from the next operation on, in the whole process. For tests and benchmarks. */
  setAesKernel(name: string): void

  /**
   * Makes check blocks.
   *
   * @param blocks - the `k` input blocks, in order, all of one length of at least one byte.
   * @param shareNumbers - which check blocks to make, each in `[k, n)`, no repeats.
   * @param outputs - memory to write them to, one a number, as long as the blocks and overlapping
   *   nothing. Memory that is used again spares the system's page faults and the garbage collector,
   *   which take longer than the arithmetic. Default: fresh memory.
   * @returns one block a number, in that order: the outputs themselves where they were given.
   */
  fecEncode(
    k: number,
    n: number,
    blocks: readonly Uint8Array[],
    shareNumbers: readonly number[],
    outputs?: readonly Uint8Array[],
  ): Promise<Uint8Array[]>

  /**
   * Rebuilds the input blocks that are not among those given.
   *
   * @param blocks - any `k` blocks of one length of at least one byte, in any order.
   * @param shareNumbers - the number of each, in `[0, n)`, no repeats.
   * @param outputs - memory for the missing blocks, ascending, as in {@link fecEncode}.
   * @returns the missing input blocks in ascending order: the outputs themselves where they were
   *   given, else in fresh memory; none if all blocks were given.
   */
  fecDecode(
    k: number,
    n: number,
    blocks: readonly Uint8Array[],
    shareNumbers: readonly number[],
    outputs?: readonly Uint8Array[],
  ): Promise<Uint8Array[]>

  /**
   * SHA-256 of the SHA-256 of `prefix || message`, for many messages, two at a time on one thread.
   *
   * @param messages - at most 2^24.
   * @returns one 32-byte hash a message, in order; they are views of one allocation.
   */
  sha256dMany(prefix: Uint8Array, messages: readonly Uint8Array[]): Promise<Uint8Array[]>

  /**
   * AES-128 in counter mode, in place. Missing on processors without AES instructions.
   *
   * @param key - 16 bytes; copied, and the copy and its schedule are wiped.
   * @param counterBlock - 16 bytes, copied: the counter of the first block, a big-endian number that
   *   carries over all 128 bits.
   * @param data - what is to be transformed, and its result when the promise resolves. Nobody may read
   *   or write it meanwhile.
   * @param skip - bytes of the first block's key stream that come before the data, from 0 to 15.
   */
  readonly aesCtr?: (
    key: Uint8Array,
    counterBlock: Uint8Array,
    data: Uint8Array,
    skip: number,
  ) => Promise<void>
}

/**
 * Loads the addon: a local build first, then a prebuild for this platform.
 *
 * @throws Error with `code` `NATIVE_ABSENT` when there is no build for this platform, `NATIVE_BROKEN` when
 *   there is one and it does not load; the cause says why.
 */
export function load(): NativeAddon
