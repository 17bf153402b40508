import { createPrivateKey, sign } from 'node:crypto'
import type { CryptoProvider } from '@lafs/crypto'
import { nodeCrypto } from '@lafs/crypto/node'
import { portableCrypto } from '@lafs/crypto/portable'
import type { SeededRandom } from './random.ts'

/**
 * Works at once, on this thread: virtual time must not go on while some other thread works. What is
 * random comes from the seed. In Node alone.
 */
export function seededCrypto(random: SeededRandom): CryptoProvider {
  return {
    ...portableCrypto,
    randomBytes: (size) => random.bytes(size),
    sha256dMany: async (prefix, messages) =>
      messages.map((message) => portableCrypto.sha256d(prefix, message)),
    aesCtrInPlace: (key, data, options) => nodeCrypto.aesCtrInPlace(key, data, options),
    importRsaVerifyingKey: (der) => nodeCrypto.importRsaVerifyingKey(der),
    importRsaSigningKey: async (der) => {
      const key = createPrivateKey({ key: Buffer.from(der), format: 'der', type: 'pkcs8' })
      const pss = { key, padding: 6, saltLength: 32 }
      return {
        ...(await nodeCrypto.importRsaSigningKey(der)),
        sign: async (message) => new Uint8Array(sign('sha256', message, pss)),
      }
    },
  }
}
