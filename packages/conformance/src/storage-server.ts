import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isStorageError, LEASE_DURATION_SECONDS, STORE_SIZE_MAX } from '@lafs/storage-interface'
import type {
  AllocateResult,
  IStorageServer,
  ReadTestWriteResult,
  ReadVector,
  ResumedUpload,
  RIBucketReader,
  RIBucketWriter,
  ShareNumber,
  SlotSecrets,
  StorageErrorCode,
  StorageIndex,
  StoredLease,
  StoreResult,
  TestWriteVectors,
} from '@lafs/storage-interface'

/** What the far side of a storage server under test lets a test see and do. */
export interface StorageServerControl {
  /** The leases of the lowest-numbered share of a file, in the order in which they were made. */
  leases(storageIndex: StorageIndex): Promise<readonly StoredLease[]>
  /** The server's clock, in seconds since 1970. */
  nowSeconds(): number
  /** Moves the server's clock on. */
  advance(seconds: number): Promise<void>
}

/** A storage server under test, fresh and empty. */
export interface StorageServerFixture extends AsyncDisposable {
  readonly server: IStorageServer
  /** Present when the capability `control` is. */
  readonly control?: StorageServerControl
  /** Breaks the connection and makes another. Present when the capability `disconnect` is. */
  reconnect?(): Promise<IStorageServer>
}

/** What can be tested over one way to a storage server. */
export interface StorageServerCapabilities {
  /** The fixture has a {@link StorageServerControl}: leases can be seen, time can be moved. */
  readonly control: boolean
  /** A broken connection aborts its uploads, as over Foolscap (HTTP knows no connection). */
  readonly disconnect: boolean
  /** Other bytes over written ones are refused at once, with `STORAGE_CONFLICTING_WRITE`. */
  readonly namesConflicts: boolean
  /** A write with another write enabler is refused with `STORAGE_BAD_WRITE_ENABLER`. */
  readonly namesBadWriteEnabler: boolean
  /**
   * Secrets of the wrong size and share numbers past 255 are refused on slots too (upstream takes
   * them). Default: true.
   */
  readonly checksSlotArguments?: boolean
  /** Leases can be let go of: `cancelLease` (upstream's servers know no such thing). Default: true. */
  readonly cancelsLeases?: boolean
  /** Uploads can be taken up again over this way: `resumeUpload`. Default: true. */
  readonly resumesUploads?: boolean
  /** Shares of unknown size can be uploaded (upstream's servers take none). Default: true. */
  readonly openEndedUploads?: boolean
  /** Shares can be stored whole (upstream's servers cannot do that). Default: true. */
  readonly storesWholeShares?: boolean
}

/** A storage server and the way to it, as the suite takes them. */
export interface StorageServerSuite {
  readonly name: string
  readonly capabilities: StorageServerCapabilities
  /** Makes a server that no other test uses. */
  create(): Promise<StorageServerFixture>
}

const seed = 0x1af5
let counter = 0

/** Different bytes each time, the same in each run. */
function fresh(length: number): Uint8Array {
  counter += 1
  const bytes = new Uint8Array(length)
  let state = (seed * 2654435761 + counter * 40503) >>> 0
  for (let i = 0; i < length; i += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    bytes[i] = state >>> 24
  }
  return bytes
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const filled = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value)
const newSlotSecrets = (): SlotSecrets => ({
  writeEnabler: fresh(32),
  renewSecret: fresh(32),
  cancelSecret: fresh(32),
})
/** Plain arrays, so that a Buffer and a Uint8Array of the same bytes are equal. */
const plain = (map: ReadonlyMap<ShareNumber, readonly Uint8Array[]>): [number, number[][]][] =>
  [...map].toSorted(([a], [b]) => a - b).map(([n, parts]) => [n, parts.map((part) => [...part])])
const asPlain = (shares: Record<number, readonly string[]>): [number, number[][]][] =>
  plain(new Map(Object.entries(shares).map(([n, parts]) => [Number(n), parts.map((p) => text(p))])))

function must<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the server left out a share that was asked for')
  return value
}

async function failure(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise
  } catch (error) {
    return error
  }
  throw new Error('expected a rejection')
}

/** The code with which a promise rejects. */
async function refusal(promise: Promise<unknown>): Promise<StorageErrorCode> {
  const error = await failure(promise)
  if (!isStorageError(error)) throw error
  return error.code
}

/** The codes of errors that have a name at all. */
const named = /^STORAGE_/

/**
 * Holds a storage server, as its clients see it over one transport, to {@link IStorageServer}.
 *
 * It covers what upstream's `test_istorageserver.py` covers and goes on from there. Groups that the
 * capabilities rule out are skipped with their reason in the name.
 */
export function testStorageServer(suite: StorageServerSuite): void {
  describe(`storage server: ${suite.name}`, () => {
    let fixture: StorageServerFixture
    const current: Current = {
      get server() {
        return fixture.server
      },
      get control() {
        return must(fixture.control)
      },
      reconnect: () => must(fixture.reconnect?.bind(fixture))(),
    }
    beforeEach(async () => {
      fixture = await suite.create()
    })
    afterEach(async () => {
      await fixture[Symbol.asyncDispose]()
    })

    describe('version', () => {
      testVersion(current)
    })
    describe('immutable uploads', () => {
      testUploads(current, suite.capabilities)
    })
    const { resumesUploads = true, openEndedUploads = true } = suite.capabilities
    const once = resumesUploads ? '' : ' (skipped: this way has no secrets of uploads)'
    describe.skipIf(!resumesUploads)(`uploads that are taken up again${once}`, () => {
      testResumedUploads(current)
    })
    const known = openEndedUploads ? '' : ' (skipped: the server takes none)'
    describe.skipIf(!openEndedUploads)(`uploads of unknown size${known}`, () => {
      testOpenEndedUploads(current)
    })

    const { storesWholeShares = true } = suite.capabilities
    const whole = storesWholeShares ? '' : ' (skipped: the server knows no such operation)'
    describe.skipIf(!storesWholeShares)(`whole shares${whole}`, () => {
      testWholeShares(current, suite.capabilities)
    })

    describe('immutable reads', () => {
      testReads(current)
    })
    describe('reading ahead', () => {
      testReadAhead(current)
    })
    describe('mutable slots', () => {
      testSlots(current, suite.capabilities)
    })
    describe('any sequence of slot operations', () => {
      testSlotModel(current)
    })
    describe('advisories', () => {
      testAdvisories(current)
    })
    describe('arguments', () => {
      testArguments(current, suite.capabilities)
    })
    describe('many operations at once', () => {
      testManyAtOnce(current)
    })
    const { control, disconnect, cancelsLeases = true } = suite.capabilities
    const kept = ' (skipped: this server keeps leases until they expire)'
    describe.skipIf(!cancelsLeases)(`cancelled leases${cancelsLeases ? '' : kept}`, () => {
      testCancelledLeases(current)
    })
    const able = ' (skipped: this server can cancel leases)'
    describe.skipIf(cancelsLeases)(
      `leases that cannot be cancelled${cancelsLeases ? able : ''}`,
      () => {
        testKeptLeases(current)
      },
    )
    const hidden = ' (skipped: the leases and the clock of this server are out of sight)'
    describe.skipIf(!control)(`leases${control ? '' : hidden}`, () => {
      testLeases(current)
    })
    const unconnected = ' (skipped: no connection here whose end means anything)'
    describe.skipIf(!disconnect)(`disconnection${disconnect ? '' : unconnected}`, () => {
      testDisconnection(current)
    })
  })
}

/** The fixture of the running test. */
interface Current {
  readonly server: IStorageServer
  readonly control: StorageServerControl
  reconnect(): Promise<IStorageServer>
}

interface Upload {
  readonly storageIndex: StorageIndex
  readonly renewSecret: Uint8Array
  readonly cancelSecret: Uint8Array
}

const newUpload = (): Upload => ({
  storageIndex: fresh(16),
  renewSecret: fresh(32),
  cancelSecret: fresh(32),
})

function allocate(
  server: IStorageServer,
  upload: Upload,
  shareNumbers: readonly ShareNumber[],
  allocatedSize: number,
): Promise<AllocateResult> {
  return server.allocateBuckets(upload.storageIndex, {
    renewSecret: upload.renewSecret,
    cancelSecret: upload.cancelSecret,
    shareNumbers: new Set(shareNumbers),
    allocatedSize,
  })
}

async function allocateOne(
  server: IStorageServer,
  upload: Upload,
  allocatedSize: number,
): Promise<RIBucketWriter> {
  const { writers } = await allocate(server, upload, [0], allocatedSize)
  return must(writers.get(0))
}

async function storeShare(server: IStorageServer, data: Uint8Array): Promise<Upload> {
  const upload = newUpload()
  const writer = await allocateOne(server, upload, data.length)
  await writer.write(0, [data])
  await writer.close()
  return upload
}

async function reader(server: IStorageServer, storageIndex: StorageIndex): Promise<RIBucketReader> {
  return must((await server.getBuckets(storageIndex)).get(0))
}

