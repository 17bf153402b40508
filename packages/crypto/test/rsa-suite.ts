import { EncodingError, sskPubkeyFingerprintHash, sskWritekeyHash } from '@lafs/crypto'
import { fromHex, loadVectors, toHex } from '@lafs/vectors'
import { describe, expect, it } from 'vitest'
import type { CryptoProvider } from '@lafs/crypto'

interface RsaVectors {
  keys: {
    name: string
    exponent: number
    privateDer: string
    publicDer: string
    writekey: string
    fingerprint: string
    signatures: { name: string; message: string; signature: string; valid: boolean }[]
  }[]
  pems: { name: string; pem: string; privateDer: string }[]
  refused: { name: string; der: string }[]
  stored: { privateDer: string; message: string; signature: string }
}

export const rsaVectors: RsaVectors = await loadVectors<RsaVectors>('rsa/keys')

function messageOf(text: string): Uint8Array {
  const zeros = /^zeros (\d+)$/.exec(text)?.[1]
  return zeros === undefined ? fromHex(text) : new Uint8Array(Number(zeros))
}

const [oldKey] = rsaVectors.keys
if (oldKey === undefined) throw new Error('no keys recorded')

/** Each a change to a good key that leaves none. */
const spoiltPrivateKeys: [string, (der: Uint8Array) => Uint8Array][] = [
  ['nothing', () => new Uint8Array(0)],
  ['a byte', () => Uint8Array.of(0x30)],
  ['a length without end', () => Uint8Array.of(0x30, 0x80, 0, 0)],
  ['a length of many bytes', () => new Uint8Array(300).fill(0xff).fill(0x30, 0, 1)],
  ['a byte after it', (der) => Uint8Array.of(...der, 0)],
  ['its last byte missing', (der) => der.subarray(0, -1)],
  ['another outer tag', (der) => der.with(0, 0x31)],
  ['another version', (der) => der.with(6, 1)],
  ['another algorithm', (der) => der.with(19, 10)],
  ['another inner tag', (der) => der.with(22, 3)],
  ['another modulus', (der) => der.with(40, (der[40] ?? 0) ^ 1)],
  ['another coefficient', (der) => der.with(der.length - 1, (der.at(-1) ?? 0) ^ 1)],
]

const spoiltPublicKeys: [string, (der: Uint8Array) => Uint8Array][] = [
  ['nothing', () => new Uint8Array(0)],
  ['a byte after it', (der) => Uint8Array.of(...der, 0)],
  ['its last byte missing', (der) => der.subarray(0, -1)],
  ['another algorithm', (der) => der.with(12, 10)],
  ['bits that are not whole bytes', (der) => der.with(23, 1)],
  ['an even exponent', (der) => der.with(der.length - 1, 16)],
  ['the exponent 1', (der) => der.with(der.length - 1, 1)],
  ['a negative exponent', (der) => der.with(der.length - 1, 0x91)],
  ['the private key', () => fromHex(oldKey.privateDer)],
]

/** What every provider's RSA must do, over upstream's keys and signatures. */
export function testRsa(crypto: CryptoProvider): void {
  describe(`${crypto.name} RSA`, () => {
    testKeys(crypto)
    testSignatures(crypto)
    testBadKeys(crypto)
  })
}

function testKeys(crypto: CryptoProvider): void {
  it.each(rsaVectors.keys)('reads and writes the key "$name" as upstream does', async (vector) => {
    const key = await crypto.importRsaSigningKey(fromHex(vector.privateDer))
    expect(toHex(key.der)).toBe(vector.privateDer)
    expect(toHex(key.verifyingKey.der)).toBe(vector.publicDer)
    expect(toHex(sskWritekeyHash(key.der, crypto))).toBe(vector.writekey)
    expect(toHex(sskPubkeyFingerprintHash(key.verifyingKey.der, crypto))).toBe(vector.fingerprint)
    const verifying = await crypto.importRsaVerifyingKey(fromHex(vector.publicDer))
    expect(toHex(verifying.der)).toBe(vector.publicDer)
  })

  it("makes keys of 2048 bits with upstream's exponent, other ones each time", async () => {
    const [key, other] = await Promise.all([crypto.generateRsaKey(), crypto.generateRsaKey()])
    expect(key.der).not.toEqual(other.der)
    expect(toHex(key.verifyingKey.der).slice(-10)).toBe('0203010001')
    expect(key.verifyingKey.der).toHaveLength(294)
    const again = await crypto.importRsaSigningKey(key.der)
    const message = Uint8Array.of(1, 2, 3)
    const signature = await key.sign(message)
    expect(await again.verifyingKey.verify(signature, message)).toBe(true)
    expect(await other.verifyingKey.verify(signature, message)).toBe(false)
  })

  it('keeps its own copy of what it reads', async () => {
    const [der, publicDer] = [fromHex(oldKey!.privateDer), fromHex(oldKey!.publicDer)]
    const key = await crypto.importRsaSigningKey(der)
    const verifying = await crypto.importRsaVerifyingKey(publicDer)
    der.fill(0)
    publicDer.fill(0)
    expect(toHex(key.der)).toBe(oldKey!.privateDer)
    expect(toHex(verifying.der)).toBe(oldKey!.publicDer)
  })
}

