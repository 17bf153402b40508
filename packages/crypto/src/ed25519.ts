import { defaultCrypto } from '#default-provider'
import { fromBase32, toBase32 } from './base32.ts'
import { assertSize } from './bytes.ts'
import { EncodingError } from './errors.ts'
import type { CryptoProvider } from './provider.ts'

const PRIVATE_KEY_PREFIX = 'priv-v0-'
const PUBLIC_KEY_PREFIX = 'pub-v0-'
const KEY_BYTES = 32

/** The two halves of an Ed25519 key pair, 32 bytes each. */
export interface SigningKeypair {
  /** The secret: RFC 8032's private key. */
  readonly seed: Uint8Array
  readonly publicKey: Uint8Array
}

/** Never quotes the text: it may be a secret under the wrong name. */
function parseKey(text: string, prefix: string): Uint8Array {
  if (!text.startsWith(prefix)) {
    throw new EncodingError(
      'ENCODING_BAD_PREFIX',
      `key string: expected it to start with ${prefix}`,
    )
  }
  const bytes = fromBase32(text.slice(prefix.length))
  if (bytes.length !== KEY_BYTES) {
    throw new EncodingError(
      'ENCODING_BAD_LENGTH',
      `key string: expected ${KEY_BYTES} bytes after ${prefix}, got ${bytes.length}`,
    )
  }
  return bytes
}

/** A new key pair, from the provider's generator. @see allmydata.crypto.ed25519.create_signing_keypair */
export function createSigningKeypair(crypto: CryptoProvider = defaultCrypto): SigningKeypair {
  const seed = crypto.randomBytes(KEY_BYTES)
  return { seed, publicKey: crypto.ed25519PublicKey(seed) }
}

/**
 * The key string of an Ed25519 seed: `priv-v0-` and its base32. A secret.
 *
 * @throws RangeError unless `seed` is 32 bytes.
 * @see allmydata.crypto.ed25519.string_from_signing_key
 */
export function stringFromSigningKey(seed: Uint8Array): string {
  assertSize('Ed25519 seed', seed, KEY_BYTES)
  return PRIVATE_KEY_PREFIX + toBase32(seed)
}

/**
 * The key pair of a `priv-v0-…` string.
 *
 * @throws {@link EncodingError} `ENCODING_BAD_PREFIX`, `ENCODING_BAD_LENGTH`, or a code of
 *   `fromBase32`.
 * @see allmydata.crypto.ed25519.signing_keypair_from_string
 */
export function signingKeypairFromString(
  text: string,
  crypto: CryptoProvider = defaultCrypto,
): SigningKeypair {
  const seed = parseKey(text, PRIVATE_KEY_PREFIX)
  return { seed, publicKey: crypto.ed25519PublicKey(seed) }
}

/**
 * The key string of an Ed25519 public key: `pub-v0-` and its base32.
 *
 * @throws RangeError unless `publicKey` is 32 bytes.
 * @see allmydata.crypto.ed25519.string_from_verifying_key
 */
export function stringFromVerifyingKey(publicKey: Uint8Array): string {
  assertSize('Ed25519 public key', publicKey, KEY_BYTES)
  return PUBLIC_KEY_PREFIX + toBase32(publicKey)
}

/**
 * The public key of a `pub-v0-…` string.
 *
 * @throws {@link EncodingError} `ENCODING_BAD_PREFIX`, `ENCODING_BAD_LENGTH`, or a code of
 *   `fromBase32`.
 * @see allmydata.crypto.ed25519.verifying_key_from_string
 */
export function verifyingKeyFromString(text: string): Uint8Array {
  return parseKey(text, PUBLIC_KEY_PREFIX)
}

/** The id that a server goes by on a grid: `v0-` and the base32 of its public key. */
export function serverIdFromVerifyingKey(publicKey: Uint8Array): string {
  return stringFromVerifyingKey(publicKey).slice('pub-'.length)
}