/** One test-and-write of a slot, with shares given by number. */
function slot(
  server: IStorageServer,
  storageIndex: StorageIndex,
  secrets: SlotSecrets,
  vectors: Record<number, TestWriteVectors>,
  reads: readonly ReadVector[] = [],
): Promise<ReadTestWriteResult> {
  const shares = new Map(Object.entries(vectors).map(([n, vector]) => [Number(n), vector]))
  return server.slotTestvAndReadvAndWritev(storageIndex, secrets, shares, reads)
}

/** Vectors that write `data` at the front and make it the whole share. */
const whole = (data: string): TestWriteVectors => ({
  test: [],
  write: [{ offset: 0, data: text(data) }],
  newLength: data.length,
})

/** The request of one upload with a secret, so that it can be taken up again. */
function secretUpload(allocatedSize: number) {
  const { storageIndex, ...lease } = newUpload()
  const uploadSecret = fresh(20)
  const request = { ...lease, shareNumbers: new Set([0]), allocatedSize, uploadSecret }
  return { storageIndex, request, uploadSecret }
}

function testResumedUploads(current: Current): void {
  const resume = async (
    storageIndex: StorageIndex,
    uploadSecret: Uint8Array,
    firstBytes: Uint8Array,
    shareNumber = 0,
  ): Promise<ResumedUpload> => {
    const request = { uploadSecret, allocatedSize: 30, firstBytes }
    return must(await current.server.resumeUpload?.(storageIndex, shareNumber, request))
  }

  it('say what is missing, and are closed when all of it has come', async () => {
    const { storageIndex, request, uploadSecret } = secretUpload(30)
    const { writers } = await current.server.allocateBuckets(storageIndex, request)
    await must(writers.get(0)).write(10, [filled(5, 1)])
    const resumed = await resume(storageIndex, uploadSecret, filled(5, 2))
    expect(resumed.missing).toEqual([
      { begin: 5, end: 10 },
      { begin: 15, end: 30 },
    ])
    await resumed.writer.write(5, [filled(5, 3)])
    const again = await resume(storageIndex, uploadSecret, filled(5, 2))
    expect(again.missing).toEqual([{ begin: 15, end: 30 }])
    await again.writer.write(15, [filled(15, 4)])
    await again.writer.close()
    const bucket = await reader(current.server, storageIndex)
    const expected = [...filled(5, 2), ...filled(5, 3), ...filled(5, 1), ...filled(15, 4)]
    expect([...(await bucket.read(0, 100))]).toEqual(expected)
  })

  it('are refused with another secret, other bytes, and when there is none', async () => {
    const { storageIndex, request, uploadSecret } = secretUpload(30)
    const first = filled(5, 2)
    expect(await refusal(resume(storageIndex, uploadSecret, first))).toBe('STORAGE_NO_SUCH_SHARE')
    const { writers } = await current.server.allocateBuckets(storageIndex, request)
    await must(writers.get(0)).write(0, [first])
    expect(await refusal(resume(storageIndex, fresh(20), first))).toBe('STORAGE_UNAUTHORIZED')
    expect(await refusal(resume(storageIndex, uploadSecret, first, 1))).toBe(
      'STORAGE_NO_SUCH_SHARE',
    )
    expect(await refusal(resume(storageIndex, uploadSecret, filled(5, 3)))).toBe(
      'STORAGE_CONFLICTING_WRITE',
    )
    const resumed = await resume(storageIndex, uploadSecret, first)
    await resumed.writer.abort()
    expect(await refusal(resume(storageIndex, uploadSecret, first))).toBe('STORAGE_NO_SUCH_SHARE')
    expect((await current.server.getBuckets(storageIndex)).size).toBe(0)
  })
}

function testOpenEndedUploads(current: Current): void {
  const begin = async (size: number): Promise<[StorageIndex, RIBucketWriter]> => {
    const { storageIndex, request } = secretUpload(size)
    const allocated = must(await current.server.allocateOpenEnded?.(storageIndex, request))
    return [storageIndex, must(allocated.writers.get(0))]
  }

  it('grow, shrink, and are whole at their final size', async () => {
    const [storageIndex, writer] = await begin(10)
    await writer.write(0, [filled(10, 1)])
    expect(await refusal(writer.write(10, [filled(1, 1)]))).toBe('STORAGE_DATA_TOO_LARGE')
    expect((await current.server.getBuckets(storageIndex)).size).toBe(0)
    await writer.resize?.(100_000, { final: false })
    await writer.write(10, [filled(70_000, 2)])
    await writer.resize?.(70_020, { final: true })
    await writer.write(70_010, [filled(10, 3)])
    await writer.close()
    const bucket = await reader(current.server, storageIndex)
    const read = await bucket.read(0, 200_000)
    expect(read.length).toBe(70_020)
    expect([read[9], read[10], read[70_009], read[70_010]]).toEqual([1, 2, 2, 3])
    const again = { ...secretUpload(70_020).request, shareNumbers: new Set([0]) }
    expect((await current.server.allocateBuckets(storageIndex, again)).alreadyGot.has(0)).toBe(true)
  })

  it('do not shrink below what was written, nor after their size is final', async () => {
    const [, writer] = await begin(10)
    await writer.write(0, [filled(10, 1)])
    const resize = async (size: number, final: boolean): Promise<void> => {
      await writer.resize?.(size, { final })
    }
    expect(await refusal(resize(9, true))).toBe('STORAGE_BAD_RANGE')
    await resize(20, true)
    expect(await refusal(resize(30, false))).toBe('STORAGE_BAD_RANGE')
    expect(await refusal(writer.write(20, [filled(1, 1)]))).toBe('STORAGE_DATA_TOO_LARGE')
    await writer.write(10, [filled(10, 1)])
    await writer.close()
  })

  it('are dropped whole', async () => {
    const [storageIndex, writer] = await begin(10)
    await writer.write(0, [filled(10, 1)])
    await writer.resize?.(20, { final: false })
    await writer.abort()
    expect((await current.server.getBuckets(storageIndex)).size).toBe(0)
  })
}

