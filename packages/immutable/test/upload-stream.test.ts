import { loadCodec } from '@lafs/codec'
import type { IUploadable, IUploadStatus } from '@lafs/filesystem-interface'
import {
  createImmutableNode,
  encodeToShares,
  uploadableFromBytes,
  uploadableFromStream,
  uploadStream,
} from '@lafs/immutable'
import type { UploadStreamOptions } from '@lafs/immutable'
import { createMemoryStore } from '@lafs/share-store-memory'
import { StorageError } from '@lafs/storage-interface'
import type { IStorageServer, RIBucketWriter, RIStorageServer } from '@lafs/storage-interface'
import { createStorageServer } from '@lafs/storage-server'
import { breakingLine, brokerOf, serverOf, sharesOn } from '@lafs/testing'
import { memoryTransport } from '@lafs/transport-memory'
import { parseCapStrict } from '@lafs/uri'
import type { ChkCap } from '@lafs/uri'
import { beforeEach, describe, expect, it } from 'vitest'
import { noise, same } from './grid.ts'

const codec = await loadCodec()
const encoding = { requiredShares: 3, happyShares: 5, totalShares: 5, maxSegmentSize: 1000 }
/** What a segment is rounded up to. */
const segmentSize = 1002

interface Server {
  readonly backend: RIStorageServer
  readonly storage: IStorageServer
}

let servers: Server[] = []
let aside = 0
/** How many of those that were put aside are still kept. */
let kept = 0

async function createServer(room: { readonly capacity?: number } = {}): Promise<Server> {
  const transport = memoryTransport()
  const backend = createStorageServer({ store: createMemoryStore(room) })
  const { announcement } = await transport.serve(backend)
  return { backend, storage: (await transport.connect(announcement)).storageServer }
}

beforeEach(async () => {
  servers = await Promise.all(Array.from({ length: 5 }, () => createServer()))
  aside = 0
  kept = 0
})

/** As upstream's servers answer. */
function withoutOpenEnded(server: Server): Server {
  const allocateOpenEnded = (): Promise<never> =>
    Promise.reject(new StorageError('STORAGE_NOT_SUPPORTED', 'no such thing', { status: 404 }))
  return { ...server, storage: { ...server.storage, allocateOpenEnded } }
}

function options(more: Partial<UploadStreamOptions> = {}): UploadStreamOptions {
  return {
    broker: brokerOf(servers.map(({ storage }, index) => serverOf(storage, index))),
    codec,
    secrets: { leaseSecret: new Uint8Array(32), convergence: new Uint8Array(16) },
    encoding,
    putAside: async (stream, { signal }): Promise<IUploadable> => {
      aside += 1
      kept += 1
      const uploadable = await uploadableFromStream(stream, signal && { signal })
      const close = async (): Promise<void> => {
        kept -= 1
        await uploadable.close()
      }
      return { ...uploadable, close }
    },
    ...more,
  }
}

/** Gives the bytes in pieces of this size, each in memory that is used again. */
async function* pieces(data: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  const memory = new Uint8Array(size)
  for (let at = 0; at < data.length; at += size) {
    const piece = data.subarray(at, at + size)
    memory.set(piece)
    yield memory.subarray(0, piece.length)
    memory.fill(0)
  }
}

function chk(text: string): ChkCap {
  const cap = parseCapStrict(text)
  if (cap.kind !== 'chk') throw new Error(`expected a CHK cap, got ${cap.kind}`)
  return cap
}

async function stored(cap: ChkCap): Promise<Map<number, Uint8Array>> {
  const found = new Map<number, Uint8Array>()
  for (const { backend } of servers) {
    for (const [share, bytes] of await sharesOn({ backend }, cap.storageIndex)) {
      found.set(share, bytes)
    }
  }
  return found
}

/** Whether no server has anything under way, so that whatever was begun was dropped. */
async function leftNothing(): Promise<boolean> {
  await new Promise((resolve) => setTimeout(resolve, 5))
  const allocated = await Promise.all(
    servers.map(async ({ backend }) => {
      const stats = backend as RIStorageServer & { getStats(): Promise<Map<string, number>> }
      return (await stats.getStats()).get('storage_server.allocated')
    }),
  )
  return allocated.every((bytes) => bytes === 0)
}

