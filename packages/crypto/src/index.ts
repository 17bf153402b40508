export { defaultCrypto } from '#default-provider'
export { couldBeBase32Encoded, fromBase32, toBase32 } from './base32.ts'
export { fromBase62, toBase62 } from './base62.ts'
export {
  createSigningKeypair,
  serverIdFromVerifyingKey,
  signingKeypairFromString,
  stringFromSigningKey,
  stringFromVerifyingKey,
  verifyingKeyFromString,
  type SigningKeypair,
} from './ed25519.ts'
export {
  CryptoUnavailableError,
  EncodingError,
  isEncodingError,
  type EncodingErrorCode,
} from './errors.ts'
export { concatBytes, sameBytes } from './bytes.ts'
export * from './hashes.ts'
export { recycleMemory, takeMemory } from './memory.ts'
export {
  netstring,
  splitNetstring,
  type SplitNetstring,
  type SplitNetstringOptions,
} from './netstring.ts'
export type { CryptoProvider, Sha256 } from './provider.ts'
export type { RsaSigningKey, RsaVerifyingKey } from './rsa.ts'
export { rsaPrivateKeyFromPem } from './rsa-der.ts'