function testWholeShares(current: Current, capabilities: StorageServerCapabilities): void {
  const store = async (
    upload: Upload,
    shares: ReadonlyMap<ShareNumber, readonly Uint8Array[]>,
    signal?: AbortSignal,
  ): Promise<StoreResult> => {
    const { storageIndex, ...lease } = upload
    const options = signal === undefined ? {} : { signal }
    const request = { ...lease, shares }
    return must(await current.server.storeShares?.(storageIndex, request, options))
  }
  const contents = async ({ storageIndex }: Upload): Promise<[number, number[]][]> => {
    const readers = [...(await current.server.getBuckets(storageIndex))]
    const reads = readers.map(async ([n, bucket]): Promise<[number, number[]]> => {
      return [n, [...(await bucket.read(0, 10_000_000))]]
    })
    return (await Promise.all(reads)).toSorted(([a], [b]) => a - b)
  }

  it('are there at once, each with all of its pieces', async () => {
    const upload = newUpload()
    const pieces = [fresh(1), fresh(0), fresh(300), fresh(70_000)]
    const shares = new Map([
      [255, pieces],
      [0, [fresh(10)]],
      [24, []],
    ])
    const { alreadyGot, stored } = await store(upload, shares)
    expect([alreadyGot.size, [...stored].toSorted((a, b) => a - b)]).toEqual([0, [0, 24, 255]])
    const expected = [...shares].map(([n, each]) => [n, each.flatMap((piece) => [...piece])])
    expect(await contents(upload)).toEqual(expected.toSorted(([a], [b]) => Number(a) - Number(b)))
    const again = await allocate(current.server, upload, [0, 1], 10)
    expect([...again.alreadyGot].toSorted((a, b) => a - b)).toEqual([0, 24, 255])
    await must(again.writers.get(1)).abort()
  })

  it('are not stored beside any share of the file', async () => {
    const upload = await storeShare(current.server, text('before'))
    const shares = new Map([0, 7].map((n) => [n, [text('after')]]))
    const result = await store(upload, shares)
    expect(result).toEqual({ alreadyGot: new Set([0]), stored: new Set() })
    expect(await contents(upload)).toEqual([[0, [...text('before')]]])
  })

  it('leave out those that somebody uploads', async () => {
    const upload = newUpload()
    const writer = await allocateOne(current.server, upload, 3)
    const shares = new Map([0, 1].map((n) => [n, [text('abc')]]))
    expect((await store(upload, shares)).stored).toEqual(new Set([1]))
    await writer.write(0, [text('xyz')])
    await writer.close()
    expect(await contents(upload)).toEqual([
      [0, [...text('xyz')]],
      [1, [...text('abc')]],
    ])
  })

  it('are not stored where mutable shares stand', async () => {
    const upload = newUpload()
    await slot(current.server, upload.storageIndex, newSlotSecrets(), { 0: whole('mutable') })
    const shares = new Map([0, 1].map((n) => [n, [text('abc')]]))
    const result = await store(upload, shares)
    expect(result).toEqual({ alreadyGot: new Set(), stored: new Set() })
    const data = await current.server.slotReadv(upload.storageIndex, [], [{ offset: 0, size: 10 }])
    expect(plain(data)).toEqual(asPlain({ 0: ['mutable'] }))
  })

  it('are stored once when they come twice at the same time', async () => {
    const upload = newUpload()
    const results = await Promise.all(
      [text('first'), text('other')].map((data) => store(upload, new Map([[3, [data]]]))),
    )
    expect(results.map(({ stored }) => stored.size).toSorted((a, b) => a - b)).toEqual([0, 1])
    expect(results.map(({ alreadyGot }) => alreadyGot.size).toSorted((a, b) => a - b)).toEqual([
      0, 1,
    ])
    const winner = results[0]?.stored.size === 1 ? 'first' : 'other'
    expect(await contents(upload)).toEqual([[3, [...text(winner)]]])
  })

  it('may be as large as is said, and no larger', async () => {
    const upload = newUpload()
    const half = filled(STORE_SIZE_MAX / 2, 1)
    const tooMany = new Map([
      [1, [half, filled(1, 1)]],
      [2, [half]],
    ])
    expect(await refusal(store(upload, tooMany))).toBe('STORAGE_DATA_TOO_LARGE')
    expect((await current.server.getBuckets(upload.storageIndex)).size).toBe(0)
    const most = new Map([1, 2].map((n) => [n, [half]]))
    expect((await store(upload, most)).stored).toEqual(new Set([1, 2]))
    const readers = await current.server.getBuckets(upload.storageIndex)
    expect((await must(readers.get(2)).read(0, STORE_SIZE_MAX)).length).toBe(half.length)
  })

  it('may be none', async () => {
    const nothing = { alreadyGot: new Set(), stored: new Set() }
    expect(await store(newUpload(), new Map())).toEqual(nothing)
  })

  it('are refused with a secret or a number that is none', async () => {
    const upload = newUpload()
    const shares = new Map([[0, [text('abc')]]])
    const short = { ...upload, renewSecret: fresh(31) }
    expect(await refusal(store(short, shares))).toMatch(named)
    for (const n of [256, -1, 0.5]) {
      expect(await refusal(store(upload, new Map([[n, [text('abc')]]])))).toMatch(named)
    }
    expect((await current.server.getBuckets(upload.storageIndex)).size).toBe(0)
  })

  it('are not sent with a signal that has aborted', async () => {
    const upload = newUpload()
    const signal = AbortSignal.abort(new Error('too late'))
    await expect(store(upload, new Map([[0, [text('abc')]]]), signal)).rejects.toThrow('too late')
    expect((await current.server.getBuckets(upload.storageIndex)).size).toBe(0)
  })

  it.skipIf(!capabilities.control)(
    'have a lease, and renew that of a share that is there',
    async () => {
      const upload = newUpload()
      const shares = new Map([[0, [text('abc')]]])
      await store(upload, shares)
      const ends = async (): Promise<number[]> =>
        (await current.control.leases(upload.storageIndex)).map((lease) => lease.expiresAtSeconds)
      const [first, ...more] = await ends()
      expect(more).toEqual([])
      const inAMonth = Math.floor(current.control.nowSeconds()) + LEASE_DURATION_SECONDS
      expect(Math.abs(must(first) - inAMonth)).toBeLessThanOrEqual(10)
      await current.control.advance(100)
      await store(upload, shares)
      expect(await ends()).toEqual([must(first) + 100])
      await store({ ...newUpload(), storageIndex: upload.storageIndex }, shares)
      expect(await ends()).toEqual([must(first) + 100, must(first) + 100])
    },
  )

  it.skipIf(!capabilities.control)('take the place of uploads that were abandoned', async () => {
    const upload = newUpload()
    const writer = await allocateOne(current.server, upload, 3)
    await writer.write(0, [text('x')])
    const shares = new Map([[0, [text('abc')]]])
    expect((await store(upload, shares)).stored.size).toBe(0)
    await current.control.advance(31 * 60)
    expect((await store(upload, shares)).stored).toEqual(new Set([0]))
    expect(await refusal(writer.write(1, [text('yz')]))).toBe('STORAGE_UPLOAD_ENDED')
    expect(await contents(upload)).toEqual([[0, [...text('abc')]]])
  })
}

function testReadAhead(current: Current): void {
  const data = fresh(5000)
  const spans: readonly (readonly [number, number])[] = [
    [0, 0],
    [0, 100],
    [50, 50],
    [99, 2],
    [100, 1],
    [4000, 2000],
    [4999, 1],
    [5000, 10],
    [6000, 10],
    [0, 10_000],
  ]

  it.each([0, 1, 100, 4999, 5000, 5001, 10 ** 9, -1, 0.5, Number.NaN])(
    'gives the same as without, for %d bytes of it',
    async (readAhead) => {
      const upload = await storeShare(current.server, data)
      const bucket = must(
        (await current.server.getBuckets(upload.storageIndex, { readAhead })).get(0),
      )
      for (const [offset, size] of spans) {
        const read = await bucket.read(offset, size)
        expect([...read]).toEqual([...data.subarray(offset, offset + size)])
        // The bytes are the caller's.
        read.fill(0)
      }
      expect(await refusal(bucket.read(-1, 5))).toBe('STORAGE_BAD_RANGE')
    },
  )

  it('is of the right one of many shares', async () => {
    const upload = newUpload()
    const { writers } = await allocate(current.server, upload, [9, 3, 200], 3)
    for (const [n, writer] of writers) {
      await writer.write(0, [Uint8Array.of(n, n, n)])
      await writer.close()
    }
    const readers = await current.server.getBuckets(upload.storageIndex, { readAhead: 100 })
    expect([...readers.keys()].toSorted((a, b) => a - b)).toEqual([3, 9, 200])
    for (const [n, bucket] of readers) expect([...(await bucket.read(0, 10))]).toEqual([n, n, n])
  })

  it('is of nothing where there is no share, and many may be asked for at once', async () => {
    const { storageIndex } = await storeShare(current.server, data)
    const indexes = Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? storageIndex : fresh(16)))
    const found = await Promise.all(
      indexes.map((index) => current.server.getBuckets(index, { readAhead: 512 * 1024 })),
    )
    expect(found.map(({ size }) => size)).toEqual(indexes.map((_, i) => (i % 2 === 0 ? 1 : 0)))
    const last = await must(found.at(-2)?.get(0)).read(0, 10_000)
    expect([...last]).toEqual([...data])
  })
}

function testVersion(current: Current): void {
  it('says what the server can take', async () => {
    const version = await current.server.getVersion()
    expect(version.maximumImmutableShareSize).toBeGreaterThanOrEqual(0)
    expect(version.maximumMutableShareSize).toBeGreaterThan(0)
    expect(version.availableSpace).toBeGreaterThanOrEqual(0)
    expect(version.applicationVersion).toBeTypeOf('string')
  })

  it('promises the four behaviours on which clients rely', async () => {
    const version = await current.server.getVersion()
    expect(version.toleratesImmutableReadOverrun).toBe(true)
    expect(version.deleteMutableSharesWithZeroLengthWritev).toBe(true)
    expect(version.fillsHolesWithZeroBytes).toBe(true)
    expect(version.preventsReadPastEndOfShareData).toBe(true)
  })
}