describe('a stream of unknown size', () => {
  it.each([
    segmentSize + 1,
    2 * segmentSize,
    2 * segmentSize + 1,
    5 * segmentSize - 1,
    64 * segmentSize,
    100_000,
  ])('of %s bytes makes the shares of a file of that size', async (size) => {
    const data = noise(size)
    for (const pieceSize of [1, 999, 5000, size].filter((one) => one > 1 || size < 6000)) {
      const results = await uploadStream(pieces(data, pieceSize), options())
      expect(aside).toBe(0)
      expect(results).toMatchObject({ fileSize: size, pushedShares: 5, preexistingShares: 0 })
      const cap = chk(results.uri)
      expect(cap.size).toBe(size)
      const same5 = await encodeToShares(uploadableFromBytes(data, { encryptionKey: cap.key }), {
        codec,
        encoding,
        layoutVersion: 2,
      })
      expect(same5.cap.format()).toBe(results.uri)
      const shares = await stored(cap)
      expect(shares.size).toBe(5)
      for (const [share, bytes] of same5.shares) {
        expect(same(bytes, shares.get(share)), `share ${share} of ${size}`).toBe(true)
      }
      const { broker } = options()
      const read = await createImmutableNode(cap, { broker, codec }).downloadBestVersion()
      expect(same(read, data)).toBe(true)
    }
  })

  it.each([0, 1, 55, 56, segmentSize - 1, segmentSize])(
    'of %s bytes is an upload like any other',
    async (size) => {
      const data = noise(size)
      const results = await uploadStream(pieces(data, 100), options())
      expect(results.fileSize).toBe(size)
      expect(aside).toBe(0)
      const cap = parseCapStrict(results.uri)
      expect(cap.kind).toBe(size > 55 ? 'chk' : 'lit')
      if (cap.kind !== 'chk') return
      const { broker } = options()
      const read = await createImmutableNode(cap, { broker, codec }).downloadBestVersion()
      expect(same(read, data)).toBe(true)
      expect((await stored(cap)).get(0)?.[3]).toBe(1)
    },
  )

  it('has another key each time', async () => {
    const data = noise(5000)
    const first = await uploadStream(pieces(data, 500), options())
    const second = await uploadStream(pieces(data, 500), options())
    expect(chk(first.uri).key).not.toEqual(chk(second.uri).key)
  })

  it('grows on its servers', async () => {
    const data = noise(33 * 1024 * 1024 + 7)
    const wide = { requiredShares: 1, happyShares: 1, totalShares: 1, maxSegmentSize: 1024 * 1024 }
    const results = await uploadStream(pieces(data, 300_000), options({ encoding: wide }))
    const { broker } = options()
    const node = createImmutableNode(chk(results.uri), { broker, codec })
    let at = 0
    for await (const piece of node.read()) {
      expect(same(piece, data.subarray(at, at + piece.length))).toBe(true)
      at += piece.length
    }
    expect(at).toBe(data.length)
    expect(await leftNothing()).toBe(true)
  })

  it('is pulled no faster than servers take it', async () => {
    let pulled = 0
    const hold = new Promise<void>(() => {})
    servers = servers.map(({ backend, storage }) => ({
      backend,
      storage: {
        ...storage,
        allocateOpenEnded: async (...request) => {
          const result = await storage.allocateOpenEnded?.(...request)
          const held = (writer: RIBucketWriter): RIBucketWriter => ({
            write: () => hold,
            close: () => hold,
            abort: () => writer.abort(),
            resize: async () => {},
          })
          const writers = [...(result?.writers ?? [])].map(([n, one]) => [n, held(one)] as const)
          return { alreadyGot: new Set(), writers: new Map(writers) }
        },
      },
    }))
    async function* source(): AsyncGenerator<Uint8Array> {
      for (;;) {
        pulled += 64 * 1024
        yield noise(64 * 1024)
        await new Promise((resolve) => setTimeout(resolve))
      }
    }
    const controller = new AbortController()
    const wide = { ...encoding, maxSegmentSize: 256 * 1024 }
    const upload = uploadStream(source(), options({ encoding: wide, signal: controller.signal }))
    await new Promise((resolve) => setTimeout(resolve, 500))
    controller.abort(new Error('enough'))
    await expect(upload).rejects.toThrow('enough')
    // A batch of each share, and the segments on their way.
    expect(pulled).toBeLessThan(8 * 1024 * 1024)
    expect(await leftNothing()).toBe(true)
  })

  it('is dropped when its source fails, and when it is aborted', async () => {
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield* pieces(noise(20_000), 700)
      throw new Error('the source has failed')
    }
    const statuses: IUploadStatus[] = []
    const history = { addUpload: (status: IUploadStatus) => void statuses.push(status) }
    await expect(uploadStream(failing(), options({ history }))).rejects.toThrow('source has failed')
    expect(statuses).toMatchObject([{ status: 'Failed', active: false }])
    expect(await leftNothing()).toBe(true)

    let left = false
    const controller = new AbortController()
    async function* stalling(): AsyncGenerator<Uint8Array> {
      try {
        yield* pieces(noise(20_000), 700)
        controller.abort(new Error('no more'))
        yield noise(10_000)
      } finally {
        left = true
      }
    }
    const { signal } = controller
    await expect(uploadStream(stalling(), options({ signal }))).rejects.toThrow('no more')
    expect(await leftNothing()).toBe(true)
    expect(left).toBe(true)
  })

  it('goes on without servers that fail, as long as those that are left suffice', async () => {
    const data = noise(30_000)
    const happy4 = { ...encoding, happyShares: 4 }
    const [first, ...others] = servers
    if (first === undefined) throw new Error('there are servers')
    const line = breakingLine(5)
    servers = [{ ...first, storage: line.over(first.storage) }, ...others]
    const results = await uploadStream(pieces(data, 999), options({ encoding: happy4 }))
    expect(results.pushedShares).toBe(4)
    servers = [first, ...others]
    expect((await stored(chk(results.uri))).size).toBe(4)
    servers = servers.map((one) => ({ ...one, storage: breakingLine(5).over(one.storage) }))
    await expect(uploadStream(pieces(data, 999), options())).rejects.toMatchObject({
      code: 'UPLOAD_UNHAPPINESS',
    })
    expect(aside).toBe(0)
  })

  it('leaves servers out that cannot take it, and is put aside when others are too few', async () => {
    const data = noise(30_000)
    servers = [...servers.splice(0, 1).map(withoutOpenEnded), ...servers, await createServer()]
    const spread = await uploadStream(pieces(data, 999), options())
    expect(aside).toBe(0)
    expect(spread.servermap.size).toBe(5)
    expect(spread.servermap.has('v0-000')).toBe(false)

    servers = servers.slice(0, 5)
    const copied = await uploadStream(pieces(data, 999), options())
    expect([aside, kept]).toEqual([1, 0])
    expect(copied.servermap.size).toBe(5)
    const { broker } = options()
    const read = await createImmutableNode(chk(copied.uri), { broker, codec }).downloadBestVersion()
    expect(same(read, data)).toBe(true)
    const convergent = await uploadStream(pieces(data, 999), options())
    expect(convergent.uri).not.toBe(copied.uri)
    expect(await leftNothing()).toBe(true)
  })

  it('places every share though few servers take it', async () => {
    const data = noise(30_000)
    const [first, second, ...others] = servers
    const more = await Promise.all(Array.from({ length: 5 }, () => createServer()))
    servers = [...others, ...more].map(withoutOpenEnded)
    if (first !== undefined) servers.splice(2, 0, first)
    if (second !== undefined) servers.push(second)
    const two = { ...encoding, happyShares: 2 }
    const { uri, servermap, sharemap } = await uploadStream(
      pieces(data, 999),
      options({ encoding: two }),
    )
    expect(aside).toBe(0)
    expect(servermap.size).toBe(2)
    expect(sharemap.size).toBe(5)
    expect((await stored(chk(uri))).size).toBe(5)
    expect(await leftNothing()).toBe(true)
  })

  it('is not put aside when no server could take it either way', async () => {
    servers = servers.slice(0, 4)
    await expect(uploadStream(pieces(noise(5000), 999), options())).rejects.toMatchObject({
      code: 'UPLOAD_UNHAPPINESS',
    })
    expect(aside).toBe(0)
  })

  it('fails when its servers run out of room', async () => {
    const capacity = 20 * 1024 * 1024
    servers = await Promise.all(Array.from({ length: 2 }, () => createServer({ capacity })))
    const two = { requiredShares: 1, happyShares: 2, totalShares: 2, maxSegmentSize: 1024 * 1024 }
    const upload = uploadStream(
      pieces(noise(21 * 1024 * 1024), 1_000_000),
      options({ encoding: two }),
    )
    await expect(upload).rejects.toMatchObject({ code: 'UPLOAD_UNHAPPINESS' })
    expect(await leftNothing()).toBe(true)
  })
})
