import { createCheckable } from '@lafs/checker'
import { defaultCrypto, uriExtensionHash } from '@lafs/crypto'
import { createImmutableNode } from '@lafs/immutable'
import type { RIBucketReader } from '@lafs/storage-interface'
import { packChkHeader, parseChkHeader, planChkLayout } from '@lafs/storage-protocol/layout'
import { ChkVerifierCap, packUriExtension } from '@lafs/uri'
import { systemClock } from '@lafs/storage-protocol/waiting'
import { describe, expect, it } from 'vitest'
import { createShareVerifier } from '../../src/immutable/share-verifier.ts'
import type { ShareVerdict } from '../../src/immutable/share-verifier.ts'
import { damages, fieldsOf, flipped, joined } from './damage.ts'
import type { Field } from './damage.ts'
import { createGrid, encodeFile, forge, noise, same, spread } from './grid.ts'
import type { EncodedFile } from './grid.ts'

const files = new Map(
  await Promise.all(
    ([1, 2] as const).map(
      async (version) => [version, await encodeFile(400, { segmentSize: 90, version })] as const,
    ),
  ),
)

function fileOf(version: number): EncodedFile {
  const file = files.get(version === 1 ? 1 : 2)
  if (file === undefined) throw new Error(`no file of version ${version}`)
  return file
}

function shareOf(file: EncodedFile, share: number): Uint8Array {
  const bytes = file.shares.get(share)
  if (bytes === undefined) throw new Error(`no share ${share}`)
  return bytes
}

async function verdictOn(file: EncodedFile, bytes: Uint8Array, share = 0): Promise<ShareVerdict> {
  const context = { crypto: defaultCrypto, clock: systemClock }
  const verifyShare = createShareVerifier(file.cap.verifyCap(), context)
  const bucket = {
    read: async (offset: number, size: number) => bytes.slice(offset, offset + size),
    adviseCorruptShare: async () => {},
  }
  return verifyShare(bucket, share)
}

/** Fields that nobody reads: what stands there makes no difference, as long as something does. */
const UNUSED = [
  'block size',
  'data size',
  'offset of the plaintext hash tree',
  'plaintext hash tree',
]
const MOVING = ['cut off', 'cut short by a byte', 'taken out', 'grown by a byte']

function expected({ name }: Field, how: string, bytes: Uint8Array): ShareVerdict['kind'] {
  // Without its first bytes a share begins with what followed them.
  if (name === 'version' && bytes.length > 100) {
    const version = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
    return version === 1 || version === 2 ? 'corrupt' : 'incompatible'
  }
  return UNUSED.includes(name) && !MOVING.includes(how) ? 'good' : 'corrupt'
}

const fields = [1, 2].flatMap((version) =>
  fieldsOf(shareOf(fileOf(version), 0)).map((field) => ({ version, name: field.name, field })),
)

describe('a share of version 1 and 2 whose', () => {
  it.each(fields)('$name (v$version) is damaged is judged rightly', async ({ version, field }) => {
    const file = fileOf(version)
    for (const [how, damage] of Object.entries(damages)) {
      const bytes = damage(shareOf(file, 0), field)
      if (bytes === undefined) continue
      const verdict = await verdictOn(file, bytes)
      expect({ how, ...verdict }).toMatchObject({ how, kind: expected(field, how, bytes) })
    }
  })

  it.each([1, 2])(
    'bytes are flipped one by one (v%i) is good only where they are unused',
    async (version) => {
      const file = fileOf(version)
      const share = shareOf(file, 0)
      const unused = fieldsOf(share).filter(({ name }) => UNUSED.includes(name))
      for (let at = 0; at < share.length; at++) {
        const { kind } = await verdictOn(file, flipped(share, at, 1))
        const isUnused = unused.some(({ begin, end }) => begin <= at && at < end)
        const wanted = at < 4 ? 'incompatible' : isUnused ? 'good' : 'corrupt'
        expect({ at, kind }).toEqual({ at, kind: wanted })
      }
    },
  )

  it.each([1, 2])('end is cut off anywhere (v%i) is corrupt', async (version) => {
    const file = fileOf(version)
    const share = shareOf(file, 0)
    for (let size = 0; size < share.length; size++) {
      expect({ size, ...(await verdictOn(file, share.slice(0, size))) }).toMatchObject({
        size,
        kind: 'corrupt',
      })
    }
  })

  it.each([1, 2])('end is followed by more bytes (v%i) is good', async (version) => {
    const file = fileOf(version)
    for (const size of [1, 3000, 2_000_000]) {
      const bytes = joined(shareOf(file, 0), noise(size))
      expect(await verdictOn(file, bytes)).toMatchObject({ kind: 'good' })
    }
  })
})