function testUploads(current: Current, capabilities: StorageServerCapabilities): void {
  it('gives a writer for every share of a new file', async () => {
    const { alreadyGot, writers } = await allocate(
      current.server,
      newUpload(),
      [0, 1, 2, 3, 4],
      1024,
    )
    expect([...alreadyGot]).toEqual([])
    expect([...writers.keys()].toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4])
  })

  it('takes the first and the last share number', async () => {
    const { writers } = await allocate(current.server, newUpload(), [0, 255], 10)
    expect([...writers.keys()].toSorted((a, b) => a - b)).toEqual([0, 255])
  })

  it('asks for nothing and gets nothing', async () => {
    const { alreadyGot, writers } = await allocate(current.server, newUpload(), [], 10)
    expect([alreadyGot.size, writers.size]).toEqual([0, 0])
  })

  it('leaves shares in progress out of a repeated allocation', async () => {
    const upload = newUpload()
    const first = await allocate(current.server, upload, [0, 1, 2, 3], 1024)
    const second = await allocate(current.server, upload, [0, 1, 2, 3, 4], 1024)
    expect([...second.alreadyGot]).toEqual([...first.alreadyGot])
    expect([...second.writers.keys()]).toEqual([4])
  })

  it('counts shares that are whole as there, and no others', async () => {
    const upload = newUpload()
    const { writers } = await allocate(current.server, upload, [0, 1, 2, 3, 4], 1024)
    await must(writers.get(1)).write(0, [filled(1024, 1)])
    await must(writers.get(1)).close()
    await must(writers.get(2)).write(0, [filled(512, 1)])
    await must(writers.get(2)).write(512, [filled(512, 2)])
    await must(writers.get(2)).close()
    await must(writers.get(0)).write(0, [filled(512, 1)])
    const again = await allocate(current.server, upload, [0, 1, 2, 3, 4], 1024)
    expect([...again.alreadyGot].toSorted((a, b) => a - b)).toEqual([1, 2])
    expect([...again.writers.keys()]).toEqual([])
  })

  it('reports shares that are there though nobody asked about them', async () => {
    const upload = await storeShare(current.server, text('0123456789'))
    const { alreadyGot, writers } = await allocate(current.server, upload, [7], 10)
    expect([...alreadyGot]).toEqual([0])
    expect([...writers.keys()]).toEqual([7])
  })

  it('takes writes in any order', async () => {
    const upload = newUpload()
    const { writers } = await allocate(current.server, upload, [1, 2], 1024)
    await must(writers.get(1)).write(0, [filled(512, 1)])
    await must(writers.get(1)).write(512, [filled(512, 2)])
    await must(writers.get(1)).close()
    await must(writers.get(2)).write(512, [filled(512, 4)])
    await must(writers.get(2)).write(0, [filled(512, 3)])
    await must(writers.get(2)).close()
    const buckets = await current.server.getBuckets(upload.storageIndex)
    expect([...buckets.keys()].toSorted((a, b) => a - b)).toEqual([1, 2])
    const one = await must(buckets.get(1)).read(0, 1024)
    expect([...one]).toEqual([...filled(512, 1), ...filled(512, 2)])
    const two = await must(buckets.get(2)).read(0, 1024)
    expect([...two]).toEqual([...filled(512, 3), ...filled(512, 4)])
  })

  it('joins the pieces of one write', async () => {
    const upload = newUpload()
    const writer = await allocateOne(current.server, upload, 9)
    const pieces = [text('abc'), text(''), text('d'), text('efghi')]
    const before = pieces.map((piece) => [...piece])
    await writer.write(0, pieces)
    await writer.close()
    expect(pieces.map((piece) => [...piece])).toEqual(before)
    const bucket = await reader(current.server, upload.storageIndex)
    expect([...(await bucket.read(0, 9))]).toEqual([...text('abcdefghi')])
  })

  it('takes many shares at once', async () => {
    const upload = newUpload()
    const numbers = Array.from({ length: 10 }, (_, i) => i)
    const { writers } = await allocate(current.server, upload, numbers, 3000)
    await Promise.all(
      numbers.map(async (n) => {
        const writer = must(writers.get(n))
        for (let offset = 0; offset < 3000; offset += 1000)
          await writer.write(offset, [filled(1000, n + offset / 1000)])
        await writer.close()
      }),
    )
    const buckets = await current.server.getBuckets(upload.storageIndex)
    expect(buckets.size).toBe(10)
    for (const n of numbers) {
      const data = await must(buckets.get(n)).read(0, 3000)
      expect([data.length, data[0], data[1500], data[2999]]).toEqual([3000, n, n + 1, n + 2])
    }
  })

  it('refuses other bytes over written ones', async () => {
    const writer = await allocateOne(current.server, newUpload(), 30)
    await writer.write(0, [filled(25, 1)])
    const code = capabilities.namesConflicts ? 'STORAGE_CONFLICTING_WRITE' : named
    expect(await refusal(writer.write(20, [filled(10, 2)]))).toMatch(code)
  })

  it('goes on after a refused write', async () => {
    const upload = newUpload()
    const writer = await allocateOne(current.server, upload, 30)
    await writer.write(0, [filled(25, 1)])
    expect(await refusal(writer.write(20, [filled(10, 2)]))).toMatch(named)
    await writer.write(20, [filled(5, 1), filled(5, 3)])
    await writer.close()
    const bucket = await reader(current.server, upload.storageIndex)
    expect([...(await bucket.read(0, 30))]).toEqual([...filled(25, 1), ...filled(5, 3)])
  })

  it('takes the same bytes twice', async () => {
    const upload = newUpload()
    const writer = await allocateOne(current.server, upload, 25)
    await writer.write(0, [filled(10, 1)])
    await writer.write(5, [filled(20, 1)])
    await writer.close()
    const bucket = await reader(current.server, upload.storageIndex)
    expect([...(await bucket.read(0, 25))]).toEqual([...filled(25, 1)])
  })

  it('refuses a write past the allocated size', async () => {
    const writer = await allocateOne(current.server, newUpload(), 10)
    expect(await refusal(writer.write(5, [filled(6, 1)]))).toMatch(named)
  })

  it('does not show a share before it is closed', async () => {
    const upload = newUpload()
    const { writers } = await allocate(current.server, upload, [0, 1, 2, 3, 4], 10)
    await must(writers.get(1)).write(0, [filled(10, 1)])
    await must(writers.get(1)).close()
    await must(writers.get(2)).write(0, [filled(5, 1)])
    const buckets = await current.server.getBuckets(upload.storageIndex)
    expect([...buckets.keys()]).toEqual([1])
  })

  it('does not close a share that is not whole', async () => {
    const upload = newUpload()
    const writer = await allocateOne(current.server, upload, 10)
    await writer.write(0, [filled(9, 1)])
    expect(await refusal(writer.close())).toMatch(named)
    expect((await current.server.getBuckets(upload.storageIndex)).size).toBe(0)
  })

  it('forgets an aborted upload altogether', async () => {
    const upload = newUpload()
    const writer = await allocateOne(current.server, upload, 1024)
    await writer.write(0, [filled(1023, 1)])
    await writer.abort()
    expect((await current.server.getBuckets(upload.storageIndex)).size).toBe(0)
    const again = await allocateOne(current.server, upload, 1024)
    await again.write(0, [filled(1024, 2)])
    await again.close()
    const bucket = await reader(current.server, upload.storageIndex)
    expect([...(await bucket.read(0, 4))]).toEqual([2, 2, 2, 2])
  })

  it('lets an upload be aborted twice', async () => {
    const writer = await allocateOne(current.server, newUpload(), 10)
    await writer.abort()
    await writer.abort()
    expect(await refusal(writer.write(0, [filled(1, 1)]))).toMatch(named)
  })

  it('keeps files apart', async () => {
    const one = await storeShare(current.server, text('one'))
    const two = await storeShare(current.server, text('two!'))
    const bucketOne = await reader(current.server, one.storageIndex)
    const bucketTwo = await reader(current.server, two.storageIndex)
    expect([...(await bucketOne.read(0, 9))]).toEqual([...text('one')])
    expect([...(await bucketTwo.read(0, 9))]).toEqual([...text('two!')])
  })
}

function testReads(current: Current): void {
  it('knows no shares of an unknown file', async () => {
    expect((await current.server.getBuckets(fresh(16))).size).toBe(0)
  })

  const length = 256 * 17
  it.each([
    ['a part', 0, 250],
    ['all', 0, length],
    ['a part from the middle', 100, 1024],
    ['from past the end', length + 1, 100],
    ['from the very end', length, 1],
    ['over the end', length - 100, 200],
    ['nothing', 10, 0],
  ])('reads %s', async (_, start, size) => {
    const data = fresh(length)
    const { storageIndex } = await storeShare(current.server, data)
    const bucket = await reader(current.server, storageIndex)
    const read = await bucket.read(start, size)
    expect([...read]).toEqual([...data.subarray(start, start + size)])
  })

  it('gives the bytes away', async () => {
    const { storageIndex } = await storeShare(current.server, text('0123456789'))
    const bucket = await reader(current.server, storageIndex)
    const first = await bucket.read(0, 10)
    first.fill(0)
    expect([...(await bucket.read(0, 10))]).toEqual([...text('0123456789')])
  })

  it('reads many spans at once', async () => {
    const data = fresh(5000)
    const { storageIndex } = await storeShare(current.server, data)
    const bucket = await reader(current.server, storageIndex)
    const offsets = Array.from({ length: 20 }, (_, i) => i * 250)
    const parts = await Promise.all(offsets.map((offset) => bucket.read(offset, 250)))
    expect(parts.flatMap((part) => [...part])).toEqual([...data])
  })
}

