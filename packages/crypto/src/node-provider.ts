import { Buffer } from 'node:buffer'
import {
  constants,
  createCipheriv,
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  hash,
  randomBytes,
  sign,
  timingSafeEqual,
  verify,
  type Hash,
  type KeyObject,
} from 'node:crypto'
import { promisify } from 'node:util'
import { blake2b } from '@noble/hashes/blake2.js'
import { counterAt, zeroIv } from './aes-counter.ts'
import { assertSize, concatBytes } from './bytes.ts'
import type { CryptoProvider, Sha256 } from './provider.ts'
import { checkRsaPrivateKey, checkRsaPublicKey, rsaPublicKeyOf } from './rsa-der.ts'
import {
  RSA_MODULUS_BITS,
  RSA_PUBLIC_EXPONENT,
  RSA_SALT_SIZE,
  type RsaSigningKey,
  type RsaVerifyingKey,
} from './rsa.ts'

/** Up to here one call on a copy of all pieces beats one call a piece. */
const SCRATCH_SIZE = 4096

/** From here on, bytes, handing the work to a thread takes less of the caller's time than doing it. */
const AES_THREAD_SIZE_MIN = 65_536

/** The same for many hashes: waking a thread costs what fifty of two blocks do. */
const HASH_THREAD_SIZE_MIN = 8192

/** OpenSSL runs twice as fast on pieces that stay in the processor's cache. */
const AES_UPDATE_SIZE = 65_536

/** The DER that stands before the 32 bytes of an Ed25519 key, RFC 8410. */
const PKCS8_ED25519 = Uint8Array.of(48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, 112, 4, 34, 4, 32)
const SPKI_ED25519 = Uint8Array.of(48, 42, 48, 5, 6, 3, 43, 101, 112, 3, 33, 0)

const scratch = new Uint8Array(SCRATCH_SIZE)
const digestScratch = Buffer.alloc(32)

/** The same bytes as a plain Uint8Array, not copied. */
function plain(bytes: Buffer): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** The pieces in one array: the only one, or a view of the scratch; undefined if they are too long. */
function gather(pieces: readonly Uint8Array[]): Uint8Array | undefined {
  const [first] = pieces
  if (pieces.length === 1 && first !== undefined) return first
  let size = 0
  for (const piece of pieces) size += piece.length
  if (size > SCRATCH_SIZE) return undefined
  let position = 0
  for (const piece of pieces) {
    scratch.set(piece, position)
    position += piece.length
  }
  return scratch.subarray(0, size)
}

function digestPieces(algorithm: 'sha1' | 'sha256', pieces: readonly Uint8Array[]): Buffer {
  const message = gather(pieces)
  if (message !== undefined) return hash(algorithm, message, 'buffer')
  const running = createHash(algorithm)
  for (const piece of pieces) running.update(piece)
  return running.digest()
}

/** A digest as a one-byte string costs half of what one in a new buffer does. */
function sha256d(...pieces: readonly Uint8Array[]): Uint8Array {
  const message = gather(pieces)
  if (message === undefined) {
    digestScratch.set(digestPieces('sha256', pieces))
  } else {
    digestScratch.write(hash('sha256', message, 'binary'), 'binary')
  }
  digestScratch.write(hash('sha256', digestScratch, 'binary'), 'binary')
  return new Uint8Array(digestScratch)
}

class NodeSha256 implements Sha256 {
  readonly #hash: Hash = createHash('sha256')

  update(data: Uint8Array): this {
    this.#hash.update(data)
    return this
  }