describe('a share that is read in many pieces', async () => {
  const file = await encodeFile(2_500_000, { required: 1, total: 2, segmentSize: 262_144 })
  const share = shareOf(file, 0)
  const named = fieldsOf(share)

  it('is good', async () => {
    expect(await verdictOn(file, share)).toEqual({ kind: 'good', size: share.length })
    expect(await verdictOn(file, joined(share, noise(3000)))).toEqual({
      kind: 'good',
      size: share.length,
    })
  })

  it.each(named.slice(0, 21))('whose $name is damaged is judged rightly', async (field) => {
    for (const how of ['with its last bit flipped', 'set to ones', 'cut short by a byte']) {
      const bytes = damages[how]?.(share, field)
      if (bytes === undefined) continue
      const verdict = await verdictOn(file, bytes)
      expect({ how, ...verdict }).toMatchObject({ how, kind: expected(field, how, bytes) })
    }
  })

  it('any of whose blocks is damaged is corrupt', async () => {
    for (let block = 0; block < 10; block++) {
      const bytes = flipped(share, 36 + 262_144 * block + 7, 4)
      const begin = 36 + 262_144 * block
      const end = 36 + Math.min(2_500_000, 262_144 * (block + 1))
      expect(await verdictOn(file, bytes)).toEqual({
        kind: 'corrupt',
        reason: `corruption in share[${begin}-${end}): bad hash of block ${block}`,
      })
    }
  })
})

describe("upstream's cases", () => {
  const file = fileOf(1)
  const share = shareOf(file, 0)
  const { offsets } = parseChkHeader(share)
  const patched = (at: number, value: number): Uint8Array => {
    const bytes = share.slice()
    new DataView(bytes.buffer).setUint32(at, value)
    return bytes
  }

  it.each<readonly [string, Uint8Array, ShareVerdict['kind']]>([
    ['nothing', share, 'good'],
    ['the version, to a plausible one', patched(0, 2), 'corrupt'],
    ['the version', patched(0, 0xdeadbeef), 'incompatible'],
    [
      'the offset of the URI extension, to force a short read',
      patched(32, share.length - 3),
      'corrupt',
    ],
    [
      'the offset of the block hashes, to truncate the crypttext hashes',
      patched(24, offsets.crypttextHashTree + 64),
      'corrupt',
    ],
    ['the offset of the block hashes, to before the crypttext hashes', patched(24, 32), 'corrupt'],
    ['the last byte of the blocks', flipped(share, offsets.plaintextHashTree - 1, 0xff), 'corrupt'],
    [
      'a crypttext hash that no block of this share needs',
      flipped(share, offsets.crypttextHashTree + 33, 2),
      'corrupt',
    ],
    [
      'the length of the URI extension, to an absurd one',
      patched(offsets.uriExtension, 2000),
      'corrupt',
    ],
    [
      'the length of the URI extension, past the end of the share',
      patched(offsets.uriExtension, 1999),
      'corrupt',
    ],
  ])('corrupting %s', async (_, bytes, kind) => {
    expect(await verdictOn(file, bytes)).toMatchObject({ kind })
  })
})

