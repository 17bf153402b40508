import { createHash } from 'node:crypto'
import { readdir, rename } from 'node:fs/promises'
import type { MutableFormat } from '@lafs/client'
import { toBase32 } from '@lafs/crypto'
import {
  createResourceStack,
  describeWithUpstream,
  ownFiles,
  sharesFolder,
  startMixedGrid,
  upstreamFiles,
  verifiedByUpstream,
} from '@lafs/interop'
import type { MixedGrid, MutableFiles } from '@lafs/interop'
import { parseCapStrict } from '@lafs/uri'
import { fromHex, loadVectors, stretch } from '@lafs/vectors'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

// Every file goes back and forth between a client of ours and one of upstream, on servers of both.

const KIB = 1024
const MIB = 1024 * KIB
/** Segments of MDMF: 128 KiB, raised to a multiple of the shares needed. */
const SEGMENT = 131_073
const sizes = [0, 1, 128 * KIB - 1, 128 * KIB, 128 * KIB + 1, MIB + 5, 10_000_000]
const formats: readonly MutableFormat[] = ['SDMF', 'MDMF']
const sides = ['own', 'upstream'] as const
type Side = (typeof sides)[number]
const other: Readonly<Record<Side, Side>> = { own: 'upstream', upstream: 'own' }

interface KeyVector {
  signingKey: string
  caps: { sdmf: { write: string; read: string }; mdmf: { write: string; read: string } }
}
const { keys } = await loadVectors<{ keys: KeyVector[] }>('mutable/keys')

const plaintext = (label: string, size: number): Uint8Array =>
  stretch(new TextEncoder().encode(`${label} ${size} bytes, `), size)
const digest = (data: Uint8Array): string =>
  `${data.length} bytes ${createHash('sha256').update(data).digest('hex')}`

/** What a file holds after data was written at an offset. */
function spliced(before: Uint8Array, offset: number, data: Uint8Array): Uint8Array {
  const after = new Uint8Array(Math.max(before.length, offset + data.length))
  after.set(before)
  after.set(data, offset)
  return after
}

/** Upstream 1.20 fails to append to a file of which the last segment is full. */
const upstreamCanAppend = (format: MutableFormat, size: number): boolean =>
  format === 'SDMF' || size % SEGMENT !== 0

/** Spans that begin, end and cross where segments do, of which SDMF has but one. */
function rangesOf(format: MutableFormat, size: number): { offset: number; size: number }[] {
  const wanted: [number, number][] = [
    [SEGMENT - 5, SEGMENT + 5],
    ...(format === 'SDMF' ? [] : mdmfRanges(size)),
  ]
  return wanted
    .filter(([begin, end]) => begin >= 0 && end <= size)
    .map(([begin, end]) => ({ offset: begin, size: end - begin }))
}

const mdmfRanges = (size: number): [number, number][] => [
  [0, 1],
  [size - 1, size],
  [SEGMENT, SEGMENT + 1],
  [Math.floor(size / 2), Math.floor(size / 2) + 1024],
]

