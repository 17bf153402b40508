import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defaultCrypto } from '@lafs/crypto'
import {
  deriveKey,
  encodingParameters,
  uploadableFromBytes,
  uploadableFromStream,
} from '@lafs/immutable'
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

const SECRET = noise(32)

async function* cut(content: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < content.length; at += 30_000) yield content.subarray(at, at + 30_000)
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

it('notices that somebody writes to a file', async () => {
  const path = join(folder, 'changing')
  writeFileSync(path, data)
  const longAgo = new Date(1_600_000_000_000)
  utimesSync(path, longAgo, longAgo)
  const uploadable = await uploadableFromFile(path)
  expect((await collect(uploadable, 0)).length).toBe(data.length)
  const changed = data.slice()
  changed[7] = (changed[7] ?? 0) ^ 1
  writeFileSync(path, changed)
  await expect(collect(uploadable, 0)).rejects.toMatchObject({ code: 'UPLOAD_SOURCE_CHANGED' })
  await uploadable.close()
})

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

it.skipIf(process.platform === 'win32')(
  'refuses a pipe, which Windows has not, and does not wait for it',
  async () => {
    const path = join(folder, 'pipe')
    execFileSync('mkfifo', [path])
    await expect(uploadableFromFile(path)).rejects.toThrow(TypeError)
  },
)

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

  it.each([
    ['kept in memory', uploadableFromStream],
    ['put into a file', spooledStream],
  ])('that is %s ends with the signal, even while it stalls', async (_, make) => {
    const stop = new AbortController()
    async function* stalling(): AsyncGenerator<Uint8Array> {
      yield* stream()
      await new Promise(() => {})
    }
    const got = make(stalling(), { signal: stop.signal })
    setTimeout(() => stop.abort(new Error('enough')), 20)
    await expect(got).rejects.toThrow('enough')
  })

  it('leaves no temporary file behind', async () => {
    const temporaryFolder = mkdtempSync(join(folder, 'spool-'))
    const uploadable = await spooledStream(stream(), { temporaryFolder })
    await uploadable.close()
    expect(readdirSync(temporaryFolder)).toEqual([])
    await expect(
      spooledStream(
        (async function* broken() {
          yield data
          throw new Error('broken')
        })(),
        { temporaryFolder },
      ),
    ).rejects.toThrow('broken')
    expect(readdirSync(temporaryFolder)).toEqual([])
  })

  it.each([0, 1, 55, 56, 99_999, 100_000, 100_001, 999_999, data.length])(
    'of %i bytes has the key that the upload would derive',
    async (size) => {
      const convergence = {
        requiredShares: 3,
        totalShares: 5,
        maxSegmentSize: 100_000,
        secret: SECRET,
      }
      for (const memoryLimit of [100_000, 500_000]) {
        const content = data.subarray(0, size)
        const uploadable = await spooledStream(cut(content), { convergence, memoryLimit })
        const plain = uploadableFromBytes(content)
        const parameters = encodingParameters(plain, { ...convergence, happyShares: 1 })
        const options = { convergence: SECRET, crypto: defaultCrypto }
        expect(uploadable.convergentKey).toEqual(await deriveKey(plain, parameters, options))
        expect(await deriveKey(uploadable, parameters, options)).toBe(uploadable.convergentKey)
        await uploadable.close()
      }
    },
  )

  it('is left to the upload to hash where it is put away too early', async () => {
    const convergence = {
      requiredShares: 3,
      totalShares: 5,
      maxSegmentSize: 100_000,
      secret: SECRET,
    }
    const uploadable = await spooledStream(stream(), { convergence, memoryLimit: 10 })
    expect(uploadable.convergentKey).toBeUndefined()
    await uploadable.close()
  })
})

it('uploads no folder', async () => {
  await expect(uploadableFromFile(folder)).rejects.toThrow('expected a regular file to upload')
})