  digest(): Uint8Array {
    return plain(this.#hash.digest())
  }
}

/** The work that goes to other threads where the addon is. */
interface Threaded {
  readonly sha256dMany: CryptoProvider['sha256dMany']
  /** Transforms data that begin `skip` bytes into the block of a counter. */
  readonly aesCtr: (
    key: Uint8Array,
    counter: Uint8Array,
    data: Uint8Array,
    skip: number,
  ) => void | Promise<void>
}

const here: Threaded = {
  sha256dMany: async (prefix, messages) => messages.map((message) => sha256d(prefix, message)),
  aesCtr: (key, counter, data, skip) => {
    const cipher = createCipheriv('aes-128-ctr', key, counter)
    if (skip > 0) cipher.update(new Uint8Array(skip))
    for (let start = 0; start < data.length; start += AES_UPDATE_SIZE) {
      data.set(cipher.update(data.subarray(start, start + AES_UPDATE_SIZE)), start)
    }
  },
}

let threadedLoaded: Promise<Threaded> | undefined

/** The addon's functions, or ours where the addon is absent or does not load, or lacks one. */
async function loadThreaded(): Promise<Threaded> {
  try {
    const { load } = await import('@lafs/native')
    const addon = load()
    return {
      sha256dMany: (prefix, messages) => addon.sha256dMany(prefix, messages),
      aesCtr: addon.aesCtr ?? here.aesCtr,
    }
  } catch {
    return here
  }
}

function threaded(): Promise<Threaded> {
  threadedLoaded ??= loadThreaded()
  return threadedLoaded
}

async function sha256dMany(
  prefix: Uint8Array,
  messages: readonly Uint8Array[],
): Promise<Uint8Array[]> {
  const size = messages.reduce((sum, message) => sum + prefix.length + message.length, 0)
  const { sha256dMany: hashMany } = size < HASH_THREAD_SIZE_MIN ? here : await threaded()
  return hashMany(prefix, messages)
}

async function aesCtrInPlace(
  key: Uint8Array,
  data: Uint8Array,
  { iv = zeroIv, offset = 0 }: { iv?: Uint8Array; offset?: number } = {},
): Promise<void> {
  assertSize('AES-128 key', key, 16)
  const { counter, skip } = counterAt(iv, offset)
  if (data.length < AES_THREAD_SIZE_MIN) {
    return here.aesCtr(key, counter, data, skip)
  }
  // The caller may change its own before the addon is loaded.
  const ownKey = Uint8Array.from(key)
  const { aesCtr } = await threaded()
  return aesCtr(ownKey, counter, data, skip)
}

function privateKey(seed: Uint8Array): KeyObject {
  assertSize('Ed25519 seed', seed, 32)
  const key = Buffer.from(concatBytes([PKCS8_ED25519, seed]))
  return createPrivateKey({ key, format: 'der', type: 'pkcs8' })
}

function publicKey(bytes: Uint8Array): KeyObject {
  assertSize('Ed25519 public key', bytes, 32)
  const key = Buffer.from(concatBytes([SPKI_ED25519, bytes]))
  return createPublicKey({ key, format: 'der', type: 'spki' })
}

const generateOnThread = promisify(generateKeyPair)

/** RSASSA-PSS; MGF1 takes the hash of the message. */
const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: RSA_SALT_SIZE }

/** Verifying takes 14 us: less than the way to a thread and back. */
function rsaVerifyingKey(der: Uint8Array): RsaVerifyingKey {
  const key = createPublicKey({ key: Buffer.from(der), format: 'der', type: 'spki' })
  const options = { key, ...pss }
  return {
    der,
    verify: async (signature, message) => verify('sha256', message, options, signature),
  }
}

function rsaSign(key: KeyObject, message: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    sign('sha256', message, { key, ...pss }, (error, signature) => {
      if (error === null) resolve(plain(signature))
      else reject(error)
    })
  })
}

function rsaSigningKey(der: Uint8Array, key: KeyObject): RsaSigningKey {
  return {
    // Whoever prints the object sees that there is one.
    get der(): Uint8Array {
      return der
    },
    verifyingKey: rsaVerifyingKey(rsaPublicKeyOf(der)),
    sign: (message) => rsaSign(key, message),
  }
}

async function generateRsaKey(): Promise<RsaSigningKey> {
  const { privateKey: key } = await generateOnThread('rsa', {
    modulusLength: RSA_MODULUS_BITS,
    publicExponent: RSA_PUBLIC_EXPONENT,
  })
  return rsaSigningKey(new Uint8Array(key.export({ format: 'der', type: 'pkcs8' })), key)
}

async function importRsaSigningKey(der: Uint8Array): Promise<RsaSigningKey> {
  checkRsaPrivateKey(der)
  const own = Uint8Array.from(der)
  const key = createPrivateKey({ key: Buffer.from(own), format: 'der', type: 'pkcs8' })
  return rsaSigningKey(own, key)
}

/**
 * Node's own cryptography, with many hashes at once and long encryptions on the thread pool where
 * @lafs/native is installed.
 */
export const nodeCrypto: CryptoProvider = {
  name: 'node',
  sha256: (...pieces) => plain(digestPieces('sha256', pieces)),
  createSha256: () => new NodeSha256(),
  sha256d,
  sha256dMany,
  sha1: (...pieces) => plain(digestPieces('sha1', pieces)),
  // OpenSSL 3.0 has BLAKE2b with 64 bytes only, and cutting those gives another hash.
  blake2b256: (data) => blake2b(data, { dkLen: 32 }),
  aesCtrInPlace,
  randomBytes: (size) => new Uint8Array(randomBytes(size)),
  ed25519PublicKey: (seed) => {
    const der = createPublicKey(privateKey(seed)).export({ format: 'der', type: 'spki' })
    return new Uint8Array(der.subarray(SPKI_ED25519.length))
  },
  ed25519Sign: (seed, message) => new Uint8Array(sign(null, message, privateKey(seed))),
  ed25519Verify: (key, signature, message) => verify(null, message, publicKey(key), signature),
  generateRsaKey,
  importRsaSigningKey,
  importRsaVerifyingKey: async (der) => {
    checkRsaPublicKey(der)
    return rsaVerifyingKey(Uint8Array.from(der))
  },
  timingSafeEqual: (a, b) => a.length === b.length && timingSafeEqual(a, b),
}
