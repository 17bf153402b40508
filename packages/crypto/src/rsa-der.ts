import { concatBytes } from './bytes.ts'
import { EncodingError } from './errors.ts'
import { RSA_MODULUS_BITS } from './rsa.ts'

const TAG_INTEGER = 0x02
const TAG_BIT_STRING = 0x03
const TAG_OCTET_STRING = 0x04
const TAG_SEQUENCE = 0x30

/** AlgorithmIdentifier of rsaEncryption with its parameters, NULL: RFC 8017, appendix A.1. */
const RSA_ALGORITHM = Uint8Array.of(48, 13, 6, 9, 42, 134, 72, 134, 247, 13, 1, 1, 1, 5, 0)

/** INTEGER 0. */
const ZERO = Uint8Array.of(TAG_INTEGER, 1, 0)

function badKey(what: string): EncodingError {
  return new EncodingError('ENCODING_BAD_KEY', `RSA key: expected ${what}`)
}

/** Reads one DER element after another; every message names structures, never contents. */
class DerReader {
  readonly #bytes: Uint8Array
  #position = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get atEnd(): boolean {
    return this.#position === this.#bytes.length
  }

  #byte(): number {
    const byte = this.#bytes[this.#position++]
    if (byte === undefined) throw badKey('more bytes')
    return byte
  }

  #length(): number {
    const first = this.#byte()
    if (first < 0x80) return first
    let length = 0
    for (let count = first & 0x7f; count > 0; count--) length = length * 256 + this.#byte()
    const shortest = length < 0x80 ? 0 : Math.ceil(Math.log2(length + 1) / 8)
    if (first !== 0x80 + shortest || length > this.#bytes.length) {
      throw badKey('lengths in their shortest form')
    }
    return length
  }

  /** The content of the next element, which must have this tag. */
  element(tag: number, what: string): Uint8Array {
    if (this.#byte() !== tag) throw badKey(what)
    const length = this.#length()
    const start = this.#position
    this.#position += length
    if (this.#position > this.#bytes.length) throw badKey('more bytes')
    return this.#bytes.subarray(start, this.#position)
  }

  /** The next element must be exactly these bytes. */
  skip(expected: Uint8Array, what: string): void {
    for (const byte of expected) {
      if (this.#byte() !== byte) throw badKey(what)
    }
  }

  /** A number above 0. */
  integer(): bigint {
    const content = this.element(TAG_INTEGER, 'an INTEGER')
    const [first = 0x80, second = 0x80] = content
    if (first >= 0x80 || (first === 0 && second < 0x80)) {
      throw badKey('positive numbers in their shortest form')
    }
    let hex = '0x'
    for (const byte of content) hex += byte.toString(16).padStart(2, '0')
    return BigInt(hex)
  }

  /** Refuses bytes after the last element. */
  end(): void {
    if (!this.atEnd) throw badKey('nothing after the last field')
  }
}

function sequence(bytes: Uint8Array): DerReader {
  const outer = new DerReader(bytes)
  const content = outer.element(TAG_SEQUENCE, 'a SEQUENCE')
  outer.end()
  return new DerReader(content)
}

function element(tag: number, content: Uint8Array): Uint8Array {
  const size = content.length
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff]
  return concatBytes([Uint8Array.of(tag, ...length), content])
}

function checkModulus(modulus: bigint, publicExponent: bigint): void {
  const bits = modulus.toString(2).length
  if (bits !== RSA_MODULUS_BITS) {
    throw new EncodingError(
      'ENCODING_BAD_KEY_SIZE',
      `RSA key: expected ${RSA_MODULUS_BITS} bits, got ${bits}`,
    )
  }
  if (publicExponent < 3n || publicExponent % 2n === 0n) throw badKey('an odd exponent from 3 on')
}

/** Refuses what is no two-prime RSAPrivateKey of RFC 8017, appendix A.1.2, whose numbers fit. */
function checkPkcs1(pkcs1: Uint8Array): void {
  const reader = sequence(pkcs1)
  reader.skip(ZERO, 'version 0, of two primes')
  const modulus = reader.integer()
  const publicExponent = reader.integer()
  checkModulus(modulus, publicExponent)
  const privateExponent = reader.integer()
  const [p, q] = [reader.integer(), reader.integer()]
  const [dP, dQ] = [reader.integer(), reader.integer()]
  const coefficient = reader.integer()
  reader.end()
  const fits =
    p * q === modulus &&
    p > 2n &&
    q > 2n &&
    (publicExponent * privateExponent) % (p - 1n) === 1n &&
    (publicExponent * privateExponent) % (q - 1n) === 1n &&
    privateExponent % (p - 1n) === dP &&
    privateExponent % (q - 1n) === dQ &&
    (coefficient * q) % p === 1n
  if (!fits) throw badKey('numbers that belong together')
}

/**
 * Refuses what is no DER of PKCS #8 with an RSA-2048 key, in the one form that OpenSSL writes.
 *
 * @throws {@link EncodingError} `ENCODING_BAD_KEY`, `ENCODING_BAD_KEY_SIZE`.
 */
export function checkRsaPrivateKey(der: Uint8Array): void {
  const reader = sequence(der)
  reader.skip(ZERO, 'version 0')
  reader.skip(RSA_ALGORITHM, 'the algorithm rsaEncryption')
  checkPkcs1(reader.element(TAG_OCTET_STRING, 'an OCTET STRING'))
  reader.end()
}

/**
 * Refuses what is no DER of SubjectPublicKeyInfo with an RSA-2048 key.
 *
 * @throws {@link EncodingError} `ENCODING_BAD_KEY`, `ENCODING_BAD_KEY_SIZE`.
 */
export function checkRsaPublicKey(der: Uint8Array): void {
  const reader = sequence(der)
  reader.skip(RSA_ALGORITHM, 'the algorithm rsaEncryption')
  const bits = reader.element(TAG_BIT_STRING, 'a BIT STRING')
  reader.end()
  if (bits[0] !== 0) throw badKey('whole bytes')
  const key = sequence(bits.subarray(1))
  const modulus = key.integer()
  checkModulus(modulus, key.integer())
  key.end()
}

/** The two kinds of PEM that hold such a key without encryption. */
const PEM = /-----BEGIN (RSA )?PRIVATE KEY-----([^-]*)-----END \1?PRIVATE KEY-----/
const PEM_OTHER = /-----BEGIN ([A-Z0-9 ]{1,40})-----/

function fromBase64(text: string): Uint8Array {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
  } catch {
    throw badKey('base64 between the lines of the PEM')
  }
}

