import type { IUploadable, SourceReadOptions } from '@lafs/filesystem-interface'
import { concatBytes } from '@lafs/crypto'
import { interruptible } from '@lafs/storage-protocol/waiting'

/** How an uploadable wants to be uploaded; see {@link IUploadable}. */
export type UploadablePreferences = Pick<IUploadable, 'encoding' | 'encryptionKey'>

/** The most bytes that {@link uploadableFromStream} keeps in memory unless told otherwise: 256 MiB. */
export const STREAM_MEMORY_LIMIT: number = 256 * 1024 * 1024

/**
 * An uploadable over bytes in memory.
 *
 * @param data - borrowed until the uploadable is closed; must not change.
 */
export function uploadableFromBytes(
  data: Uint8Array,
  preferences: UploadablePreferences = {},
): IUploadable {
  return {
    ...preferences,
    size: data.length,
    async *read({ offset = 0, pieceSize = 1024 * 1024, signal }: SourceReadOptions = {}) {
      for (let at = offset; at < data.length; at += pieceSize) {
        signal?.throwIfAborted()
        yield data.subarray(at, at + pieceSize)
      }
    },
    close: async () => {},
  }
}

/** Options of {@link uploadableFromStream}. */
export interface StreamUploadableOptions extends UploadablePreferences {
  /**
   * Bytes of the stream, where known. With it and a random key the stream is uploaded as it comes,
   * with nothing kept: such an uploadable can be read once only.
   */
  readonly size?: number
  /** The most bytes to keep in memory; default {@link STREAM_MEMORY_LIMIT}. */
  readonly memoryLimit?: number
  readonly signal?: AbortSignal
}

/**
 * An uploadable over a stream. Unless its size is known and its key random, the stream is read to
 * its end at once into memory, because a convergent key takes two passes; in Node, the function of
 * the same name in `@lafs/immutable/node` puts it aside in a temporary file instead.
 *
 * @throws RangeError when the stream is longer than the memory limit.
 */
export async function uploadableFromStream(
  stream: AsyncIterable<Uint8Array>,
  options: StreamUploadableOptions = {},
): Promise<IUploadable> {
  const { size, memoryLimit = STREAM_MEMORY_LIMIT, signal, ...preferences } = options
  if (isOnePass(options)) return onePass(stream, size ?? 0, preferences)
  const pieces: Uint8Array[] = []
  let length = 0
  for await (const piece of interruptible(stream, signal)) {
    length += piece.length
    if (length > memoryLimit) {
      throw new RangeError(`expected a stream of at most ${memoryLimit} bytes, got more`)
    }
    pieces.push(piece.slice())
  }
  return uploadableFromBytes(concatBytes(pieces), preferences)
}

/** Whether a stream with these options can be uploaded as it comes. */
export function isOnePass(options: StreamUploadableOptions): boolean {
  const { encryptionKey, size } = options
  return size !== undefined && (encryptionKey === 'random' || encryptionKey instanceof Uint8Array)
}

function onePass(
  stream: AsyncIterable<Uint8Array>,
  size: number,
  preferences: UploadablePreferences,
): IUploadable {
  let used = false
  return {
    ...preferences,
    size,
    read: ({ offset = 0 } = {}) => {
      if (used || offset !== 0) throw new TypeError('a stream can be read once, from its start')
      used = true
      return stream
    },
    close: async () => {},
  }
}
