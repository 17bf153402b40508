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
    async *readEncrypted({ offset = 0, pieceSize, signal } = {}) {
      const cipher = crypto.createAesCtr(key, { offset })
      for await (const piece of uploadable.read({
        offset,
        pieceSize,
        ...(signal && { signal }),
      })) {
        yield cipher.process(piece)
      }
    },
    close: () => uploadable.close(),
  }
}
