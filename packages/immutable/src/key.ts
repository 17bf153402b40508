import { convergenceHasher, randomKey } from '@lafs/crypto'
import type { CryptoProvider } from '@lafs/crypto'
import { UploadSourceChangedError } from '@lafs/filesystem-interface'
import type { EncodingParameters, IUploadable, ProgressOptions } from '@lafs/filesystem-interface'
import { interruptible } from '@lafs/storage-protocol/waiting'

/** Bytes of plaintext hashed between two looks at the signal and two reports of progress. */
const HASH_PIECE_SIZE = 1024 * 1024

/**
 * The 16-byte AES key of an immutable file. A convergent key depends on the plaintext, the
 * convergence secret, k, n and the segment size, so the data is read once for it; without a secret,
 * or where the uploadable asks so, the key is random.
 *
 * @throws {@link FilesystemError} `UPLOAD_SOURCE_CHANGED` when the source has not the size it announced.
 * @see allmydata.immutable.upload.FileHandle.get_encryption_key
 */
export async function deriveKey(
  uploadable: IUploadable,
  parameters: EncodingParameters,
  options: ProgressOptions & {
    readonly convergence?: Uint8Array | undefined
    readonly crypto: CryptoProvider
  },
): Promise<Uint8Array> {
  const { convergence, crypto, signal, onProgress } = options
  const wanted = uploadable.encryptionKey ?? 'convergent'
  if (wanted instanceof Uint8Array) {
    if (wanted.length !== 16) throw new TypeError('expected an encryption key of 16 bytes')
    return wanted
  }
  if (wanted === 'random' || convergence === undefined) return randomKey(crypto)
  const { convergentKey } = uploadable
  if (convergentKey !== undefined) {
    onProgress?.({ phase: 'hashing', done: uploadable.size, total: uploadable.size })
    return convergentKey
  }

  const { requiredShares, totalShares, segmentSize } = parameters
  const hasher = convergenceHasher(requiredShares, totalShares, segmentSize, convergence, crypto)
  const total = uploadable.size
  let done = 0
  onProgress?.({ phase: 'hashing', done, total })
  const pieces = uploadable.read({ pieceSize: HASH_PIECE_SIZE, ...(signal && { signal }) })
  for await (const piece of interruptible(pieces, signal)) {
    hasher.update(piece)
    done += piece.length
    onProgress?.({ phase: 'hashing', done: Math.min(done, total), total })
  }
  if (done !== total) throw sourceChanged(total, done)
  return hasher.digest()
}

/** What to throw when a source gave another number of bytes than it announced. */
export function sourceChanged(expected: number, got: number): UploadSourceChangedError {
  return new UploadSourceChangedError(
    `the data to upload changed: expected ${expected} bytes, got ${got > expected ? 'more' : got}`,
  )
}