function testSlots(current: Current, capabilities: StorageServerCapabilities): void {
  const all = { offset: 0, size: 7 }
  const spans = [all, { offset: 2, size: 3 }, { offset: 6, size: 8 }, { offset: 100, size: 10 }]
  let storageIndex: StorageIndex
  let secrets: SlotSecrets
  const run = (
    vectors: Record<number, TestWriteVectors>,
    reads: readonly ReadVector[] = [],
    with_: SlotSecrets = secrets,
  ): Promise<ReadTestWriteResult> => slot(current.server, storageIndex, with_, vectors, reads)
  const readAll = async (): Promise<[number, number[][]][]> =>
    plain(await current.server.slotReadv(storageIndex, [], [{ offset: 0, size: 1000 }]))
  beforeEach(() => {
    storageIndex = fresh(16)
    secrets = newSlotSecrets()
  })

  it('reads back what was written', async () => {
    const two = [
      { offset: 0, data: text('0123') },
      { offset: 4, data: text('456') },
    ]
    const written = await run({ 0: whole('abcdefg'), 1: { test: [], write: two, newLength: 7 } })
    expect(written.success).toBe(true)
    expect(written.data.size).toBe(0)
    const { success, data } = await run({}, spans)
    expect(success).toBe(true)
    const expected = { 0: ['abcdefg', 'cde', 'g', ''], 1: ['0123456', '234', '6', ''] }
    expect(plain(data)).toEqual(asPlain(expected))
  })

  it('reads before it writes', async () => {
    await run({ 0: whole('abcdefg') })
    const { success, data } = await run({ 0: whole('XXXXXXX') }, [all])
    expect(success).toBe(true)
    expect(plain(data)).toEqual(asPlain({ 0: ['abcdefg'] }))
    expect(await readAll()).toEqual(asPlain({ 0: ['XXXXXXX'] }))
  })

  it('reads shares that the call does not write', async () => {
    await run({ 0: whole('abc'), 1: whole('def') })
    const { data } = await run({ 0: whole('xyz') }, [all])
    expect(plain(data)).toEqual(asPlain({ 0: ['abc'], 1: ['def'] }))
  })

  it('writes only when every test holds', async () => {
    await run({ 0: whole('1111111') })
    const good = [
      { offset: 0, size: 3, specimen: text('111') },
      { offset: 3, size: 4, specimen: text('1111') },
    ]
    expect((await run({ 0: { ...whole('2222222'), test: good } })).success).toBe(true)
    expect(await readAll()).toEqual(asPlain({ 0: ['2222222'] }))
    const bad = [{ offset: 0, size: 7, specimen: text('1111111') }]
    const { success, data } = await run({ 0: { ...whole('3333333'), test: bad } }, [all])
    expect(success).toBe(false)
    expect(plain(data)).toEqual(asPlain({ 0: ['2222222'] }))
    expect(await readAll()).toEqual(asPlain({ 0: ['2222222'] }))
  })

  it('writes no share when the test of another fails', async () => {
    await run({ 0: whole('aaa'), 1: whole('bbb') })
    const bad = [{ offset: 0, size: 3, specimen: text('xxx') }]
    const vectors = { 0: whole('AAA'), 1: { ...whole('BBB'), test: bad }, 2: whole('CCC') }
    expect((await run(vectors)).success).toBe(false)
    expect(await readAll()).toEqual(asPlain({ 0: ['aaa'], 1: ['bbb'] }))
  })

  it.each([
    ['whole', 0, 3, 'abc', true],
    ['a longer specimen', 0, 3, 'abcd', false],
    ['a shorter specimen', 0, 3, 'ab', false],
    ['past the end, as much as is there', 0, 10, 'abc', true],
    ['past the end, more than is there', 0, 10, 'abc\0', false],
    ['from past the end', 5, 2, '', true],
    ['from past the end, not empty', 5, 2, 'ab', false],
    ['nothing', 1, 0, '', true],
    ['nothing against something', 1, 0, 'a', false],
    ['the middle', 1, 1, 'b', true],
  ])('tests a share that is there: %s', async (_, offset, size, specimen, holds) => {
    await run({ 0: whole('abc') })
    const test = [{ offset, size, specimen: text(specimen) }]
    expect((await run({ 0: { ...whole('xyz'), test } })).success).toBe(holds)
    expect(await readAll()).toEqual(asPlain({ 0: [holds ? 'xyz' : 'abc'] }))
  })

  it.each([
    ['empty', 0, 10, '', true],
    ['empty at an offset', 9, 1, '', true],
    ['not empty', 0, 1, 'a', false],
  ])('tests a share that is not there: %s', async (_, offset, size, specimen, holds) => {
    const test = [{ offset, size, specimen: text(specimen) }]
    expect((await run({ 0: { ...whole('xyz'), test } })).success).toBe(holds)
    expect(await readAll()).toEqual(holds ? asPlain({ 0: ['xyz'] }) : [])
  })

  it('tests and reads past the end of the data', async () => {
    const empty = [{ offset: 0, size: 10, specimen: text('') }]
    expect((await run({ 0: { ...whole('1111111'), test: empty } })).success).toBe(true)
    const seven = [{ offset: 0, size: 10, specimen: text('1111111') }]
    expect((await run({ 0: { ...whole('12345'), test: seven } })).success).toBe(true)
    const reads = [
      { offset: 0, size: 100 },
      { offset: 2, size: 50 },
    ]
    expect(plain((await run({}, reads)).data)).toEqual(asPlain({ 0: ['12345', '345'] }))
  })

  it('refuses another write enabler', async () => {
    await run({ 0: whole('1111111') })
    const other = { ...secrets, writeEnabler: fresh(32) }
    const code = capabilities.namesBadWriteEnabler ? 'STORAGE_BAD_WRITE_ENABLER' : named
    expect(await refusal(run({ 0: whole('2222222') }, [], other))).toMatch(code)
    expect(await refusal(run({ 1: whole('2222222') }, [], other))).toMatch(code)
    expect(await refusal(run({ 0: { test: [], write: [], newLength: 0 } }, [], other))).toMatch(
      code,
    )
    expect(await readAll()).toEqual(asPlain({ 0: ['1111111'] }))
  })

  it('deletes a share with a new length of zero', async () => {
    await run({ 0: whole('1111111'), 1: whole('kept') })
    const vectors = { ...whole('1111111'), newLength: 0 }
    expect((await run({ 0: vectors })).success).toBe(true)
    expect(plain((await run({}, [all])).data)).toEqual(asPlain({ 1: ['kept'] }))
    await run({ 1: { test: [], write: [], newLength: 0 } })
    expect(await readAll()).toEqual([])
  })

  it('deletes a share that is not there', async () => {
    expect((await run({ 3: { test: [], write: [], newLength: 0 } })).success).toBe(true)
    expect(await readAll()).toEqual([])
  })

  it('lets another write enabler in once the slot is gone', async () => {
    await run({ 0: whole('old') })
    await run({ 0: { test: [], write: [], newLength: 0 } })
    secrets = newSlotSecrets()
    expect((await run({ 0: whole('new') })).success).toBe(true)
    expect(await readAll()).toEqual(asPlain({ 0: ['new'] }))
  })

  it('fills holes with zeros', async () => {
    await run({ 0: { test: [], write: [{ offset: 5, data: text('x') }] } })
    expect(await readAll()).toEqual(asPlain({ 0: ['\0\0\0\0\0x'] }))
  })

  it('fills with zeros what was cut off before', async () => {
    await run({ 0: whole('abcdefghij') })
    await run({ 0: { test: [], write: [], newLength: 3 } })
    expect(await readAll()).toEqual(asPlain({ 0: ['abc'] }))
    await run({ 0: { test: [], write: [{ offset: 6, data: text('x') }] } })
    expect(await readAll()).toEqual(asPlain({ 0: ['abc\0\0\0x'] }))
  })

  it('truncates and never extends by a new length', async () => {
    await run({ 0: whole('abcdef') })
    await run({ 0: { test: [], write: [], newLength: 100 } })
    expect(await readAll()).toEqual(asPlain({ 0: ['abcdef'] }))
    await run({ 0: { test: [], write: [{ offset: 0, data: text('X') }], newLength: 2 } })
    expect(await readAll()).toEqual(asPlain({ 0: ['Xb'] }))
  })

  it('applies overlapping writes in their order', async () => {
    const write = [
      { offset: 0, data: text('aaaaaa') },
      { offset: 2, data: text('bb') },
      { offset: 3, data: text('cccc') },
    ]
    await run({ 0: { test: [], write } })
    expect(await readAll()).toEqual(asPlain({ 0: ['aabcccc'] }))
  })

  it('writes over the middle of a share', async () => {
    await run({ 0: whole('abcdefg') })
    await run({ 0: { test: [], write: [{ offset: 2, data: text('XY') }] } })
    expect(await readAll()).toEqual(asPlain({ 0: ['abXYefg'] }))
  })

  it('reads the shares that are asked for, or all', async () => {
    await run({ 0: whole('abcdefg'), 1: whole('0123456'), 2: whole('XYZW') })
    const some = await current.server.slotReadv(storageIndex, [0, 1], spans)
    const expected = { 0: ['abcdefg', 'cde', 'g', ''], 1: ['0123456', '234', '6', ''] }
    expect(plain(some)).toEqual(asPlain(expected))
    const every = await current.server.slotReadv(storageIndex, [], [all])
    expect(plain(every)).toEqual(asPlain({ 0: ['abcdefg'], 1: ['0123456'], 2: ['XYZW'] }))
    const other = await current.server.slotReadv(storageIndex, [2, 9], [all])
    expect(plain(other)).toEqual(asPlain({ 2: ['XYZW'] }))
  })

  it('reads nothing of an unknown slot', async () => {
    expect((await current.server.slotReadv(fresh(16), [], [all])).size).toBe(0)
  })

  it('keeps slots apart from immutable files', async () => {
    await run({ 0: whole('abc') })
    expect((await current.server.slotReadv(storageIndex, [0], [all])).size).toBe(1)
    const file = await storeShare(current.server, text('def'))
    expect((await current.server.getBuckets(file.storageIndex)).size).toBe(1)
  })

  it('lets one of many racing writers win', async () => {
    await run({ 0: whole('start') })
    const test = [{ offset: 0, size: 5, specimen: text('start') }]
    const racers = ['aaaaa', 'bbbbb', 'ccccc', 'ddddd', 'eeeee']
    const outcomes = await Promise.all(racers.map((data) => run({ 0: { ...whole(data), test } })))
    const winners = racers.filter((_, i) => outcomes[i]?.success)
    expect(winners.length).toBe(1)
    expect(await readAll()).toEqual(asPlain({ 0: winners }))
  })

  it('does not change its arguments', async () => {
    const data = text('abc')
    const specimen = text('')
    const test = [{ offset: 0, size: 1, specimen }]
    const before = { ...secrets, writeEnabler: secrets.writeEnabler.slice() }
    await run({ 0: { test, write: [{ offset: 0, data }] } })
    expect([[...data], [...specimen]]).toEqual([[...text('abc')], []])
    expect([...secrets.writeEnabler]).toEqual([...before.writeEnabler])
  })
}

