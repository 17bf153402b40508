import { defaultCrypto } from '@lafs/crypto'
import { isFilesystemError } from '@lafs/filesystem-interface'
import type { IServer } from '@lafs/storage-interface'
import { MdmfCap, SskCap, parseCapStrict } from '@lafs/uri'
import { fromHex, loadBytes, loadVectors, toHex } from '@lafs/vectors'
import { describe, expect, it } from 'vitest'
import type { MutableFile } from '../src/file.ts'
import { decryptSigningKey, deriveMutableKeys, leaseSecrets, slotSecrets } from '../src/keys.ts'

interface Published {
  file: string
  cases: { offset: number; length: number; format: 'sdmf' | 'mdmf'; cap: string }[]
}

interface KeyVectors {
  leaseSecret: string
  keys: {
    signingKey: string
    verifyingKey: string
    writekey: string
    encryptedPrivateKey: string
    fingerprint: string
    storageIndex: string
    servers: {
      leaseSeed: string
      writeEnabler: string
      renewSecret: string
      cancelSecret: string
    }[]
  }[]
}

const vectors = await loadVectors<KeyVectors>('mutable/keys')
type KeyVector = KeyVectors['keys'][number]

/** What the functions take of a server. */
function serverWith(leaseSeed: Uint8Array): IServer {
  return { leaseSeed } as unknown as IServer
}

/** What the functions take of a file. */
function fileOf(vector: KeyVector, writekey: Uint8Array | undefined): MutableFile {
  return {
    context: { crypto: defaultCrypto, leaseSecret: fromHex(vectors.leaseSecret) },
    storageIndex: fromHex(vector.storageIndex),
    writekey,
  } as unknown as MutableFile
}

describe('the keys of a mutable file', () => {
  it("give upstream's 240 published caps", async () => {
    const { file, cases } = await loadVectors<Published>('mutable/published')
    const joined = await loadBytes(file)
    const caps: string[] = []
    for (const { offset, length, format } of cases) {
      const key = await defaultCrypto.importRsaSigningKey(joined.subarray(offset, offset + length))
      const keys = await deriveMutableKeys(key, defaultCrypto)
      const cap = format === 'sdmf' ? new SskCap(keys) : new MdmfCap(keys)
      caps.push(cap.format())
      expect(parseCapStrict(cap.format()).kind).toBe(format === 'sdmf' ? 'ssk' : 'mdmf')
    }
    expect(cases).toHaveLength(240)
    expect(caps).toEqual(cases.map(({ cap }) => cap))
  })

  it.each(vectors.keys)('are derived as upstream does: $fingerprint', async (vector) => {
    const key = await defaultCrypto.importRsaSigningKey(fromHex(vector.signingKey))
    const keys = await deriveMutableKeys(key, defaultCrypto)
    expect(toHex(keys.writekey)).toBe(vector.writekey)
    expect(toHex(keys.encryptedPrivateKey)).toBe(vector.encryptedPrivateKey)
    expect(toHex(keys.fingerprint)).toBe(vector.fingerprint)
    expect(toHex(key.der)).toBe(vector.signingKey)
    expect(toHex(key.verifyingKey.der)).toBe(vector.verifyingKey)
  })

  it.each(vectors.keys)('give servers the secrets of upstream: $fingerprint', (vector) => {
    const file = fileOf(vector, fromHex(vector.writekey))
    for (const { leaseSeed, writeEnabler, renewSecret, cancelSecret } of vector.servers) {
      const server = serverWith(fromHex(leaseSeed))
      const secrets = slotSecrets(file, server)
      expect(toHex(secrets.writeEnabler)).toBe(writeEnabler)
      expect(toHex(secrets.renewSecret)).toBe(renewSecret)
      expect(toHex(secrets.cancelSecret)).toBe(cancelSecret)
      const { renewSecret: renew, cancelSecret: cancel } = secrets
      expect(leaseSecrets(fileOf(vector, undefined), server)).toEqual({
        renewSecret: renew,
        cancelSecret: cancel,
      })
    }
  })

  it.each(vectors.keys)('come back out of a share: $fingerprint', async (vector) => {
    const encrypted = fromHex(vector.encryptedPrivateKey)
    const key = await decryptSigningKey(fileOf(vector, fromHex(vector.writekey)), encrypted)
    expect(toHex(key.der)).toBe(vector.signingKey)
    expect(toHex(encrypted)).toBe(vector.encryptedPrivateKey)
  })
})

describe('a private key from a share', () => {
  const [vector, other] = vectors.keys
  if (vector === undefined || other === undefined) throw new Error('no keys recorded')
  const encrypted = fromHex(vector.encryptedPrivateKey)

  it.each<[string, string, Uint8Array]>([
    ['nothing', vector.writekey, new Uint8Array(0)],
    ['a bit changed', vector.writekey, encrypted.with(700, (encrypted[700] ?? 0) ^ 1)],
    ['its end missing', vector.writekey, encrypted.subarray(0, -1)],
    ['a byte too many', vector.writekey, Uint8Array.of(...encrypted, 0)],
    ['the key of another file', vector.writekey, fromHex(other.encryptedPrivateKey)],
    ['another write key', other.writekey, encrypted],
  ])('is refused: %s', async (_, writekey, bytes) => {
    const running = decryptSigningKey(fileOf(vector, fromHex(writekey)), bytes)
    await expect(running).rejects.toSatisfy((error) => isFilesystemError(error, 'SHARE_CORRUPT'))
  })

  it('is refused where it is that of another file, encrypted with this write key', async () => {
    const writekey = fromHex(vector.writekey)
    const foreign = fromHex(other.signingKey)
    await defaultCrypto.aesCtrInPlace(writekey, foreign)
    await expect(decryptSigningKey(fileOf(vector, writekey), foreign)).rejects.toMatchObject({
      code: 'SHARE_CORRUPT',
      message: 'the private key does not fit the write key',
    })
  })

  it('is refused where it fits the write key but is no RSA key', async () => {
    const crypto = { ...defaultCrypto, timingSafeEqual: () => true }
    const file = fileOf(vector, fromHex(other.writekey))
    const trusting: MutableFile = { ...file, context: { ...file.context, crypto } }
    await expect(decryptSigningKey(trusting, encrypted)).rejects.toMatchObject({
      code: 'SHARE_CORRUPT',
      cause: { code: 'ENCODING_BAD_KEY' },
    })
  })

  it('is not for those who may only read', async () => {
    const file = fileOf(vector, undefined)
    await expect(decryptSigningKey(file, encrypted)).rejects.toMatchObject({
      code: 'NODE_NOT_WRITEABLE',
    })
    const server = serverWith(new Uint8Array(20))
    expect(() => slotSecrets(file, server)).toThrow(
      expect.objectContaining({ code: 'NODE_NOT_WRITEABLE' }),
    )
  })
})
