import { concatBytes } from '@lafs/crypto'
import type { IMutableUploadable } from '@lafs/filesystem-interface'
import { describe, expect, it } from 'vitest'
import { readSource } from '../src/publish/source-reader.ts'
import { mutableUploadableFromBytes, mutableUploadableFromStream } from '../src/uploadable.ts'

const data = Uint8Array.from({ length: 100 }, (_, index) => index)

async function* pieces(sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  // One array again and again, as sources may do.
  const memory = new Uint8Array(100)
  for (let at = 0, index = 0; index < sizes.length; index++) {
    const size = sizes[index] ?? 0
    memory.set(data.subarray(at, at + size))
    yield memory.subarray(0, size)
    at += size
  }
}

async function read(uploadable: IMutableUploadable, offset?: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of uploadable.read({ offset, pieceSize: 7 })) parts.push(part.slice())
  return concatBytes(parts)
}

describe('mutableUploadableFromBytes', () => {
  it('gives all bytes, or those from an offset on, as often as asked', async () => {
    const uploadable = mutableUploadableFromBytes(data)
    expect(uploadable.size).toBe(100)
    expect(await read(uploadable)).toEqual(data)
    expect(await read(uploadable, 93)).toEqual(data.slice(93))
    await uploadable.close()
  })

  it('stops at a signal', async () => {
    const signal = AbortSignal.abort(new Error('enough'))
    const reading = mutableUploadableFromBytes(data).read({ signal })
    await expect(reading[Symbol.asyncIterator]().next()).rejects.toThrow('enough')
  })
})

describe('mutableUploadableFromStream', () => {
  it('keeps a stream of unknown size', async () => {
    const uploadable = await mutableUploadableFromStream(pieces([3, 0, 50, 47]))
    expect(uploadable.size).toBe(100)
    expect(await read(uploadable)).toEqual(data)
    expect(await read(uploadable, 50)).toEqual(data.slice(50))
  })

  it('refuses more than it may keep', async () => {
    const kept = mutableUploadableFromStream(pieces([50, 50]), { memoryLimit: 99 })
    await expect(kept).rejects.toThrow(
      new RangeError('expected a stream of at most 99 bytes, got more'),
    )
  })

  it('reads a stream of known size once, from its start', async () => {
    const uploadable = await mutableUploadableFromStream(pieces([60, 40]), { size: 100 })
    expect(() => uploadable.read({ offset: 1 })).toThrow(TypeError)
    expect(await read(uploadable)).toEqual(data)
    expect(() => uploadable.read()).toThrow(TypeError)
  })

  it('stops at a signal', async () => {
    const signal = AbortSignal.abort(new Error('enough'))
    await expect(mutableUploadableFromStream(pieces([1]), { signal })).rejects.toThrow('enough')
  })

  it('stops at a signal though the stream says nothing', async () => {
    const stop = new AbortController()
    const silent = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) }
    const reading = mutableUploadableFromStream(silent, { signal: stop.signal })
    stop.abort(new Error('enough'))
    await expect(reading).rejects.toThrow('enough')
  })
})

describe('readSource', () => {
  it('fills spans across pieces', async () => {
    const source = readSource(await mutableUploadableFromStream(pieces([10, 60, 0, 30])), {})
    const [first, second] = [new Uint8Array(65), new Uint8Array(35)]
    await source.readInto(first)
    await source.readInto(second)
    await source.end()
    expect(concatBytes([first, second])).toEqual(data)
    await source.close()
  })

  it.each([
    { what: 'fewer', sizes: [99], message: 'expected 100 bytes of contents, got 99' },
    { what: 'more', sizes: [99, 0, 2], message: 'expected 100 bytes of contents, got more' },
    { what: 'a piece more', sizes: [100, 1], message: 'expected 100 bytes of contents, got more' },
  ])('refuses a source that gives $what', async ({ sizes, message }) => {
    const source = readSource(await mutableUploadableFromStream(pieces(sizes), { size: 100 }), {})
    const reading = source.readInto(new Uint8Array(100)).then(() => source.end())
    await expect(reading).rejects.toMatchObject({ code: 'UPLOAD_SOURCE_CHANGED', message })
  })
})