describeWithUpstream('mutable files', () => {
  const resources = createResourceStack()
  let grid: MixedGrid
  let files: Readonly<Record<Side, MutableFiles>>

  beforeAll(async () => {
    grid = await startMixedGrid(resources, {
      upstreamServerCount: 2,
      ownServerCount: 2,
      encoding: { requiredShares: 3, happyShares: 1, totalShares: 10 },
      convergence: new Uint8Array(32).fill(7),
    })
    files = { own: ownFiles(grid.own), upstream: upstreamFiles(grid.upstream) }
  }, 120_000)
  afterAll(() => resources[Symbol.asyncDispose](), 60_000)

  async function expectRead(readers: readonly Side[], cap: string, wanted: Uint8Array) {
    for (const reader of readers) {
      const got = await files[reader].read(cap)
      expect(`${reader}: ${digest(got)}`).toBe(`${reader}: ${digest(wanted)}`)
    }
  }

  describe.each(formats)('%s', (format) => {
    describe.each(sides)('created by %s', (writer) => {
      const editor = other[writer]

      it.each(sizes)('%i bytes are read by both, edited by the other and read', async (size) => {
        let data = plaintext(`${format} ${writer} before`, size)
        const cap = await files[writer].create(format, data)
        expect(parseCapStrict(cap).kind).toBe(format === 'SDMF' ? 'ssk' : 'mdmf')
        await expectRead(sides, parseCapStrict(cap).readCap().format(), data)
        for (const range of rangesOf(format, size)) {
          const wanted = digest(data.subarray(range.offset, range.offset + range.size))
          const got = await files[editor].readRange(cap, range.offset, range.size)
          expect(digest(got), `${range.size} bytes at ${range.offset}`).toBe(wanted)
        }

        data = plaintext(`${format} ${writer} after`, size)
        await files[editor].overwrite(cap, data)
        await expectRead([writer], cap, data)

        // Upstream itself cannot update an empty file.
        if (size > 0) {
          const offset = Math.floor(size * 0.6)
          const patch = plaintext('patch', Math.min(1000, size - offset))
          data = spliced(data, offset, patch)
          await files[editor].update(cap, offset, patch)
          await expectRead([writer], cap, data)

          const added = plaintext('appended', 1500)
          const appender = upstreamCanAppend(format, data.length) ? writer : 'own'
          await files[appender].update(cap, data.length, added)
          data = spliced(data, data.length, added)
          await expectRead([editor], cap, data)
        }

        // Every share is good to the last bit, wherever it was changed in place.
        if (size <= MIB + 5) expect(await verifiedByUpstream(grid.upstream, cap)).toEqual([])

        data = plaintext('shorter', Math.floor(size / 3))
        await files[writer].overwrite(cap, data)
        await expectRead(sides, cap, data)
      })
    })
  })

  it.each(sides)('updates by %s over the ends of segments and of the file', async (writer) => {
    let data = plaintext('many updates', 3 * SEGMENT + 17)
    const cap = await files[other[writer]].create('MDMF', data)
    const updates: [offset: number, size: number][] = [
      [0, 1],
      [SEGMENT - 1, 2],
      [SEGMENT, SEGMENT],
      [100_000, 200_000],
      [3 * SEGMENT - 1, 18],
      [3 * SEGMENT + 10, 300_000],
    ]
    for (const [index, [offset, size]] of updates.entries()) {
      const patch = plaintext(`update ${index}`, size)
      await files[index % 2 === 0 ? writer : other[writer]].update(cap, offset, patch)
      data = spliced(data, offset, patch)
      await expectRead(sides, cap, data)
    }
  })

  it.each(sides)('%s takes the key that it is given', async (writer) => {
    for (const [index, format] of formats.entries()) {
      const key = keys[index + (writer === 'own' ? 0 : formats.length)]
      if (key === undefined) throw new Error('expected more keys')
      const caps = format === 'SDMF' ? key.caps.sdmf : key.caps.mdmf
      const data = plaintext(`given key ${format}`, 300_000)
      expect(await files[writer].create(format, data, fromHex(key.signingKey))).toBe(caps.write)
      await expectRead(sides, caps.read, data)
    }
  })

  it.each(sides)('shares by %s change places between servers of the two kinds', async (writer) => {
    const [theirs, , ours] = grid.storages
    if (theirs === undefined || ours === undefined) throw new Error('expected more servers')
    let data = plaintext('moved', 300_000)
    const cap = await files[writer].create('MDMF', data)
    const parsed = parseCapStrict(cap)
    if (parsed.kind !== 'mdmf') throw new Error('expected an MDMF cap')
    const index = toBase32(parsed.storageIndex)
    const [from, to] = [sharesFolder(theirs, index), sharesFolder(ours, index)]
    for (const folder of [from, to]) expect((await readdir(folder)).length).toBeGreaterThan(0)
    await rename(from, `${from}-aside`)
    await rename(to, from)
    await rename(`${from}-aside`, to)
    await expectRead(sides, cap, data)

    // The moved shares have the write enablers of their old servers, and are left alone.
    data = plaintext('written to the others', 1000)
    await files.own.overwrite(cap, data)
    await expectRead(sides, cap, data)
  })

  it.each(sides)('%s cannot write with a read cap', async (writer) => {
    const data = plaintext('read-only', 1000)
    const cap = await files[writer].create('MDMF', data)
    const readCap = parseCapStrict(cap).readCap().format()
    await expect(files.own.overwrite(readCap, new Uint8Array(1))).rejects.toMatchObject({
      code: 'NODE_NOT_WRITEABLE',
    })
    await expect(files.upstream.overwrite(readCap, new Uint8Array(1))).rejects.toThrow(
      /HTTP status/,
    )
    await expectRead(sides, readCap, data)
  })
})
