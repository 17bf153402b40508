import { ctr } from '@noble/ciphers/aes.js'
import { ed25519 } from '@noble/curves/ed25519.js'
import { blake2b } from '@noble/hashes/blake2.js'
import { sha1 } from '@noble/hashes/legacy.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { counterAt, zeroIv, type CounterPosition } from './aes-counter.ts'
import { assertSize, concatBytes } from './bytes.ts'
import { CryptoUnavailableError } from './errors.ts'
import type { CryptoProvider, Sha256 } from './provider.ts'
import { checkRsaPrivateKey, checkRsaPublicKey, rsaPublicKeyOf } from './rsa-der.ts'
import {
  RSA_MODULUS_BITS,
  RSA_PUBLIC_EXPONENT,
  RSA_SALT_SIZE,
  type RsaSigningKey,
  type RsaVerifyingKey,
} from './rsa.ts'

/** The most that a browser's generator gives in one call. */
const RANDOM_BYTES_MAX = 65_536

/** From here on, bytes, the platform's own cryptography wins over the way to it and back. */
const SUBTLE_SIZE_MIN = 2048

class PortableSha256 implements Sha256 {
  readonly #hash = sha256.create()

  update(data: Uint8Array): this {
    this.#hash.update(data)
    return this
  }

  digest(): Uint8Array {
    return this.#hash.digest()
  }
}

function hashPieces(
  hash: { update(data: Uint8Array): unknown; digest(): Uint8Array },
  pieces: readonly Uint8Array[],
): Uint8Array {
  for (const piece of pieces) hash.update(piece)
  return hash.digest()
}

function sha256d(...pieces: readonly Uint8Array[]): Uint8Array {
  return sha256(hashPieces(sha256.create(), pieces))
}

/** On the platform's threads for long messages, where it offers that: pages over HTTPS, and Node. */
async function sha256dMany(
  prefix: Uint8Array,
  messages: readonly Uint8Array[],
): Promise<Uint8Array[]> {
  const subtle: typeof globalThis.crypto.subtle | undefined = globalThis.crypto.subtle
  return Promise.all(
    messages.map(async (message) => {
      if (subtle === undefined || message.length < SUBTLE_SIZE_MIN) return sha256d(prefix, message)
      const inner = await subtle.digest('SHA-256', concatBytes([prefix, message]))
      return sha256(new Uint8Array(inner))
    }),
  )
}

/** Transforms data that begin `skip` bytes into the block of a counter. */
function aesCtrHere(key: Uint8Array, { counter, skip }: CounterPosition, data: Uint8Array): void {
  const shifted = new Uint8Array(skip + data.length)
  shifted.set(data, skip)
  data.set(ctr(key, counter).encrypt(shifted).subarray(skip))
}

/** On the platform's threads where it offers that: pages over HTTPS, and Node. */
async function aesCtrInPlace(
  key: Uint8Array,
  data: Uint8Array,
  { iv = zeroIv, offset = 0 }: { iv?: Uint8Array; offset?: number } = {},
): Promise<void> {
  assertSize('AES-128 key', key, 16)
  const position = counterAt(iv, offset)
  const subtle: typeof globalThis.crypto.subtle | undefined = globalThis.crypto.subtle
  if (subtle === undefined || data.length < SUBTLE_SIZE_MIN) {
    aesCtrHere(key, position, data)
    return
  }
  const imported = subtle.importKey('raw', Uint8Array.from(key), 'AES-CTR', false, ['encrypt'])
  // The platform begins at a block.
  const head = (16 - position.skip) % 16
  aesCtrHere(key, position, data.subarray(0, head))
  const { counter } = counterAt(position.counter, position.skip + head)
  const rest = data.subarray(head)
  const algorithm = { name: 'AES-CTR', counter: Uint8Array.from(counter), length: 128 }
  const result = await subtle.encrypt(algorithm, await imported, Uint8Array.from(rest))
  rest.set(new Uint8Array(result))
}

const rsaAlgorithm = { name: 'RSA-PSS', hash: 'SHA-256' }
const pss = { name: 'RSA-PSS', saltLength: RSA_SALT_SIZE }

type Subtle = typeof globalThis.crypto.subtle
type PlatformKey = Awaited<ReturnType<Subtle['importKey']>>