/** What a slot should be, written the plain way. */
class SlotModel {
  readonly shares = new Map<ShareNumber, Uint8Array>()

  apply(vectors: ReadonlyMap<ShareNumber, TestWriteVectors>): boolean {
    const span = (n: number, offset: number, size: number): string =>
      [...(this.shares.get(n) ?? [])].slice(offset, offset + size).join()
    for (const [n, { test }] of vectors)
      for (const { offset, size, specimen } of test)
        if (span(n, offset, size) !== [...specimen].join()) return false
    for (const [n, { write, newLength }] of vectors) {
      if (newLength === 0) {
        this.shares.delete(n)
        continue
      }
      let bytes = [...(this.shares.get(n) ?? [])]
      for (const { offset, data } of write) {
        while (bytes.length < offset) bytes.push(0)
        bytes.splice(offset, data.length, ...data)
      }
      if (newLength !== undefined) bytes = bytes.slice(0, newLength)
      this.shares.set(n, Uint8Array.from(bytes))
    }
    return true
  }
}

function testSlotModel(current: Current): void {
  const bytes = fc.uint8Array({ maxLength: 40 })
  const offset = fc.nat({ max: 120 })
  const vectors = fc.record({
    // Mostly tests of nothing at all, so that most writes go through.
    test: fc.array(
      fc.record({
        offset,
        size: fc.nat({ max: 3 }),
        specimen: fc.oneof({ weight: 4, arbitrary: fc.constant(new Uint8Array()) }, bytes),
      }),
      { maxLength: 1 },
    ),
    write: fc.array(fc.record({ offset, data: bytes }), { maxLength: 3 }),
    newLength: fc.option(fc.oneof(fc.constant(0), fc.nat({ max: 150 })), { nil: undefined }),
  })
  const step = fc.uniqueArray(fc.tuple(fc.nat({ max: 2 }), vectors), {
    selector: ([n]) => n,
    maxLength: 3,
  })

  it('agrees with a plain model', async () => {
    const property = fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 8 }),
      async (steps) => {
        const storageIndex = fresh(16)
        const secrets = newSlotSecrets()
        const model = new SlotModel()
        for (const entries of steps) {
          const before = new Map([...model.shares].map(([n, data]) => [n, [data]]))
          const changes = new Map(entries)
          const reads = [{ offset: 0, size: 1000 }]
          const outcome = await current.server.slotTestvAndReadvAndWritev(
            storageIndex,
            secrets,
            changes,
            reads,
          )
          expect(outcome.success).toBe(model.apply(changes))
          expect(plain(outcome.data)).toEqual(plain(before))
          const after = await current.server.slotReadv(storageIndex, [], reads)
          expect(plain(after)).toEqual(plain(new Map([...model.shares].map(([n, d]) => [n, [d]]))))
        }
      },
    )
    await fc.assert(property, { seed, numRuns: 40 })
  })
}

function testAdvisories(current: Current): void {
  const slotWithShare = async (): Promise<StorageIndex> => {
    const storageIndex = fresh(16)
    await slot(current.server, storageIndex, newSlotSecrets(), { 0: whole('abcdefg') })
    return storageIndex
  }

  it('takes one about an immutable share, from its reader', async () => {
    const { storageIndex } = await storeShare(current.server, text('0123456789'))
    const bucket = await reader(current.server, storageIndex)
    expect(await bucket.adviseCorruptShare('a hash does not match')).toBeUndefined()
  })

  it('takes one about an immutable share', async () => {
    const { storageIndex } = await storeShare(current.server, text('0123456789'))
    const advised = current.server.adviseCorruptShare('immutable', storageIndex, 0, 'bad block')
    expect(await advised).toBeUndefined()
  })

  it('takes one about a mutable share', async () => {
    const storageIndex = await slotWithShare()
    const advised = current.server.adviseCorruptShare('mutable', storageIndex, 0, 'bad: ünïcode\n2')
    expect(await advised).toBeUndefined()
  })

  it.each(['immutable', 'mutable'] as const)(
    'ignores one about an unknown %s share',
    async (kind) => {
      const { storageIndex } = await storeShare(current.server, text('0123456789'))
      const known = kind === 'immutable' ? storageIndex : await slotWithShare()
      await current.server.adviseCorruptShare(kind, known, 200, 'bad')
      expect(await current.server.adviseCorruptShare(kind, fresh(16), 0, 'bad')).toBeUndefined()
    },
  )
}

function testArguments(current: Current, capabilities: StorageServerCapabilities): void {
  const { checksSlotArguments = true } = capabilities
  const why = checksSlotArguments ? '' : ' (skipped: this server takes them)'
  it.each([
    ['a storage index of 15 bytes', { storageIndex: new Uint8Array(15) }],
    ['a storage index of 17 bytes', { storageIndex: new Uint8Array(17) }],
    ['a renew secret of 31 bytes', { renewSecret: new Uint8Array(31) }],
    ['a cancel secret of 33 bytes', { cancelSecret: new Uint8Array(33) }],
  ])('refuses to allocate with %s', async (_, change) => {
    expect(await refusal(allocate(current.server, { ...newUpload(), ...change }, [0], 10))).toMatch(
      named,
    )
  })

  it.each([-1, 256, 0.5])('refuses to allocate share %s', async (n) => {
    expect(await refusal(allocate(current.server, newUpload(), [n], 10))).toMatch(named)
  })

  it.each([-1, 0.5, 2 ** 53])('refuses to allocate %s bytes', async (size) => {
    expect(await refusal(allocate(current.server, newUpload(), [0], size))).toMatch(named)
  })

  it.skipIf(!checksSlotArguments)(`refuses secrets of the wrong size on a slot${why}`, async () => {
    const storageIndex = fresh(16)
    const secrets = newSlotSecrets()
    for (const field of ['writeEnabler', 'renewSecret', 'cancelSecret'] as const) {
      const bad = { ...secrets, [field]: new Uint8Array(31) }
      expect(await refusal(slot(current.server, storageIndex, bad, { 0: whole('abc') }))).toMatch(
        named,
      )
    }
    expect((await current.server.slotReadv(storageIndex, [], [])).size).toBe(0)
  })

  it.skipIf(!checksSlotArguments)(`refuses a share number of 256 on a slot${why}`, async () => {
    expect(
      await refusal(slot(current.server, fresh(16), newSlotSecrets(), { 256: whole('abc') })),
    ).toMatch(named)
  })

  it.each([
    ['a negative offset', { offset: -1, size: 1 }],
    ['a negative size', { offset: 0, size: -1 }],
    ['half an offset', { offset: 0.5, size: 1 }],
  ])('refuses to read %s of a slot', async (_, vector) => {
    const storageIndex = fresh(16)
    await slot(current.server, storageIndex, newSlotSecrets(), { 0: whole('abc') })
    expect(await refusal(current.server.slotReadv(storageIndex, [], [vector]))).toMatch(named)
  })

  it('rejects with the reason of a signal that has fired', async () => {
    const reason = new Error('enough')
    const signal = AbortSignal.abort(reason)
    const { server } = current
    const storageIndex = fresh(16)
    const { shareNumbers, ...secrets } = { ...newSlotSecrets(), shareNumbers: new Set([0]) }
    const calls = [
      server.getVersion({ signal }),
      server.allocateBuckets(
        storageIndex,
        { ...secrets, shareNumbers, allocatedSize: 1 },
        { signal },
      ),
      server.addLease(storageIndex, secrets, { signal }),
      server.cancelLease(storageIndex, 0, secrets.cancelSecret, { signal }),
      server.getBuckets(storageIndex, { signal }),
      server.slotReadv(storageIndex, [], [], { signal }),
      server.slotTestvAndReadvAndWritev(storageIndex, secrets, new Map(), [], { signal }),
      server.adviseCorruptShare('mutable', storageIndex, 0, 'bad', { signal }),
    ]
    for (const call of calls) expect(await failure(call)).toBe(reason)
    const { alreadyGot, writers } = await server.allocateBuckets(storageIndex, {
      ...secrets,
      shareNumbers,
      allocatedSize: 1,
    })
    expect([alreadyGot.size, writers.size]).toEqual([0, 1])
  })
}