/**
 * The key of a PEM file, PKCS #1 ("RSA PRIVATE KEY") or PKCS #8 ("PRIVATE KEY"), without encryption.
 * Text around it is passed over.
 *
 * @returns DER of PKCS #8, the same bytes that upstream makes of the file: a secret.
 * @throws {@link EncodingError} `ENCODING_BAD_KEY` for everything else, and for a key whose numbers
 *   do not belong together; `ENCODING_BAD_KEY_SIZE` for a key that has not 2048 bits.
 * @see allmydata.web.filenode (PUT with private-key=)
 */
export function rsaPrivateKeyFromPem(text: string): Uint8Array {
  const found = PEM.exec(text)
  if (found === null) {
    const label = PEM_OTHER.exec(text)?.[1]
    throw badKey(
      `a PEM block "PRIVATE KEY" or "RSA PRIVATE KEY", got ${label === undefined ? 'none' : `"${label}"`}`,
    )
  }
  const [, pkcs1Label, body = ''] = found
  if (body.includes(':')) throw badKey('a PEM block without headers: encrypted keys are not read')
  let pkcs1 = fromBase64(body)
  if (pkcs1Label === undefined) {
    const reader = sequence(pkcs1)
    reader.skip(ZERO, 'version 0')
    reader.skip(RSA_ALGORITHM, 'the algorithm rsaEncryption')
    pkcs1 = reader.element(TAG_OCTET_STRING, 'an OCTET STRING')
  }
  checkPkcs1(pkcs1)
  return element(TAG_SEQUENCE, concatBytes([ZERO, RSA_ALGORITHM, element(TAG_OCTET_STRING, pkcs1)]))
}

/** DER of SubjectPublicKeyInfo for a private key that {@link checkRsaPrivateKey} let pass. */
export function rsaPublicKeyOf(der: Uint8Array): Uint8Array {
  const reader = sequence(der)
  reader.skip(ZERO, 'version 0')
  reader.skip(RSA_ALGORITHM, 'the algorithm rsaEncryption')
  const key = sequence(reader.element(TAG_OCTET_STRING, 'an OCTET STRING'))
  key.skip(ZERO, 'version 0')
  const numbers = [key, key].map((from) =>
    element(TAG_INTEGER, from.element(TAG_INTEGER, 'an INTEGER')),
  )
  const bits = concatBytes([Uint8Array.of(0), element(TAG_SEQUENCE, concatBytes(numbers))])
  return element(TAG_SEQUENCE, concatBytes([RSA_ALGORITHM, element(TAG_BIT_STRING, bits)]))
}