function rsaSubtle(): Subtle {
  const subtle: Subtle | undefined = globalThis.crypto.subtle
  if (subtle !== undefined) return subtle
  throw new CryptoUnavailableError(
    'RSA needs WebCrypto, which is not here: browsers give it to pages over HTTPS alone',
  )
}

/** The platform takes no memory that threads share, which `from` never gives. */
async function rsaVerifyingKey(der: Uint8Array): Promise<RsaVerifyingKey> {
  const subtle = rsaSubtle()
  const own = Uint8Array.from(der)
  const key = await subtle.importKey('spki', own, rsaAlgorithm, false, ['verify'])
  return {
    der: own,
    verify: (signature, message) =>
      subtle.verify(pss, key, Uint8Array.from(signature), Uint8Array.from(message)),
  }
}

async function rsaSigningKey(der: Uint8Array, key: PlatformKey): Promise<RsaSigningKey> {
  const subtle = rsaSubtle()
  return {
    // Whoever prints the object sees that there is one.
    get der(): Uint8Array {
      return der
    },
    verifyingKey: await rsaVerifyingKey(rsaPublicKeyOf(der)),
    sign: async (message) => new Uint8Array(await subtle.sign(pss, key, Uint8Array.from(message))),
  }
}

async function generateRsaKey(): Promise<RsaSigningKey> {
  const subtle = rsaSubtle()
  const publicExponent = Uint8Array.of(
    RSA_PUBLIC_EXPONENT >> 16,
    RSA_PUBLIC_EXPONENT >> 8,
    RSA_PUBLIC_EXPONENT,
  )
  const algorithm = { ...rsaAlgorithm, modulusLength: RSA_MODULUS_BITS, publicExponent }
  const { privateKey } = await subtle.generateKey(algorithm, true, ['sign', 'verify'])
  return rsaSigningKey(new Uint8Array(await subtle.exportKey('pkcs8', privateKey)), privateKey)
}

async function importRsaSigningKey(der: Uint8Array): Promise<RsaSigningKey> {
  checkRsaPrivateKey(der)
  const own = Uint8Array.from(der)
  const key = await rsaSubtle().importKey('pkcs8', own, rsaAlgorithm, false, ['sign'])
  return rsaSigningKey(own, key)
}

/**
 * The provider that runs wherever JavaScript does, on the @noble packages; RSA alone needs WebCrypto.
 *
 * Signatures are checked by RFC 8032's rules without the relaxations of ZIP 215, as OpenSSL does.
 */
export const portableCrypto: CryptoProvider = {
  name: 'portable',
  sha256: (...pieces) => hashPieces(sha256.create(), pieces),
  createSha256: () => new PortableSha256(),
  sha256d,
  sha256dMany,
  sha1: (...pieces) => hashPieces(sha1.create(), pieces),
  blake2b256: (data) => blake2b(data, { dkLen: 32 }),
  aesCtrInPlace,
  randomBytes: (size) => {
    const out = new Uint8Array(size)
    for (let start = 0; start < size; start += RANDOM_BYTES_MAX) {
      globalThis.crypto.getRandomValues(out.subarray(start, start + RANDOM_BYTES_MAX))
    }
    return out
  },
  ed25519PublicKey: (seed) => {
    assertSize('Ed25519 seed', seed, 32)
    return ed25519.getPublicKey(seed)
  },
  ed25519Sign: (seed, message) => {
    assertSize('Ed25519 seed', seed, 32)
    return ed25519.sign(message, seed)
  },
  ed25519Verify: (publicKey, signature, message) => {
    assertSize('Ed25519 public key', publicKey, 32)
    if (signature.length !== 64) return false
    return ed25519.verify(signature, message, publicKey, { zip215: false })
  },
  generateRsaKey,
  importRsaSigningKey,
  importRsaVerifyingKey: async (der) => {
    checkRsaPublicKey(der)
    return rsaVerifyingKey(der)
  },
  timingSafeEqual: (a, b) => {
    if (a.length !== b.length) return false
    let difference = 0
    for (let index = 0; index < a.length; index++) {
      difference |= (a[index] ?? 0) ^ (b[index] ?? 0)
    }
    return difference === 0
  },
}
