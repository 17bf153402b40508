import { concatBytes } from '@lafs/crypto'
import type { IMutableUploadable, SourceReadOptions } from '@lafs/filesystem-interface'
import { interruptible } from '@lafs/storage-protocol/waiting'

/** The most bytes of a stream of unknown size that are kept in memory unless told otherwise: 256 MiB. */
const STREAM_MEMORY_LIMIT: number = 256 * 1024 * 1024

/**
 * The contents of a mutable file from bytes in memory.
 *
 * @param data - borrowed until the uploadable is closed; must not change.
 * @throws TypeError for what is no bytes.
 * @see allmydata.mutable.publish.MutableData
 */
export function mutableUploadableFromBytes(data: Uint8Array): IMutableUploadable {
  if (!(data instanceof Uint8Array)) throw new TypeError(`expected bytes, got ${typeof data}`)
  return {
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

/** Options of {@link mutableUploadableFromStream}. */
export interface MutableStreamOptions {
  /** Bytes of the stream, where known: it is then read as it is published, once only. */
  readonly size?: number | undefined
  /** The most bytes to keep in memory where the size is not known; default 256 MiB. */
  readonly memoryLimit?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * The contents of a mutable file from a stream. A stream of unknown size is read to its end at once
 * into memory: a share says how large the file is before anything else.
 *
 * @throws RangeError when a stream of unknown size is longer than the memory limit.
 * @see allmydata.mutable.publish.MutableFileHandle
 */
export async function mutableUploadableFromStream(
  stream: AsyncIterable<Uint8Array>,
  { size, memoryLimit = STREAM_MEMORY_LIMIT, signal }: MutableStreamOptions = {},
): Promise<IMutableUploadable> {
  if (size !== undefined) return onePass(stream, size)
  const pieces: Uint8Array[] = []
  let length = 0
  for await (const piece of interruptible(stream, signal)) {
    length += piece.length
    if (length > memoryLimit) {
      throw new RangeError(`expected a stream of at most ${memoryLimit} bytes, got more`)
    }
    pieces.push(piece.slice())
  }
  return mutableUploadableFromBytes(concatBytes(pieces))
}

function onePass(stream: AsyncIterable<Uint8Array>, size: number): IMutableUploadable {
  let used = false
  return {
    size,
    read: ({ offset = 0 } = {}) => {
      if (used || offset !== 0) throw new TypeError('a stream can be read once, from its start')
      used = true
      return stream
    },
    close: async () => {},
  }
}