function testLeases(current: Current): void {
  const expiries = async (storageIndex: StorageIndex): Promise<number[]> =>
    (await current.control.leases(storageIndex)).map((lease) => lease.expiresAtSeconds)
  const inAMonth = (): number => Math.floor(current.control.nowSeconds()) + LEASE_DURATION_SECONDS
  const newSlot = async (): Promise<{ storageIndex: StorageIndex; secrets: SlotSecrets }> => {
    const storageIndex = fresh(16)
    const secrets = newSlotSecrets()
    await slot(current.server, storageIndex, secrets, { 0: whole('abcdefg') })
    return { storageIndex, secrets }
  }

  it('come with a new immutable share and last 31 days', async () => {
    const { storageIndex } = await storeShare(current.server, text('0123456789'))
    const [expiry, ...more] = await expiries(storageIndex)
    expect(more).toEqual([])
    expect(Math.abs(must(expiry) - inAMonth())).toBeLessThanOrEqual(10)
  })

  it('are not made for shares that are not there', async () => {
    const storageIndex = fresh(16)
    await current.server.addLease(storageIndex, newSlotSecrets())
    expect(await expiries(storageIndex)).toEqual([])
  })

  it('are renewed on an immutable share by the same secret', async () => {
    const upload = await storeShare(current.server, text('0123456789'))
    const [before] = await expiries(upload.storageIndex)
    await current.control.advance(178)
    await current.server.addLease(upload.storageIndex, upload)
    expect(await expiries(upload.storageIndex)).toEqual([must(before) + 178])
  })

  it('are added to an immutable share by another secret', async () => {
    const { storageIndex } = await storeShare(current.server, text('0123456789'))
    const [before] = await expiries(storageIndex)
    await current.control.advance(167)
    await current.server.addLease(storageIndex, newSlotSecrets())
    expect(await expiries(storageIndex)).toEqual([must(before), must(before) + 167])
    const bucket = await reader(current.server, storageIndex)
    expect([...(await bucket.read(0, 100))]).toEqual([...text('0123456789')])
  })

  it('are renewed on shares that an upload finds there', async () => {
    const upload = await storeShare(current.server, text('0123456789'))
    const [before] = await expiries(upload.storageIndex)
    await current.control.advance(5)
    await allocate(current.server, upload, [0], 10)
    expect(await expiries(upload.storageIndex)).toEqual([must(before) + 5])
    const other = { ...newUpload(), storageIndex: upload.storageIndex }
    await allocate(current.server, other, [0], 10)
    expect(await expiries(upload.storageIndex)).toEqual([must(before) + 5, must(before) + 5])
  })

  it('come with a new mutable share and last 31 days', async () => {
    const { storageIndex } = await newSlot()
    const [expiry, ...more] = await expiries(storageIndex)
    expect(more).toEqual([])
    expect(Math.abs(must(expiry) - inAMonth())).toBeLessThanOrEqual(10)
  })

  it('are renewed by a write with the same secret', async () => {
    const { storageIndex, secrets } = await newSlot()
    const [before] = await expiries(storageIndex)
    await current.control.advance(17)
    await slot(current.server, storageIndex, secrets, { 0: whole('1234567') })
    expect(await expiries(storageIndex)).toEqual([must(before) + 17])
  })

  it('are added by a write with another secret', async () => {
    const { storageIndex, secrets } = await newSlot()
    const [before] = await expiries(storageIndex)
    await current.control.advance(19)
    const other = { ...newSlotSecrets(), writeEnabler: secrets.writeEnabler }
    await slot(current.server, storageIndex, other, { 0: whole('1234567') })
    expect(await expiries(storageIndex)).toEqual([must(before), must(before) + 19])
  })

  it('stay as they are when a test fails', async () => {
    const { storageIndex, secrets } = await newSlot()
    const before = await expiries(storageIndex)
    await current.control.advance(19)
    const test = [{ offset: 0, size: 1, specimen: text('x') }]
    await slot(current.server, storageIndex, secrets, { 0: { ...whole('1234567'), test } })
    expect(await expiries(storageIndex)).toEqual(before)
  })

  it('are renewed on a mutable share by the same secret', async () => {
    const { storageIndex, secrets } = await newSlot()
    const [before] = await expiries(storageIndex)
    await current.control.advance(178)
    await current.server.addLease(storageIndex, secrets)
    expect(await expiries(storageIndex)).toEqual([must(before) + 178])
  })

  it('are added to a mutable share by other secrets, more than fit its header', async () => {
    const { storageIndex, secrets } = await newSlot()
    const expected = await expiries(storageIndex)
    for (let i = 0; i < 6; i += 1) {
      await current.control.advance(167)
      await current.server.addLease(storageIndex, newSlotSecrets())
      expected.push(must(expected[0]) + 167 * (i + 1))
    }
    expect(await expiries(storageIndex)).toEqual(expected)
    await slot(current.server, storageIndex, secrets, { 0: whole('a longer text than before') })
    expected[0] = must(expected[0]) + 167 * 6
    expect(await expiries(storageIndex)).toEqual(expected)
    const read = await current.server.slotReadv(storageIndex, [], [{ offset: 0, size: 100 }])
    expect(plain(read)).toEqual(asPlain({ 0: ['a longer text than before'] }))
  })

  it('are added to many files at once', async () => {
    const uploads: Upload[] = []
    for (let i = 0; i < 20; i += 1) uploads.push(await storeShare(current.server, text('0123')))
    await current.control.advance(7)
    await Promise.all(uploads.map((one) => current.server.addLease(one.storageIndex, newUpload())))
    for (const { storageIndex } of uploads) {
      const [first = 0, second] = await expiries(storageIndex)
      expect(second).toBe(first + 7)
    }
  })

  it('of one secret can be cancelled, and of no other', async () => {
    const { storageIndex, secrets } = await newSlot()
    const other = newSlotSecrets()
    await current.control.advance(9)
    await current.server.addLease(storageIndex, other)
    const [, later] = await expiries(storageIndex)
    await current.server.cancelLease(storageIndex, 0, fresh(32))
    expect(await expiries(storageIndex)).toHaveLength(2)
    await current.server.cancelLease(storageIndex, 0, secrets.cancelSecret)
    expect(await expiries(storageIndex)).toEqual([later])
  })

  it('let idle uploads give way after half an hour without a write', async () => {
    const upload = newUpload()
    const writer = await allocateOne(current.server, upload, 10)
    await current.control.advance(29 * 60)
    await writer.write(0, [filled(5, 1)])
    await current.control.advance(29 * 60)
    await writer.write(5, [filled(4, 1)])
    await current.control.advance(31 * 60)
    const again = await allocateOne(current.server, upload, 10)
    expect(await refusal(writer.write(9, [filled(1, 1)]))).toMatch(named)
    expect((await current.server.getBuckets(upload.storageIndex)).size).toBe(0)
    await again.abort()
  })
}

function testDisconnection(current: Current): void {
  it('aborts the uploads of the connection', async () => {
    const upload = newUpload()
    const writer = await allocateOne(current.server, upload, 1024)
    await writer.write(0, [filled(1023, 1)])
    const server = await current.reconnect()
    const again = await allocateOne(server, upload, 1024)
    await again.write(0, [filled(1024, 2)])
    await again.close()
    const bucket = await reader(server, upload.storageIndex)
    expect([...(await bucket.read(0, 1))]).toEqual([2])
  })
}

