import type { RsaSigningKey, RsaVerifyingKey } from './rsa.ts'

/** A running SHA-256. */
export interface Sha256 {
  /** Takes in bytes; borrowed for the call only. */
  update(data: Uint8Array): this
  /** The 32-byte digest. Ends this hash. */
  digest(): Uint8Array
}

/**
 * The primitives that everything else is made of: the plug-in point of cryptography.
 *
 * All implementations give the same bytes. Nothing here keeps its arguments, and nothing but
 * {@link CryptoProvider.aesCtrInPlace} changes them.
 */
export interface CryptoProvider {
  readonly name: string
  /** The SHA-256 of pieces that follow one another. */
  sha256(...pieces: readonly Uint8Array[]): Uint8Array
  createSha256(): Sha256
  /** SHA-256 of the SHA-256 of pieces that follow one another. */
  sha256d(...pieces: readonly Uint8Array[]): Uint8Array
  /**
   * The SHA-256d of `prefix || message` for many messages, off the calling thread where the provider
   * can. One call a segment keeps a whole set of blocks busy.
   *
   * @param messages - borrowed until the promise settles.
   * @returns one 32-byte hash a message, in order.
   */
  sha256dMany(prefix: Uint8Array, messages: readonly Uint8Array[]): Promise<Uint8Array[]>
  sha1(...pieces: readonly Uint8Array[]): Uint8Array
  /** BLAKE2b with a 32-byte digest and no key: hashes lease secrets in v2 containers. */
  blake2b256(data: Uint8Array): Uint8Array
  /**
   * Transforms bytes of an AES-128-CTR stream where they are, off the calling thread where the
   * provider can. The stream begins with the counter block `iv` (default: 16 zero bytes), the bytes
   * at its position `offset` (default 0). Encrypting and decrypting are the same.
   *
   * @param data - lent until the promise settles: nobody else may read or write it meanwhile.
   * @throws RangeError unless `key` and `iv` are 16 bytes and `offset` is a safe integer >= 0; the
   *   data are as they were then.
   */
  aesCtrInPlace(
    key: Uint8Array,
    data: Uint8Array,
    options?: { iv?: Uint8Array; offset?: number },
  ): Promise<void>
  /** Bytes fit for keys, from the platform's generator. */
  randomBytes(size: number): Uint8Array
  /** The 32-byte public key of a 32-byte Ed25519 seed. */
  ed25519PublicKey(seed: Uint8Array): Uint8Array
  ed25519Sign(seed: Uint8Array, message: Uint8Array): Uint8Array
  ed25519Verify(publicKey: Uint8Array, signature: Uint8Array, message: Uint8Array): boolean
  /**
   * A fresh RSA-2048 key with the public exponent 65537: about 0.2 s of a core, off the calling
   * thread.
   *
   * @throws {@link CryptoUnavailableError} where the platform has no RSA.
   */
  generateRsaKey(): Promise<RsaSigningKey>
  /**
   * The key that DER of PKCS #8 holds, after a check that its numbers belong together. Any odd public
   * exponent will do: keys of old files have 17.
   *
   * @param der - copied.
   * @throws {@link EncodingError} `ENCODING_BAD_KEY`, `ENCODING_BAD_KEY_SIZE`.
   * @throws {@link CryptoUnavailableError} where the platform has no RSA.
   */
  importRsaSigningKey(der: Uint8Array): Promise<RsaSigningKey>
  /**
   * The key that DER of SubjectPublicKeyInfo holds.
   *
   * @param der - copied.
   * @throws {@link EncodingError} `ENCODING_BAD_KEY`, `ENCODING_BAD_KEY_SIZE`.
   * @throws {@link CryptoUnavailableError} where the platform has no RSA.
   */
  importRsaVerifyingKey(der: Uint8Array): Promise<RsaVerifyingKey>
  /** Whether two byte strings are equal, in a time that depends on their lengths alone. */
  timingSafeEqual(a: Uint8Array, b: Uint8Array): boolean
}
