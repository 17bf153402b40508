import { fromHex, loadVectors, stretch, toHex } from '@lafs/vectors'
import { describe, expect, it } from 'vitest'
import type { CryptoProvider } from '@lafs/crypto'

interface AesVectors {
  cases: { key: string; iv: string | null; pieces: string[]; encrypted: string[] }[]
  offsets: { key: string; offset: number; data: string; result: string }[]
  big: { key: string; seed: string; length: number; sha256: string }[]
}

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text)

const aes = await loadVectors<AesVectors>('aes/ctr')

/** FIPS 180-4, its examples. */
const longMessage = 'abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq'
const sha256Vectors = [
  ['', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
  ['abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
  [longMessage, '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1'],
] as const
const sha1Vectors = [
  ['', 'da39a3ee5e6b4b0d3255bfef95601890afd80709'],
  ['abc', 'a9993e364706816aba3e25717850c26c9cd0d89d'],
  [longMessage, '84983e441c3bd26ebaae4aa1f95129e5e54670f1'],
] as const

/** RFC 7693's function with a 32-byte digest, as CPython's hashlib computes it. */
const blake2bVectors = [
  ['', '0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8'],
  ['abc', 'bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319'],
] as const

/** NIST SP 800-38A, F.5.1. */
const nist = {
  key: '2b7e151628aed2a6abf7158809cf4f3c',
  iv: 'f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff',
  plaintext:
    '6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51' +
    '30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710',
  ciphertext:
    '874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff' +
    '5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee',
}

const badAesArguments: readonly [string, number, { iv?: Uint8Array; offset?: number }][] = [
  ['a key of 15 bytes', 15, {}],
  ['a key of 32 bytes', 32, {}],
  ['no key', 0, {}],
  ['an iv of 12 bytes', 16, { iv: new Uint8Array(12) }],
  ['a negative offset', 16, { offset: -1 }],
  ['half an offset', 16, { offset: 0.5 }],
  ['an offset that is not safe', 16, { offset: 2 ** 53 }],
  ['an offset that is no number', 16, { offset: Number.NaN }],
]

/** RFC 8032, section 7.1, tests 1 to 3. */
const rfc8032 = [
  {
    seed: '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    publicKey: 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    message: '',
    signature:
      'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555' +
      'fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  },
  {
    seed: '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    publicKey: '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    message: '72',
    signature:
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da0' +
      '85ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  },
  {
    seed: 'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
    publicKey: 'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
    message: 'af82',
    signature:
      '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac1' +
      '8ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
  },
] as const

/** What every provider must do, over standard vectors and upstream's. */
export function testProvider(crypto: CryptoProvider): void {
  describe(`${crypto.name} provider`, () => {
    testHashes(crypto)
    testAes(crypto)
    testSignatures(crypto)
    testRest(crypto)
  })
}

function testHashes(crypto: CryptoProvider): void {
  it.each(sha256Vectors)('hashes %j with SHA-256 as FIPS 180-4 does', (message, digest) => {
    expect(toHex(crypto.sha256(ascii(message)))).toBe(digest)
    expect(toHex(crypto.createSha256().update(ascii(message)).digest())).toBe(digest)
  })

  it('hashes a million times "a" with SHA-256 as FIPS 180-4 does', () => {
    const digest = 'cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0'
    const hash = crypto.createSha256()
    for (let i = 0; i < 1000; i++) hash.update(ascii('a'.repeat(1000)))
    expect(toHex(hash.digest())).toBe(digest)
  })

  it.each(sha1Vectors)('hashes %j with SHA-1 as FIPS 180-4 does', (message, digest) => {
    expect(toHex(crypto.sha1(ascii(message)))).toBe(digest)
  })

  it.each(blake2bVectors)('hashes %j with BLAKE2b-256', (message, digest) => {
    expect(toHex(crypto.blake2b256(ascii(message)))).toBe(digest)
  })

  it('hashes pieces as if they were one, whatever their sizes', () => {
    for (const size of [0, 1, 63, 64, 4095, 4096, 4097, 9000]) {
      const whole = stretch(ascii('pieces'), size)
      const pieces = [whole.subarray(0, size >> 1), whole.subarray(size >> 1), new Uint8Array(0)]
      expect(crypto.sha256(...pieces)).toEqual(crypto.sha256(whole))
      expect(crypto.sha1(...pieces)).toEqual(crypto.sha1(whole))
      expect(crypto.sha256d(...pieces)).toEqual(crypto.sha256(crypto.sha256(whole)))
    }
    expect(crypto.sha256()).toEqual(crypto.sha256(new Uint8Array(0)))
  })

  it('hashes many messages as it hashes each', async () => {
    const prefix = ascii('prefix')
    const messages = [0, 1, 64, 100, 5000, 131_072].map((size) => stretch(ascii('many'), size))
    const hashes = await crypto.sha256dMany(prefix, messages)
    expect(hashes.map(toHex)).toEqual(
      messages.map((message) => toHex(crypto.sha256d(prefix, message))),
    )
    expect(await crypto.sha256dMany(prefix, [])).toEqual([])
  })

  it('gives digests in memory of their own', () => {
    const first = crypto.sha256d(ascii('a'))
    const before = toHex(first)
    crypto.sha256d(ascii('b'))
    expect(toHex(first)).toBe(before)
    expect(Object.getPrototypeOf(first)).toBe(Uint8Array.prototype)
    expect(Object.getPrototypeOf(crypto.sha256(ascii('a')))).toBe(Uint8Array.prototype)
    expect(Object.getPrototypeOf(crypto.randomBytes(1))).toBe(Uint8Array.prototype)
  })
}

function testAes(crypto: CryptoProvider): void {
  /** What is encrypted in place in the middle of memory, whose other bytes must stay. */
  async function inPlace(
    key: Uint8Array,
    data: Uint8Array,
    options?: { iv?: Uint8Array; offset?: number },
  ): Promise<string> {
    const memory = new Uint8Array(data.length + 9).fill(0xa5)
    const part = memory.subarray(5, 5 + data.length)
    part.set(data)
    const result = await crypto.aesCtrInPlace(key, part, options)
    expect(result).toBeUndefined()
    const encrypted = toHex(part)
    part.fill(0xa5)
    expect(memory.every((byte) => byte === 0xa5)).toBe(true)
    return encrypted
  }

  it('encrypts and decrypts as NIST SP 800-38A does', async () => {
    const [key, options] = [fromHex(nist.key), { iv: fromHex(nist.iv) }]
    expect(await inPlace(key, fromHex(nist.plaintext), options)).toBe(nist.ciphertext)
    expect(await inPlace(key, fromHex(nist.ciphertext), options)).toBe(nist.plaintext)
  })

  it('encrypts as upstream does from any byte, the counter carrying over 128 bits', async () => {
    for (const { key, iv, pieces, encrypted } of aes.cases) {
      const [plain, secret] = [fromHex(pieces.join('')), encrypted.join('')]
      for (const offset of [0, 1, 15, 16, 17, 40].filter((start) => start <= plain.length)) {
        const options = iv === null ? { offset } : { iv: fromHex(iv), offset }
        const actual = await inPlace(fromHex(key), plain.subarray(offset), options)
        expect(actual).toBe(secret.slice(2 * offset))
      }
    }
  })

  it('starts at any byte, as upstream reads a file from there', async () => {
    for (const { key, offset, data, result } of aes.offsets) {
      const actual = await inPlace(fromHex(key), fromHex(data), { offset })
      expect(`${offset} ${actual}`).toBe(`${offset} ${result}`)
    }
  })

  it('encrypts as upstream does what is long enough for threads', async () => {
    for (const { key, seed, length, sha256 } of aes.big) {
      const data = stretch(fromHex(seed), length)
      await crypto.aesCtrInPlace(fromHex(key), data)
      expect(toHex(crypto.sha256(data))).toBe(sha256)
    }
  })

  it.each([0, 7, 2 ** 32 * 16 - 40, 2 ** 36 - 50_003, Number.MAX_SAFE_INTEGER - 300_000])(
    'encrypts pieces of every size as it does the whole from %i on',
    async (base) => {
      const key = fromHex(nist.key)
      const data = stretch(ascii('pieces'), 200_000)
      const whole = await inPlace(key, data, { offset: base })
      const sizes = [0, 1, 2, 15, 16, 17, 100, 2047, 2048, 2053, 65_535, 65_536, 65_543]
      let start = 0
      for (const size of sizes) {
        const piece = data.subarray(start, start + size)
        const actual = await inPlace(key, piece, { offset: base + start })
        expect(`${size} ${actual}`).toBe(`${size} ${whole.slice(2 * start, 2 * (start + size))}`)
        start += size
      }
    },
  )

  it.each([4, 8, 16])('carries the counter over its last %i bytes at every size', async (ones) => {
    const key = fromHex(nist.key)
    const iv = fromHex(nist.iv).fill(255, 16 - ones)
    iv[15] = 256 - 20
    const data = stretch(ascii('carry'), 80_001)
    let blockByBlock = ''
    for (let start = 0; start < 1000; start += 16) {
      blockByBlock += await inPlace(key, data.subarray(start, start + 16), { iv, offset: start })
    }
    for (const size of [500, 5003, 80_001]) {
      const actual = await inPlace(key, data.subarray(3, size), { iv, offset: 3 })
      expect(actual.slice(0, 900)).toBe(blockByBlock.slice(6, 906))
    }
  })

  it('encrypts many arrays at once, and keeps neither key nor iv', async () => {
    const sizes = [100, 3000, 90_000, 150_001, 3001, 17]
    const plain = sizes.map((size) => stretch(ascii(`${size}`), size))
    const oneByOne: string[] = []
    for (const [i, data] of plain.entries()) {
      const [key, iv] = [new Uint8Array(16).fill(i), new Uint8Array(16).fill(2 * i)]
      oneByOne.push(await inPlace(key, data, { iv, offset: i }))
    }
    const [key, iv] = [new Uint8Array(16), new Uint8Array(16)]
    const arrays = plain.map((data) => data.slice())
    const running = arrays.map((data, i) =>
      crypto.aesCtrInPlace(key.fill(i), data, { iv: iv.fill(2 * i), offset: i }),
    )
    key.fill(99)
    iv.fill(99)
    await Promise.all(running)
    expect(arrays.map(toHex)).toEqual(oneByOne)
  })

  it.each([...badAesArguments])('refuses %s', async (_, keySize, options) => {
    const data = new Uint8Array(20)
    const running = crypto.aesCtrInPlace(new Uint8Array(keySize), data, options)
    await expect(running).rejects.toThrow(RangeError)
    expect(data).toEqual(new Uint8Array(20))
  })
}

function testSignatures(crypto: CryptoProvider): void {
  it.each(rfc8032)('signs and verifies as RFC 8032 does: $message', (vector) => {
    const [seed, publicKey, message] = [vector.seed, vector.publicKey, vector.message].map(fromHex)
    if (seed === undefined || publicKey === undefined || message === undefined) throw new Error()
    expect(toHex(crypto.ed25519PublicKey(seed))).toBe(vector.publicKey)
    expect(toHex(crypto.ed25519Sign(seed, message))).toBe(vector.signature)
    expect(crypto.ed25519Verify(publicKey, fromHex(vector.signature), message)).toBe(true)
  })

  it('refuses a signature with any bit changed, and another message', () => {
    const { publicKey, message, signature } = rfc8032[2]
    const [key, text] = [fromHex(publicKey), fromHex(message)]
    for (let bit = 0; bit < 512; bit += 7) {
      const changed = fromHex(signature)
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect([bit, crypto.ed25519Verify(key, changed, text)]).toEqual([bit, false])
    }
    expect(crypto.ed25519Verify(key, fromHex(signature), ascii('other'))).toBe(false)
  })

  it('refuses a signature that is too short, too long or not reduced', () => {
    const { publicKey, message, signature } = rfc8032[2]
    const [key, text, good] = [fromHex(publicKey), fromHex(message), fromHex(signature)]
    expect(crypto.ed25519Verify(key, good.subarray(0, 63), text)).toBe(false)
    expect(crypto.ed25519Verify(key, new Uint8Array([...good, 0]), text)).toBe(false)
    expect(crypto.ed25519Verify(key, new Uint8Array(0), text)).toBe(false)
    // RFC 8032, section 5.1.7: S must be below the order of the group.
    const order = 2n ** 252n + 27742317777372353535851937790883648493n
    let s = order
    for (let i = 63; i >= 32; i--) s += BigInt(good[i] ?? 0) << BigInt(8 * (i - 32))
    const bigger = Uint8Array.from(good, (byte, i) =>
      i < 32 ? byte : Number((s >> BigInt(8 * (i - 32))) & 0xffn),
    )
    expect(crypto.ed25519Verify(key, bigger, text)).toBe(false)
  })

  it('refuses keys of the wrong size', () => {
    const message = ascii('message')
    expect(() => crypto.ed25519PublicKey(new Uint8Array(31))).toThrow(RangeError)
    expect(() => crypto.ed25519Sign(new Uint8Array(33), message)).toThrow(RangeError)
    expect(() => crypto.ed25519Verify(new Uint8Array(31), new Uint8Array(64), message)).toThrow(
      RangeError,
    )
  })

  it('verifies nothing with a key that is no point', () => {
    const noPoint = new Uint8Array(32).fill(2)
    expect(crypto.ed25519Verify(noPoint, new Uint8Array(64), ascii('x'))).toBe(false)
  })
}

function testRest(crypto: CryptoProvider): void {
  it('gives random bytes of any size', () => {
    expect(crypto.randomBytes(0)).toHaveLength(0)
    expect(crypto.randomBytes(200_000)).toHaveLength(200_000)
    expect(crypto.randomBytes(32)).not.toEqual(crypto.randomBytes(32))
    expect(crypto.randomBytes(70_000).subarray(-32)).not.toEqual(new Uint8Array(32))
  })

  it('compares byte strings', () => {
    expect(crypto.timingSafeEqual(ascii('abc'), ascii('abc'))).toBe(true)
    expect(crypto.timingSafeEqual(ascii('abc'), ascii('abd'))).toBe(false)
    expect(crypto.timingSafeEqual(ascii('abc'), ascii('ab'))).toBe(false)
    expect(crypto.timingSafeEqual(ascii(''), ascii(''))).toBe(true)
  })
}
