import { defaultCrypto } from '@lafs/crypto'
import { nodeCrypto } from '@lafs/crypto/node'
import { portableCrypto } from '@lafs/crypto/portable'
import { stretch } from '@lafs/vectors'
import * as fc from 'fast-check'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { testProvider } from './provider-suite.ts'
import { testRsa } from './rsa-suite.ts'

testProvider(nodeCrypto)
testRsa(nodeCrypto)

const seed = 20

describe('both providers', () => {
  it('are chosen by the platform', () => {
    expect(defaultCrypto).toBe(nodeCrypto)
  })

  it('hash alike', () => {
    const bytes = fc.uint8Array({ maxLength: 6000 })
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 4 }), (pieces) => {
        expect(nodeCrypto.sha256(...pieces)).toEqual(portableCrypto.sha256(...pieces))
        expect(nodeCrypto.sha256d(...pieces)).toEqual(portableCrypto.sha256d(...pieces))
        expect(nodeCrypto.sha1(...pieces)).toEqual(portableCrypto.sha1(...pieces))
      }),
      { seed, numRuns: 50 },
    )
  })

  it('encrypt alike', async () => {
    const size16 = fc.uint8Array({ minLength: 16, maxLength: 16 })
    const size = fc.oneof(fc.nat(100), fc.nat(5000), fc.nat(150_000))
    await fc.assert(
      fc.asyncProperty(size16, size16, fc.maxSafeNat(), size, async (key, iv, offset, length) => {
        const [a, b] = [stretch(key, length), stretch(key, length)]
        await nodeCrypto.aesCtrInPlace(key, a, { iv, offset })
        await portableCrypto.aesCtrInPlace(key, b, { iv, offset })
        expect(Buffer.compare(a, b)).toBe(0)
      }),
      { seed, numRuns: 200 },
    )
  })

  it('sign alike and verify each other', () => {
    const keys = fc.uint8Array({ minLength: 32, maxLength: 32 })
    fc.assert(
      fc.property(keys, fc.uint8Array(), (key, message) => {
        const publicKey = nodeCrypto.ed25519PublicKey(key)
        expect(portableCrypto.ed25519PublicKey(key)).toEqual(publicKey)
        const signature = nodeCrypto.ed25519Sign(key, message)
        expect(portableCrypto.ed25519Sign(key, message)).toEqual(signature)
        expect(portableCrypto.ed25519Verify(publicKey, signature, message)).toBe(true)
        expect(nodeCrypto.ed25519Verify(publicKey, signature, message)).toBe(true)
      }),
      { seed, numRuns: 20 },
    )
  })
})

function missingModule(): never {
  throw Object.assign(new Error('not found'), { code: 'ERR_MODULE_NOT_FOUND' })
}

it('works where the platform offers no cryptography of its own', async () => {
  const message = new Uint8Array(10_000)
  const data = new Uint8Array(10_000)
  vi.stubGlobal('crypto', {})
  const hashes = await portableCrypto.sha256dMany(message, [message])
  await portableCrypto.aesCtrInPlace(new Uint8Array(16), data, { offset: 21 })
  vi.unstubAllGlobals()
  expect(hashes).toEqual([nodeCrypto.sha256d(message, message)])
  await nodeCrypto.aesCtrInPlace(new Uint8Array(16), data, { offset: 21 })
  expect(data).toEqual(message)
})

it('says so where RSA needs what the platform has not', async () => {
  const key = await nodeCrypto.generateRsaKey()
  vi.stubGlobal('crypto', {})
  const running = Promise.allSettled([
    portableCrypto.generateRsaKey(),
    portableCrypto.importRsaSigningKey(key.der),
    portableCrypto.importRsaVerifyingKey(key.verifyingKey.der),
  ])
  vi.unstubAllGlobals()
  for (const result of await running) {
    expect(result).toMatchObject({
      status: 'rejected',
      reason: { name: 'CryptoUnavailableError', code: 'CRYPTO_UNAVAILABLE' },
    })
  }
})