describe('a share that is whole', () => {
  const file = fileOf(1)

  it('but not as those before it is corrupt', async () => {
    const context = { crypto: defaultCrypto, clock: systemClock }
    const verifyShare = createShareVerifier(file.cap.verifyCap(), context)
    const bucketOf = (bytes: Uint8Array): RIBucketReader => ({
      read: async (offset: number, size: number) => bytes.slice(offset, offset + size),
      adviseCorruptShare: async () => {},
    })
    expect(await verifyShare(bucketOf(shareOf(file, 0)), 0)).toMatchObject({ kind: 'good' })
    for (const field of fieldsOf(shareOf(file, 1))) {
      const bytes = flipped(shareOf(file, 1), field.begin, 1)
      const verdict = await verifyShare(bucketOf(bytes), 1)
      const wanted = UNUSED.includes(field.name) ? 'good' : 'corrupt'
      const kind = field.name === 'version' ? 'incompatible' : wanted
      expect({ ...field, ...verdict }).toMatchObject({ ...field, kind })
    }
  })

  it('but has room between its hash trees is corrupt', async () => {
    for (const name of ['offset of the block hashes', 'offset of the share hashes']) {
      const share = shareOf(file, 0)
      const { offsets } = parseChkHeader(share)
      const all = fieldsOf(share).filter(({ name: other }) => other.startsWith('offset of'))
      const moved = all.slice(all.findIndex((field) => field.name === name))
      const at = name.includes('block') ? offsets.blockHashes : offsets.shareHashes
      const bytes = joined(share.subarray(0, at), new Uint8Array(32), share.subarray(at))
      const view = new DataView(bytes.buffer)
      for (const { begin } of moved) view.setUint32(begin, view.getUint32(begin) + 32)
      expect(await verdictOn(file, bytes)).toMatchObject({ kind: 'corrupt' })
    }
  })

  it('but another one is corrupt', async () => {
    for (const other of [1, 2, 5, 9]) {
      expect(await verdictOn(file, shareOf(file, other))).toMatchObject({ kind: 'corrupt' })
    }
  })

  it('but of another file is corrupt', async () => {
    const other = await encodeFile(400, { segmentSize: 90, seed: 2 })
    expect(await verdictOn(file, shareOf(other, 0))).toMatchObject({ kind: 'corrupt' })
  })

  it('but whose blocks and block hashes are of another share is corrupt', async () => {
    const bytes = shareOf(file, 0).slice()
    const other = shareOf(file, 1)
    const { offsets } = parseChkHeader(bytes)
    for (const [begin, end] of [
      [offsets.data, offsets.plaintextHashTree],
      [offsets.blockHashes, offsets.shareHashes],
    ] as const) {
      bytes.set(other.subarray(begin, end), begin)
    }
    expect(await verdictOn(file, bytes)).toMatchObject({ kind: 'corrupt' })
  })

  it('but has the same share hash twice is corrupt', async () => {
    const bytes = shareOf(file, 0).slice()
    const { offsets } = parseChkHeader(bytes)
    bytes.copyWithin(offsets.shareHashes, offsets.shareHashes + 34, offsets.shareHashes + 68)
    expect(await verdictOn(file, bytes)).toMatchObject({ kind: 'corrupt' })
  })

  it.each<readonly [string, number | string | Uint8Array | undefined]>([
    ['segment_size', 0],
    ['segment_size', 91],
    ['segment_size', undefined],
    ['num_segments', 7],
    ['size', 399],
    ['needed_shares', 4],
    ['total_shares', 11],
    ['codec_name', 'raid'],
    ['codec_params', '90-3-11'],
    ['tail_codec_params', '90-3-10'],
    ['crypttext_hash', new Uint8Array(31)],
    ['crypttext_root_hash', new Uint8Array(31)],
    ['share_root_hash', undefined],
  ])('but uploaded with %s of %o is incompatible', async (field, value) => {
    const forged = forge(file, (all) => {
      all[field] = value
    })
    expect(await verdictOn(forged, shareOf(forged, 0))).toMatchObject({ kind: 'incompatible' })
  })

  it.each(['share_root_hash', 'crypttext_root_hash'])(
    'but uploaded with another %s is corrupt',
    async (field) => {
      const forged = forge(file, (all) => {
        all[field] = new Uint8Array(32)
      })
      expect(await verdictOn(forged, shareOf(forged, 0))).toMatchObject({ kind: 'corrupt' })
    },
  )

  it('is good with fields in its URI extension block that are not known', async () => {
    const forged = forge(file, (all) => {
      all['plaintext_hash'] = new Uint8Array(32)
      all['x_of_some_future'] = 'well'
      all['codec_params'] = undefined
    })
    expect(await verdictOn(forged, shareOf(forged, 9), 9)).toMatchObject({ kind: 'good' })
  })
})

