import {
  EncodingError,
  createSigningKeypair,
  defaultCrypto,
  serverIdFromVerifyingKey,
  signingKeypairFromString,
  stringFromSigningKey,
  stringFromVerifyingKey,
  verifyingKeyFromString,
} from '@lafs/crypto'
import { portableCrypto } from '@lafs/crypto/portable'
import { fromHex, loadVectors, toHex } from '@lafs/vectors'
import { describe, expect, it } from 'vitest'

interface KeyVectors {
  keys: {
    seed: string
    privateString: string
    publicKey: string
    publicString: string
    message: string
    signature: string
  }[]
  refused: { text: string; error: string }[]
}

const vectors = await loadVectors<KeyVectors>('ed25519/keys')

describe('Ed25519 key strings', () => {
  it.each(vectors.keys)('reads and writes $publicString as upstream does', (vector) => {
    for (const crypto of [defaultCrypto, portableCrypto]) {
      const { seed, publicKey } = signingKeypairFromString(vector.privateString, crypto)
      expect(toHex(seed)).toBe(vector.seed)
      expect(toHex(publicKey)).toBe(vector.publicKey)
      expect(stringFromSigningKey(seed)).toBe(vector.privateString)
      expect(stringFromVerifyingKey(publicKey)).toBe(vector.publicString)
      expect(toHex(verifyingKeyFromString(vector.publicString))).toBe(vector.publicKey)
      const message = fromHex(vector.message)
      expect(toHex(crypto.ed25519Sign(seed, message))).toBe(vector.signature)
      expect(crypto.ed25519Verify(publicKey, fromHex(vector.signature), message)).toBe(true)
    }
  })

  it.each(vectors.refused)('refuses $text as upstream does', ({ text }) => {
    expect(() => verifyingKeyFromString(text)).toThrow(EncodingError)
  })

  it.each(['', 'priv-v0-', 'pub-v0-aaaa', 'priv-v1-aaaa', 'priv-v0-aaaa', 'priv-v0-!!!!'])(
    'refuses the private key string %j',
    (text) => {
      expect(() => signingKeypairFromString(text)).toThrow(EncodingError)
    },
  )

  it('names a server by its public key', () => {
    const [first] = vectors.keys
    if (first === undefined) throw new Error('no keys recorded')
    const id = serverIdFromVerifyingKey(fromHex(first.publicKey))
    expect(`pub-${id}`).toBe(first.publicString)
  })

  it('makes pairs that work', () => {
    const { seed, publicKey } = createSigningKeypair()
    const message = Uint8Array.of(1, 2, 3)
    const signature = defaultCrypto.ed25519Sign(seed, message)
    expect(defaultCrypto.ed25519Verify(publicKey, signature, message)).toBe(true)
    expect(createSigningKeypair().seed).not.toEqual(seed)
  })

  it('refuses keys of the wrong size', () => {
    expect(() => stringFromSigningKey(new Uint8Array(31))).toThrow(RangeError)
    expect(() => stringFromVerifyingKey(new Uint8Array(33))).toThrow(RangeError)
  })
})
