import * as lafsCrypto from '@lafs/crypto'
import { defaultCrypto, type CryptoProvider, type TaggedHasher } from '@lafs/crypto'
import { portableCrypto } from '@lafs/crypto/portable'
import { fromHex, loadVectors, stretch, toHex } from '@lafs/vectors'
import { describe, expect, it } from 'vitest'

type Argument = string | number | null

interface HashVectors {
  functions: string[]
  cases: { function: string; args: Argument[]; result: string }[]
  running: { function: string; pieces: string[]; result: string }[]
  big: { seed: string; length: number; block_hash: string }[]
  refused: { function: string; args: Argument[]; error: string }[]
}

const vectors = await loadVectors<HashVectors>('hashutil/hashes')

const camelCase = (name: string): string =>
  name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())

function callable(name: string): (...args: unknown[]) => unknown {
  const found: unknown = Reflect.get(lafsCrypto, camelCase(name))
  if (typeof found !== 'function') throw new Error(`@lafs/crypto has no ${camelCase(name)}`)
  return (...args) => Reflect.apply(found, undefined, args)
}

const plain = (argument: Argument): unknown => {
  if (typeof argument === 'string') return fromHex(argument)
  return argument ?? undefined
}

function hashOf(name: string, args: readonly unknown[]): Uint8Array {
  const hash = callable(name)(...args)
  if (!(hash instanceof Uint8Array)) throw new Error(`${name} gave no bytes`)
  return hash
}

describe('tagged hashes', () => {
  it('has every function of hashutil', () => {
    expect(vectors.functions.map((name) => typeof callable(name))).toEqual(
      vectors.functions.map(() => 'function'),
    )
  })

  const names = [...new Set(vectors.cases.map((vector) => vector.function))]
  it.each(names)('%s gives what upstream gives, with both providers', (name) => {
    const cases = vectors.cases.filter((vector) => vector.function === name)
    for (const crypto of [[], [portableCrypto]]) {
      const ours = cases.map(({ args }) => ({
        function: name,
        args,
        result: toHex(hashOf(name, [...args.map(plain), ...crypto])),
      }))
      expect(ours).toEqual(cases)
    }
  })

  it.each(vectors.running)('$function in pieces gives what upstream gives', (vector) => {
    const name = camelCase(vector.function)
    const hashers: Record<string, (crypto?: CryptoProvider) => TaggedHasher> = {
      blockHasher: lafsCrypto.blockHasher,
      uriExtensionHasher: lafsCrypto.uriExtensionHasher,
      plaintextHasher: lafsCrypto.plaintextHasher,
      crypttextHasher: lafsCrypto.crypttextHasher,
      crypttextSegmentHasher: lafsCrypto.crypttextSegmentHasher,
      plaintextSegmentHasher: lafsCrypto.plaintextSegmentHasher,
    }
    for (const crypto of [defaultCrypto, portableCrypto]) {
      const hasher = hashers[name]?.(crypto)
      for (const piece of vector.pieces) hasher?.update(fromHex(piece))
      expect(toHex(hasher?.digest() ?? new Uint8Array(0))).toBe(vector.result)
    }
  })

  it('hashes big blocks as upstream does, one by one and many at once', async () => {
    const blocks = vectors.big.map(({ seed, length }) => stretch(fromHex(seed), length))
    const expected = vectors.big.map((vector) => vector.block_hash)
    expect(blocks.map((block) => toHex(lafsCrypto.blockHash(block)))).toEqual(expected)
    const many = await defaultCrypto.sha256dMany(lafsCrypto.blockHashPrefix, blocks)
    expect(many.map(toHex)).toEqual(expected)
  })

  it('hashes many segments of ciphertext at once as it hashes each', async () => {
    const segments = [new Uint8Array(0), new Uint8Array(1000).fill(7)]
    const prefix = lafsCrypto.crypttextSegmentHashPrefix
    expect(await defaultCrypto.sha256dMany(prefix, segments)).toEqual(
      segments.map((segment) => lafsCrypto.crypttextSegmentHash(segment)),
    )
  })

  it.each(vectors.refused)('refuses $function of $args as upstream does', (vector) => {
    expect(() => hashOf(vector.function, vector.args.map(plain))).toThrow(RangeError)
  })

  it.each([
    [1.5, 3, 1],
    [1, Number.NaN, 1],
    [1, 3, -1],
    [1, 3, 2 ** 53],
  ])('refuses the encoding %d, %d, %d', (k, n, segmentSize) => {
    const empty = new Uint8Array(0)
    expect(() => lafsCrypto.convergenceHash(k, n, segmentSize, empty, empty)).toThrow(RangeError)
  })

  it('makes keys of 16 random bytes', () => {
    expect(lafsCrypto.randomKey()).toHaveLength(16)
    expect(lafsCrypto.randomKey()).not.toEqual(lafsCrypto.randomKey())
  })

  it('compares secrets', () => {
    const secret = new Uint8Array([1, 2, 3])
    expect(lafsCrypto.timingSafeCompare(secret, Uint8Array.of(1, 2, 3))).toBe(true)
    expect(lafsCrypto.timingSafeCompare(secret, Uint8Array.of(1, 2, 4))).toBe(false)
    expect(lafsCrypto.timingSafeCompare(secret, Uint8Array.of(1, 2))).toBe(false)
  })
})
