/** The size of every key, as upstream has it. */
export const RSA_MODULUS_BITS = 2048

/** Of keys that are made here; those of old files have other ones. */
export const RSA_PUBLIC_EXPONENT = 65_537

/** Bytes. */
export const RSA_SALT_SIZE = 32

/**
 * An RSA-2048 key that verifies signatures: PSS with SHA-256, MGF1 with SHA-256, and a salt of 32 bytes.
 *
 * @see allmydata.crypto.rsa
 */
export interface RsaVerifyingKey {
  /** DER of SubjectPublicKeyInfo: what a mutable share holds and its fingerprint covers. */
  readonly der: Uint8Array
  /** Whether the key's owner signed the message; false as well for a signature of another size. */
  verify(signature: Uint8Array, message: Uint8Array): Promise<boolean>
}

/** An RSA-2048 key that signs, off the calling thread where the provider can. @see RsaVerifyingKey */
export interface RsaSigningKey {
  /** DER of PKCS #8, without encryption: a secret. The write key of a mutable file is its hash. */
  readonly der: Uint8Array
  readonly verifyingKey: RsaVerifyingKey
  /** @returns 256 bytes, other ones each time. */
  sign(message: Uint8Array): Promise<Uint8Array>
}