function testManyAtOnce(current: Current): void {
  const all = { offset: 0, size: 1000 }

  it('have an answer each', async () => {
    const { server } = current
    const names = ['a', 'bc', 'def', 'ghij', 'klmno']
    const files = await Promise.all(
      names.map(async (name) => {
        const upload = await storeShare(server, text(name))
        const secrets = newSlotSecrets()
        const slotIndex = fresh(16)
        await slot(server, slotIndex, secrets, { 0: whole(name), 7: whole(`${name}!`) })
        return { name, upload, secrets, slotIndex }
      }),
    )
    const answers = await Promise.all(
      files.map(async ({ upload, secrets, slotIndex }) => {
        const [buckets, absent, some, every, asWriter] = await Promise.all([
          server.getBuckets(upload.storageIndex),
          server.getBuckets(fresh(16)),
          server.slotReadv(slotIndex, [7, 9], [all, { offset: 1, size: 1 }]),
          server.slotReadv(slotIndex, [], [all]),
          server.slotTestvAndReadvAndWritev(slotIndex, secrets, new Map(), [all]),
          server.addLease(upload.storageIndex, upload),
          server.addLease(fresh(16), upload),
        ])
        const bucket = must(buckets.get(0))
        const reads = await Promise.all([bucket.read(0, 9), bucket.read(1, 9), bucket.read(99, 9)])
        const told = { some: plain(some), every: plain(every), asWriter: plain(asWriter.data) }
        return { ...told, success: asWriter.success, absent: absent.size, reads: reads.map(String) }
      }),
    )
    for (const [i, { name }] of files.entries()) {
      const both = asPlain({ 0: [name], 7: [`${name}!`] })
      expect(answers[i]).toEqual({
        some: asPlain({ 7: [`${name}!`, `${name}!`.slice(1, 2)] }),
        every: both,
        asWriter: both,
        success: true,
        absent: 0,
        reads: [text(name), text(name.slice(1)), text('')].map(String),
      })
    }
  })

  it('fail each by itself', async () => {
    const { server } = current
    const { storageIndex } = await storeShare(server, text('0123456789'))
    const bucket = await reader(server, storageIndex)
    const reason = new Error('enough')
    const outcomes = await Promise.allSettled([
      bucket.read(0, 3),
      bucket.read(-1, 3),
      bucket.read(0, 3, { signal: AbortSignal.abort(reason) }),
      server.getBuckets(storageIndex),
      bucket.read(7, 9),
    ])
    const [one, bad, aborted, listed, last] = outcomes
    expect(one).toMatchObject({ status: 'fulfilled' })
    expect(bad).toMatchObject({ status: 'rejected', reason: { code: 'STORAGE_BAD_RANGE' } })
    expect(aborted).toEqual({ status: 'rejected', reason })
    expect(listed).toMatchObject({ status: 'fulfilled' })
    expect(last).toMatchObject({ status: 'fulfilled' })
  })

  it('may have more to say than fits a message', async () => {
    const data = fresh(64 * 1024)
    const { storageIndex } = await storeShare(current.server, data)
    const bucket = await reader(current.server, storageIndex)
    const offsets = Array.from({ length: 150 }, (_, i) => i)
    const reads = await Promise.all(offsets.map((offset) => bucket.read(offset, 64 * 1024)))
    for (const [i, read] of reads.entries()) {
      expect([read.length, read[0], read.at(-1)]).toEqual([data.length - i, data[i], data.at(-1)])
    }
  })

  it('see what was written before they were issued', async () => {
    const { server } = current
    const slots = Array.from({ length: 4 }, () => ({
      storageIndex: fresh(16),
      secrets: newSlotSecrets(),
      data: '',
    }))
    const write = fc.tuple(
      fc.nat({ max: 3 }),
      fc.string({ minLength: 1, maxLength: 9, unit: 'grapheme-ascii' }),
    )
    const property = fc.asyncProperty(
      fc.array(write, { minLength: 1, maxLength: 4 }),
      async (writes) => {
        const changed = new Map(writes)
        const settled = [...changed].map(async ([n, data]) => {
          const one = must(slots[n])
          await slot(server, one.storageIndex, one.secrets, { 0: whole(data) })
          one.data = data
          // Others are being written still.
          const read = await server.slotReadv(one.storageIndex, [], [all])
          expect(plain(read)).toEqual(asPlain({ 0: [data] }))
        })
        await Promise.all(settled)
        const reads = await Promise.all(
          slots.flatMap(({ storageIndex, secrets }) => [
            server.slotReadv(storageIndex, [], [all]),
            server.slotReadv(storageIndex, [0], [all]),
            server
              .slotTestvAndReadvAndWritev(storageIndex, secrets, new Map(), [all])
              .then(({ data }) => data),
          ]),
        )
        const expected = slots.flatMap(({ data }) => {
          const stands = data === '' ? [] : asPlain({ 0: [data] })
          return [stands, stands, stands]
        })
        expect(reads.map((read) => plain(read))).toEqual(expected)
      },
    )
    await fc.assert(property, { seed, numRuns: 25 })
  })

  it('find shares that were closed before they were issued', async () => {
    const upload = newUpload()
    const { writers } = await allocate(current.server, upload, [0, 1, 2, 3], 3)
    const seen = [...writers].map(async ([n, writer]) => {
      await writer.write(0, [text('abc')])
      await writer.close()
      const buckets = await current.server.getBuckets(upload.storageIndex)
      expect([...(await must(buckets.get(n)).read(0, 9))]).toEqual([...text('abc')])
    })
    await Promise.all(seen)
  })
}

function testCancelledLeases(current: Current): void {
  const shareNumbers = async (storageIndex: StorageIndex): Promise<ShareNumber[]> => {
    const buckets = await current.server.getBuckets(storageIndex)
    const slots = await current.server.slotReadv(storageIndex, [], [])
    return [...buckets.keys(), ...slots.keys()].toSorted((a, b) => a - b)
  }
  const kinds: [string, () => Promise<Upload>][] = [
    ['immutable', () => storeShare(current.server, text('0123456789'))],
    [
      'mutable',
      async () => {
        const upload = { storageIndex: fresh(16), ...newSlotSecrets() }
        await slot(current.server, upload.storageIndex, upload, { 0: whole('abcdefg') })
        return upload
      },
    ],
  ]

  it.each(kinds)('let go of an %s share with the last of them', async (_, store) => {
    const { storageIndex, cancelSecret } = await store()
    expect(await current.server.cancelLease(storageIndex, 0, cancelSecret)).toBeUndefined()
    expect(await shareNumbers(storageIndex)).toEqual([])
  })

  it.each(kinds)('leave an %s share alone that has another lease', async (_, store) => {
    const { storageIndex, cancelSecret } = await store()
    const other = newUpload()
    await current.server.addLease(storageIndex, other)
    await current.server.cancelLease(storageIndex, 0, cancelSecret)
    // Safe to ask again.
    await current.server.cancelLease(storageIndex, 0, cancelSecret)
    expect(await shareNumbers(storageIndex)).toEqual([0])
    await current.server.cancelLease(storageIndex, 0, other.cancelSecret)
    expect(await shareNumbers(storageIndex)).toEqual([])
  })

  it.each(kinds)('of another secret do no harm to an %s share', async (_, store) => {
    const { storageIndex, renewSecret, cancelSecret } = await store()
    await current.server.cancelLease(storageIndex, 0, fresh(32))
    await current.server.cancelLease(storageIndex, 0, renewSecret)
    await current.server.cancelLease(storageIndex, 1, cancelSecret)
    await current.server.cancelLease(fresh(16), 0, cancelSecret)
    expect(await shareNumbers(storageIndex)).toEqual([0])
  })

  it('concern one share of a file', async () => {
    const storageIndex = fresh(16)
    const secrets = newSlotSecrets()
    await slot(current.server, storageIndex, secrets, { 0: whole('abc'), 1: whole('def') })
    await current.server.cancelLease(storageIndex, 0, secrets.cancelSecret)
    expect(await shareNumbers(storageIndex)).toEqual([1])
  })

  it('make room for the share to come back', async () => {
    const upload = await storeShare(current.server, text('0123456789'))
    await current.server.cancelLease(upload.storageIndex, 0, upload.cancelSecret)
    const writer = await allocateOne(current.server, upload, 3)
    await writer.write(0, [text('abc')])
    await writer.close()
    const bucket = await reader(current.server, upload.storageIndex)
    expect([...(await bucket.read(0, 9))]).toEqual([...text('abc')])
  })

  it('of many files go at once', async () => {
    const uploads: Upload[] = []
    for (let i = 0; i < 20; i += 1) uploads.push(await storeShare(current.server, text('0123')))
    await Promise.all(
      uploads.map((one) => current.server.cancelLease(one.storageIndex, 0, one.cancelSecret)),
    )
    for (const { storageIndex } of uploads) expect(await shareNumbers(storageIndex)).toEqual([])
  })

  it.each([
    ['a storage index of 15 bytes', new Uint8Array(15), 0, new Uint8Array(32)],
    ['share 256', new Uint8Array(16), 256, new Uint8Array(32)],
    ['share -1', new Uint8Array(16), -1, new Uint8Array(32)],
    ['a cancel secret of 31 bytes', new Uint8Array(16), 0, new Uint8Array(31)],
  ] as const)('are refused for %s', async (_, storageIndex, shareNumber, secret) => {
    const cancelled = current.server.cancelLease(storageIndex, shareNumber, secret)
    expect(await refusal(cancelled)).toMatch(named)
  })
}

function testKeptLeases(current: Current): void {
  it('say so, and the share stays', async () => {
    const { storageIndex, cancelSecret } = await storeShare(current.server, text('0123456789'))
    for (let i = 0; i < 2; i += 1) {
      const cancelled = current.server.cancelLease(storageIndex, 0, cancelSecret)
      expect(await refusal(cancelled)).toBe('STORAGE_NOT_SUPPORTED')
    }
    expect((await current.server.getBuckets(storageIndex)).size).toBe(1)
  })
}
