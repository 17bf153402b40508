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
  if (Number(headers.get('content-length') ?? 0) > sizeMax) throw tooLarge(sizeMax)
  const pieces: Uint8Array[] = []
  let size = 0
  for await (const piece of body ?? []) {
    size += piece.length
    if (size > sizeMax) throw tooLarge(sizeMax)
    pieces.push(piece)
  }
  return joinPieces(pieces, size)
}

/** Pieces as one byte string in fresh memory: a piece may be a small part of a socket's big buffer. */
export function joinPieces(pieces: readonly Uint8Array[], size: number): Uint8Array {
  const whole = new Uint8Array(size)
  let offset = 0
  for (const piece of pieces) {
    whole.set(piece, offset)
    offset += piece.length
  }
  return whole
}

/** The media type of a `Content-Type` header without its parameters, or undefined. */
export function mediaType(header: string | null): string | undefined {
  return header?.split(';', 1)[0]?.trim()
}

function tooLarge(sizeMax: number): MessageError {
  return new MessageError('MESSAGE_TOO_LARGE', `expected at most ${sizeMax} bytes, got more`)
}
