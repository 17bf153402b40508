import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { uploadableFromBytes, uploadableFromStream } from '@lafs/immutable'
import { uploadableFromFile, uploadableFromStream as spooledStream } from '@lafs/immutable/node'
import type { IUploadable } from '@lafs/filesystem-interface'
import { afterAll, describe, expect, it } from 'vitest'
import { noise } from './grid.ts'

const folder = mkdtempSync(join(tmpdir(), 'lafs-test-'))
afterAll(() => rmSync(folder, { recursive: true }))

const data = noise(2_500_000)

async function* stream(): AsyncGenerator<Uint8Array> {
  const scratch = new Uint8Array(100_000)
  for (let at = 0; at < data.length; at += scratch.length) {
    scratch.set(data.subarray(at, at + scratch.length))
    yield scratch
  }
}

async function collect(uploadable: IUploadable, offset: number): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of uploadable.read({ offset, pieceSize: 70_001 })) {
    pieces.push(Buffer.from(piece))
  }
  return Buffer.concat(pieces)
}

const makers: [string, () => Promise<IUploadable>][] = [
  ['bytes', async () => uploadableFromBytes(data)],
  ['a stream kept in memory', () => uploadableFromStream(stream())],
  ['a stream put into a file', () => spooledStream(stream())],
  ['a short stream in Node', () => spooledStream(stream(), { memoryLimit: 5_000_000 })],
  [
    'a file',
    () => {
      const path = join(folder, 'file')
      writeFileSync(path, data)
      return uploadableFromFile(path)
    },
  ],
]

describe.each(makers)('an uploadable from %s', (_, make) => {
  it('gives the bytes as often as asked, from any offset', async () => {
    const uploadable = await make()
    expect(uploadable.size).toBe(data.length)
    expect((await collect(uploadable, 0)).equals(data)).toBe(true)
    const [early, late] = await Promise.all([
      collect(uploadable, 1),
      collect(uploadable, 2_400_000),
    ])
    expect(early.equals(data.subarray(1))).toBe(true)
    expect(late.equals(data.subarray(2_400_000))).toBe(true)
    await uploadable.close()
  })
})

describe('a stream', () => {
  it('is refused above the memory limit', async () => {
    await expect(uploadableFromStream(stream(), { memoryLimit: 1_000_000 })).rejects.toThrow(
      new RangeError('expected a stream of at most 1000000 bytes, got more'),
    )
  })

  it('goes through as it comes, once, when its size is known and its key random', async () => {
    const uploadable = await spooledStream(stream(), { size: data.length, encryptionKey: 'random' })
    expect((await collect(uploadable, 0)).equals(data)).toBe(true)
    expect(() => uploadable.read()).toThrow(TypeError)
  })

  it('leaves no temporary file behind', async () => {
    const spools = (): string[] =>
      readdirSync(tmpdir()).filter((name) => name.startsWith('lafs-upload-'))
    const before = new Set(spools())
    const uploadable = await spooledStream(stream())
    const mine = spools().filter((name) => !before.has(name))
    expect(mine.length).toBeGreaterThan(0)
    await uploadable.close()
    expect(mine.filter((name) => existsSync(join(tmpdir(), name))).length).toBeLessThan(mine.length)
    await expect(
      spooledStream(
        (async function* broken() {
          yield data
          throw new Error('broken')
        })(),
      ),
    ).rejects.toThrow('broken')
  })
})

it('uploads no folder', async () => {
  await expect(uploadableFromFile(folder)).rejects.toThrow('expected a regular file to upload')
})