describe('a file with a share whose', () => {
  const some = [
    'with its first bit flipped',
    'set to zeros',
    'plus one',
    'cut off',
    'grown by a byte',
  ]

  it.each(fields)(
    '$name (v$version) is damaged is checked, verified and read',
    async ({ version, field }) => {
      const file = fileOf(version)
      const { cap, data } = file
      for (const how of some) {
        const damaged = damages[how]?.(shareOf(file, 0), field)
        if (damaged === undefined || damaged.length === 0) continue
        const kind = expected(field, how, damaged)
        const grid = await createGrid(4)
        const others = [1, 2, 3].map((share) => [share, shareOf(file, share)] as const)
        const shares = new Map([[0, damaged] as const, ...others])
        await spread(grid, { cap, shares })

        const checkable = createCheckable(cap, grid.context)
        expect(await checkable.check()).toMatchObject({ goodShareCount: 4, corruptShares: [] })
        const results = await checkable.check({ verify: true })
        const locator = { serverId: 'v0-000', storageIndex: cap.storageIndex, shareNumber: 0 }
        expect({ how, ...results }).toMatchObject({
          how,
          healthy: false,
          recoverable: true,
          goodShareCount: kind === 'good' ? 4 : 3,
          corruptShares: kind === 'corrupt' ? [locator] : [],
          incompatibleShares: kind === 'incompatible' ? [locator] : [],
          summary: `Not Healthy: ${kind === 'good' ? 4 : 3} shares (enc 3-of-10)`,
        })
        expect(results?.serversResponding.size).toBe(4)
        const told = grid.servers.map(
          ({ requests }) => requests.filter((name) => name === 'reader.adviseCorruptShare').length,
        )
        expect(told).toEqual([kind === 'corrupt' ? 1 : 0, 0, 0, 0])

        // With a share that is called good, two others are enough.
        const third = grid.servers[3]
        if (third !== undefined) third.connected = kind !== 'good'
        const { broker, codec } = grid.context
        const got = await createImmutableNode(cap, { broker, codec }).downloadBestVersion()
        expect(same(got, data)).toBe(true)
      }
    },
  )
})

it('a share whose hash trees are too large for memory is none to read', async () => {
  // Somebody made a file of a gigabyte with a segment for each byte, or says so.
  const encoding = { requiredShares: 1, totalShares: 1, size: 2 ** 30 }
  const root = new Uint8Array(32)
  const sizes = { segment_size: 1, size: encoding.size, needed_shares: 1, total_shares: 1 }
  const hashes = { crypttext_root_hash: root, share_root_hash: root, num_segments: encoding.size }
  const block = packUriExtension({ ...sizes, ...hashes })
  const ids = { storageIndex: new Uint8Array(16), uriExtensionHash: uriExtensionHash(block) }
  const cap = new ChkVerifierCap({ ...encoding, ...ids })
  const layout = planChkLayout({
    dataSize: encoding.size,
    blockSize: 1,
    segmentCount: encoding.size,
    shareHashCount: 0,
    uriExtensionSize: block.length,
  })
  const end = new Uint8Array(layout.fieldSize + block.length)
  new DataView(end.buffer).setUint32(layout.fieldSize - 4, block.length)
  end.set(block, layout.fieldSize)
  const header = packChkHeader(layout)
  const bytesAt = (at: number): number => header[at] ?? end[at - layout.offsets.uriExtension] ?? 0
  const bucket = {
    read: async (offset: number, size: number) => {
      const there = Math.min(size, layout.offsets.uriExtension + end.length - offset)
      return Uint8Array.from({ length: Math.max(0, there) }, (_, index) => bytesAt(offset + index))
    },
    adviseCorruptShare: async () => {},
  }
  const verifyShare = createShareVerifier(cap, { crypto: defaultCrypto, clock: systemClock })
  expect(await verifyShare(bucket, 0)).toEqual({
    kind: 'incompatible',
    reason: 'crypttext hashes of 68719476704 bytes',
  })
})
