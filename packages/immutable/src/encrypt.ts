import { storageIndexHash } from '@lafs/crypto'
import type { CryptoProvider } from '@lafs/crypto'
import type {
  EncodingParameters,
  IEncryptedUploadable,
  IUploadable,
} from '@lafs/filesystem-interface'

/**
 * The ciphertext of an uploadable under a 16-byte key: AES-128-CTR from a counter of zero.
 *
 * @see allmydata.immutable.upload.EncryptAnUploadable
 */
export function encryptUploadable(
  uploadable: IUploadable,
  key: Uint8Array,
  encodingParameters: EncodingParameters,
  crypto: CryptoProvider,
): IEncryptedUploadable {
  return {
    size: uploadable.size,
    encodingParameters,
    storageIndex: storageIndexHash(key, crypto),
    async *readEncrypted({ offset = 0, pieceSize, signal, allocate = fresh } = {}) {
      let position = offset
      for await (const piece of uploadable.read({
        offset,
        pieceSize,
        ...(signal && { signal }),
      })) {
        const crypttext = allocate(piece.length)
        crypttext.set(piece)
        await crypto.aesCtrInPlace(key, crypttext, { offset: position })
        position += crypttext.length
        yield crypttext
      }
    },
    close: () => uploadable.close(),
  }
}

function fresh(size: number): Uint8Array {
  return new Uint8Array(size)
}