it('signs with RSA what the other provider verifies', async () => {
  const message = Uint8Array.of(1, 2, 3)
  for (const [signer, verifier] of [
    [nodeCrypto, portableCrypto],
    [portableCrypto, nodeCrypto],
  ] as const) {
    const key = await signer.generateRsaKey()
    const verifying = await verifier.importRsaVerifyingKey(key.verifyingKey.der)
    expect(await verifying.verify(await key.sign(message), message)).toBe(true)
  }
})

describe('work for threads with and without the addon', () => {
  const message = new Uint8Array(10_000)
  const expected = portableCrypto.sha256d(new Uint8Array(1), message)

  afterEach(() => {
    vi.doUnmock('@lafs/native')
    vi.resetModules()
  })

  /** The hashes that a fresh provider gives when the addon is as given. */
  async function hashWith(addon: () => Record<string, unknown>): Promise<Uint8Array[]> {
    vi.resetModules()
    vi.doMock('@lafs/native', addon)
    const fresh = await import('../src/node-provider.ts')
    return fresh.nodeCrypto.sha256dMany(new Uint8Array(1), [message])
  }

  /** What a fresh provider encrypts when the addon is as given. */
  async function encryptWith(addon: () => Record<string, unknown>): Promise<Uint8Array> {
    vi.resetModules()
    vi.doMock('@lafs/native', addon)
    const fresh = await import('../src/node-provider.ts')
    const data = new Uint8Array(200_003)
    await fresh.nodeCrypto.aesCtrInPlace(new Uint8Array(16), data, { offset: 7 })
    return data
  }

  it('encrypts the same where the addon is absent, lacks AES, or has it', async () => {
    const expectedBytes = new Uint8Array(200_003)
    await portableCrypto.aesCtrInPlace(new Uint8Array(16), expectedBytes, { offset: 7 })
    const aesCtr = vi.fn<(...args: [Uint8Array, Uint8Array, Uint8Array]) => Promise<void>>(
      async (_key, _counter, data) => {
        data.fill(9)
      },
    )
    const sameBytes = async (encrypted: Promise<Uint8Array>): Promise<boolean> =>
      portableCrypto.timingSafeEqual(await encrypted, expectedBytes)
    expect(await sameBytes(encryptWith(missingModule))).toBe(true)
    expect(await sameBytes(encryptWith(() => ({ load: () => ({}) })))).toBe(true)
    const encrypted = await encryptWith(() => ({ load: () => ({ aesCtr }) }))
    expect(encrypted.every((byte) => byte === 9)).toBe(true)
    const counter = new Uint8Array(16)
    expect(aesCtr).toHaveBeenCalledExactlyOnceWith(new Uint8Array(16), counter, encrypted, 7)
  })

  it.each(['NATIVE_ABSENT', 'NATIVE_BROKEN'])('falls back without a word on %s', async (code) => {
    const warn = vi.spyOn(process, 'emitWarning')
    const load = vi.fn<() => never>(() => {
      throw Object.assign(new Error('no addon'), { code })
    })
    expect(await hashWith(() => ({ load }))).toEqual([expected])
    expect(load).toHaveBeenCalledOnce()
    expect(warn).not.toHaveBeenCalled()
  })

  it('falls back where the package itself is not installed', async () => {
    expect(await hashWith(missingModule)).toEqual([expected])
  })

  it('uses the addon where it loads', async () => {
    const answer = [new Uint8Array(32).fill(9)]
    const sha256dMany = vi.fn<() => Promise<Uint8Array[]>>(async () => answer)
    expect(await hashWith(() => ({ load: () => ({ sha256dMany }) }))).toBe(answer)
    expect(sha256dMany).toHaveBeenCalledWith(new Uint8Array(1), [message])
  })

  it('hashes a few small messages itself', async () => {
    const load = vi.fn<() => never>()
    vi.resetModules()
    vi.doMock('@lafs/native', () => ({ load }))
    const fresh = await import('../src/node-provider.ts')
    const prefix = new Uint8Array(1)
    const small = [new Uint8Array(64), new Uint8Array(3)]
    expect(await fresh.nodeCrypto.sha256dMany(prefix, small)).toEqual(
      small.map((each) => portableCrypto.sha256d(prefix, each)),
    )
    expect(load).not.toHaveBeenCalled()
  })
})