function testSignatures(crypto: CryptoProvider): void {
  it.each(rsaVectors.keys)('takes and refuses what upstream does: $name', async (vector) => {
    const key = await crypto.importRsaVerifyingKey(fromHex(vector.publicDer))
    const answers: [string, boolean][] = []
    for (const { name, message, signature } of vector.signatures) {
      answers.push([name, await key.verify(fromHex(signature), messageOf(message))])
    }
    expect(answers).toEqual(vector.signatures.map(({ name, valid }) => [name, valid]))
  })

  it.each(rsaVectors.keys)('signs what it verifies: $name', async (vector) => {
    const key = await crypto.importRsaSigningKey(fromHex(vector.privateDer))
    const message = new TextEncoder().encode('own')
    const [first, second] = await Promise.all([key.sign(message), key.sign(message)])
    expect(first).toHaveLength(256)
    expect(Object.getPrototypeOf(first)).toBe(Uint8Array.prototype)
    expect(first).not.toEqual(second)
    expect(await key.verifyingKey.verify(first, message)).toBe(true)
    expect(await key.verifyingKey.verify(second, message)).toBe(true)
    expect(await key.verifyingKey.verify(first, message.subarray(1))).toBe(false)
  })

  it('takes the signature that pycryptopp made', async () => {
    const { privateDer, message, signature } = rsaVectors.stored
    const { verifyingKey } = await crypto.importRsaSigningKey(fromHex(privateDer))
    expect(await verifyingKey.verify(fromHex(signature), fromHex(message))).toBe(true)
  })
}

function testBadKeys(crypto: CryptoProvider): void {
  it.each(rsaVectors.refused)('refuses a private key as upstream does: $name', async (vector) => {
    const code = vector.name.endsWith(' bits') ? 'ENCODING_BAD_KEY_SIZE' : 'ENCODING_BAD_KEY'
    const running = crypto.importRsaSigningKey(fromHex(vector.der))
    await expect(running).rejects.toMatchObject({ name: 'EncodingError', code })
  })

  it.each(spoiltPrivateKeys)('refuses as a private key: %s', async (_, spoil) => {
    const running = crypto.importRsaSigningKey(spoil(fromHex(oldKey!.privateDer)))
    await expect(running).rejects.toMatchObject({ code: 'ENCODING_BAD_KEY' })
  })

  it('refuses a private key with any one byte changed, or cut anywhere', async () => {
    const good = fromHex(oldKey!.privateDer)
    for (let position = 0; position < good.length; position += 13) {
      const changed = good.with(position, (good[position] ?? 0) ^ 0x11)
      await expect(crypto.importRsaSigningKey(changed)).rejects.toThrow(EncodingError)
      const cut = good.subarray(0, position)
      await expect(crypto.importRsaSigningKey(cut)).rejects.toThrow(EncodingError)
    }
  })

  it.each(spoiltPublicKeys)('refuses as a public key: %s', async (_, spoil) => {
    const running = crypto.importRsaVerifyingKey(spoil(fromHex(oldKey!.publicDer)))
    await expect(running).rejects.toMatchObject({ code: 'ENCODING_BAD_KEY' })
  })

  it('tells nothing of a key that it refuses', async () => {
    const der = fromHex(oldKey!.privateDer)
    const error: unknown = await crypto
      .importRsaSigningKey(der.with(der.length - 1, 1))
      .catch((reason: unknown) => reason)
    expect(String(error)).toMatch(/^EncodingError: RSA key: expected [a-z ]+$/)
  })
}
