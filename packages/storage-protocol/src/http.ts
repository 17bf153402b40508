import { takeMemory } from '@lafs/crypto'
import { MessageError } from './errors.ts'

/** Headers that can be asked for by name, whatever the case; several values are joined by commas. */
export interface HeaderReader {
  get(name: string): string | null
}

/**
 * Gathers a body whole.
 *
 * @param body - its pieces; borrowed, and closed when it turns out to be too long.
 * @param sizeMax - the most bytes that it may have. A longer one is given up before it is read on.
 * @throws {@link MessageError} `MESSAGE_TOO_LARGE`.
 */
export async function readBody(
  body: AsyncIterable<Uint8Array> | null,
  headers: HeaderReader,
  sizeMax: number,
): Promise<Uint8Array> {
  const announced = Number(headers.get('content-length') ?? 0)
  if (announced > sizeMax) throw tooLarge(sizeMax)
  const gathered = new GatheredBody(announced)
  for await (const piece of body ?? []) {
    if (gathered.size + piece.length > sizeMax) throw tooLarge(sizeMax)
    gathered.add(piece)
  }
  return gathered.bytes
}

/** So much memory is taken on the word of whoever announces a body. */
const PREPARED_SIZE_MAX: number = 16 * 1024 * 1024

/** How much more room is made when nobody announced how much will come. */
const GROWTH_MIN: number = 64 * 1024

/**
 * The bytes of a body as it comes, put at once where they stay: held, the small pieces that a socket
 * gives would outlive V8's cheap collections.
 */
export class GatheredBody {
  #bytes: Uint8Array
  #size = 0

  /** @param announced - how many bytes will come, as far as is known. */
  constructor(announced: number) {
    this.#bytes = takeMemory(announced > 0 ? Math.min(announced, PREPARED_SIZE_MAX) : 0)
  }

  get size(): number {
    return this.#size
  }

  /** @param piece - borrowed for the call. */
  add(piece: Uint8Array): void {
    const size = this.#size + piece.length
    if (size > this.#bytes.length) this.#grow(size)
    this.#bytes.set(piece, this.#size)
    this.#size = size
  }

  /** Where the next bytes may be put, and then told of by {@link filled}. Never empty. */
  get room(): Uint8Array {
    if (this.#size === this.#bytes.length) this.#grow(this.#size + GROWTH_MIN)
    return this.#bytes.subarray(this.#size)
  }

  /** @param size - how many bytes stand at the beginning of {@link room} now. */
  filled(size: number): void {
    this.#size += size
  }

  #grow(size: number): void {
    const grown = new Uint8Array(Math.max(size, 2 * this.#bytes.length))
    grown.set(this.#bytes.subarray(0, this.#size))
    this.#bytes = grown
  }

  /** What has come so far, in memory that belongs to it. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#size)
  }
}

/** The media type of a `Content-Type` header without its parameters, or undefined. */
export function mediaType(header: string | null): string | undefined {
  return header?.split(';', 1)[0]?.trim()
}

function tooLarge(sizeMax: number): MessageError {
  return new MessageError('MESSAGE_TOO_LARGE', `expected at most ${sizeMax} bytes, got more`)
}
