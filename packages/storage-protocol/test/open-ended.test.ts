import { createMemoryStore } from '@lafs/share-store-memory'
import { createStorageServer } from '@lafs/storage-server'
import type { IStorageServer, RIStorageServer } from '@lafs/storage-interface'
import { describe, expect, it } from 'vitest'
import { createHttpStorageServer } from '../src/client/index.ts'
import { encodeCbor } from '../src/cbor.ts'
import { formatAuthorization, formatContentRange, formatSecret, routePath } from '../src/index.ts'
import type { RouteName, SecretKind } from '../src/index.ts'
import { createStorageHandler } from '../src/server/index.ts'
import type { StorageHandler, StorageResponse } from '../src/server/index.ts'
import { request, sendTo } from './support.ts'

const swissnum = 'swissnum'
const storageIndex = new Uint8Array(16).fill(5)
const secret = new Uint8Array(32).fill(6)
const uploadSecret = new Uint8Array(20).fill(8)
const leases = { renewSecret: secret, cancelSecret: secret }
const bytes = (size: number, value = 1): Uint8Array => new Uint8Array(size).fill(value)

interface Grid {
  readonly backend: RIStorageServer
  readonly handler: StorageHandler
  readonly server: IStorageServer
}

function create(backend: RIStorageServer = newServer()): Grid {
  const handler = createStorageHandler(backend, { swissnum })
  return { backend, handler, server: createHttpStorageServer(sendTo(handler), { swissnum }) }
}

function newServer(capacity?: number): RIStorageServer {
  return createStorageServer({
    store: createMemoryStore(capacity === undefined ? {} : { capacity }),
  })
}

const wanted = { ...leases, shareNumbers: new Set([0, 3]), allocatedSize: 100, uploadSecret }

async function begin(grid: Grid): ReturnType<Required<IStorageServer>['allocateOpenEnded']> {
  const allocating = grid.server.allocateOpenEnded?.(storageIndex, wanted)
  if (allocating === undefined) throw new Error('expected an operation')
  return allocating
}

describe('an open-ended upload', () => {
  it('changes its size, and is whole with the last byte after its size is final', async () => {
    const grid = create()
    const { writers } = await begin(grid)
    expect([...writers.keys()]).toEqual([0, 3])
    const writer = writers.get(3)
    await writer?.write(10, [bytes(90)])
    await expect(writer?.write(100, [bytes(1)])).rejects.toMatchObject({
      code: 'STORAGE_DATA_TOO_LARGE',
    })
    await writer?.resize?.(1000, { final: false })
    await writer?.write(100, [bytes(400, 2)])
    await expect(writer?.resize?.(499, { final: true })).rejects.toMatchObject({
      code: 'STORAGE_BAD_RANGE',
    })
    await writer?.resize?.(500, { final: true })
    await expect(writer?.resize?.(600, { final: false })).rejects.toMatchObject({
      code: 'STORAGE_BAD_RANGE',
    })
    expect(await grid.backend.listShares('immutable', storageIndex)).toEqual(new Set())
    await writer?.write(0, [bytes(10, 3)])
    await writer?.close()
    expect(await grid.backend.listShares('immutable', storageIndex)).toEqual(new Set([3]))
    const share = await grid.backend.openShare('immutable', storageIndex, 3)
    const expected = [...bytes(10, 3), ...bytes(90), ...bytes(400, 2)]
    expect(share.length).toBe(500)
    expect([...(await share.read(0, 1000))]).toEqual(expected)
  })

  it('is not whole before its size is final, though nothing is missing', async () => {
    const grid = create()
    const { writers } = await begin(grid)
    await writers.get(0)?.write(0, [bytes(100)])
    await writers.get(0)?.resize?.(100, { final: false })
    expect(await grid.backend.listShares('immutable', storageIndex)).toEqual(new Set())
    await writers.get(0)?.resize?.(100, { final: true })
    expect(await grid.backend.listShares('immutable', storageIndex)).toEqual(new Set([0]))
    await writers.get(0)?.close()
  })

  it('is refused room that is not there, and gives back what it had', async () => {
    const grid = create(newServer(1000))
    const { writers } = await begin(grid)
    const [first, second] = [writers.get(0), writers.get(3)]
    await first?.resize?.(500, { final: false })
    await expect(second?.resize?.(501, { final: false })).rejects.toMatchObject({
      code: 'STORAGE_NO_SPACE',
    })
    await second?.write(0, [bytes(100)])
    await first?.abort()
    await second?.resize?.(1000, { final: true })
    await second?.write(100, [bytes(900)])
    expect(await grid.backend.listShares('immutable', storageIndex)).toEqual(new Set([3]))
  })

  it('is not supported by a server without it', async () => {
    await expect(begin(create(bound(newServer())))).rejects.toMatchObject({
      code: 'STORAGE_NOT_SUPPORTED',
    })
    const plain = await create().server.allocateBuckets(storageIndex, wanted)
    await expect(plain.writers.get(0)?.resize?.(200, { final: false })).rejects.toMatchObject({
      code: 'STORAGE_BAD_RANGE',
    })
  })

  it.each([
    ['no map', 1, 400],
    ['no size', { final: true }, 400],
    ['no final', { size: 100 }, 400],
    ['a size that is no number', { size: 'x', final: true }, 400],
    ['a negative size', { size: -1, final: true }, 400],
    ['a final that is no boolean', { size: 100, final: 1 }, 400],
    ['another key', { size: 100, final: true, more: 1 }, 400],
    ['a size without room', { size: 2 ** 50, final: false }, 507],
    ['an endless size', { size: 2 ** 60, final: false }, 400],
  ])('answers a change of size with %s', async (_, message, status) => {
    const grid = create(newServer(1000))
    await begin(grid)
    const response = await resize(grid, encodeCbor(message))
    expect(response.status).toBe(status)
  })

  it('wants the secret of the upload', async () => {
    const grid = create()
    await begin(grid)
    const message = encodeCbor({ size: 50, final: true })
    expect((await resize(grid, message, bytes(20))).status).toBe(401)
    expect((await resize(grid, message, uploadSecret, 7)).status).toBe(404)
    expect((await resize(grid, message)).status).toBe(200)
  })
})

function resize(
  { handler }: Grid,
  body: Uint8Array,
  key: Uint8Array = uploadSecret,
  share = 0,
): Promise<StorageResponse> {
  return send(handler, 'resizeUpload', [['upload-secret', key]], share, body)
}

function send(
  handler: StorageHandler,
  route: RouteName,
  secrets: readonly [SecretKind, Uint8Array][],
  share: number,
  body: Uint8Array,
): Promise<StorageResponse> {
  const headers: [string, string][] = [
    ['authorization', formatAuthorization(swissnum)],
    ['content-range', formatContentRange({ begin: 0, end: body.length })],
    ...secrets.map(([kind, value]): [string, string] => [
      'x-tahoe-authorization',
      formatSecret(kind, value),
    ]),
  ]
  return handler(request('PUT', routePath(route, storageIndex, share), headers, body))
}

/** A server that takes no open-ended uploads. */
function bound(server: RIStorageServer): RIStorageServer {
  return {
    getVersion: () => server.getVersion(),
    allocateBuckets: (...call) => server.allocateBuckets(...call),
    addLease: (...call) => server.addLease(...call),
    cancelLease: (...call) => server.cancelLease(...call),
    listShares: (...call) => server.listShares(...call),
    openShare: (...call) => server.openShare(...call),
    slotReadv: (...call) => server.slotReadv(...call),
    slotTestvAndReadvAndWritev: (...call) => server.slotTestvAndReadvAndWritev(...call),
    adviseCorruptShare: (...call) => server.adviseCorruptShare(...call),
    close: () => server.close(),
  }
}

describe('an upload that is taken up again', () => {
  const request3 = { ...wanted, shareNumbers: new Set([3]) }
  const resumed = { uploadSecret, allocatedSize: 100, firstBytes: bytes(10, 3) }

  it('says what is missing, and goes on', async () => {
    const grid = create()
    const { writers } = await grid.server.allocateBuckets(storageIndex, request3)
    await writers.get(3)?.write(0, [bytes(10, 3)])
    await writers.get(3)?.write(40, [bytes(20)])
    const other = createHttpStorageServer(sendTo(grid.handler), { swissnum })
    const upload = await other.resumeUpload?.(storageIndex, 3, resumed)
    expect(upload?.missing).toEqual([
      { begin: 10, end: 40 },
      { begin: 60, end: 100 },
    ])
    await upload?.writer.write(10, [bytes(30)])
    await upload?.writer.write(60, [bytes(40)])
    await upload?.writer.close()
    expect(await grid.backend.listShares('immutable', storageIndex)).toEqual(new Set([3]))
  })

  it("is refused where it is not, is somebody else's, or begins otherwise", async () => {
    const { server } = create()
    const refusal = async (more: object, share = 3): Promise<void> => {
      await server.resumeUpload?.(storageIndex, share, { ...resumed, ...more })
    }
    await expect(refusal({})).rejects.toMatchObject({ code: 'STORAGE_NO_SUCH_SHARE' })
    const { writers } = await server.allocateBuckets(storageIndex, request3)
    await writers.get(3)?.write(0, [bytes(10, 3)])
    await expect(refusal({}, 4)).rejects.toMatchObject({ code: 'STORAGE_NO_SUCH_SHARE' })
    await expect(refusal({ uploadSecret: bytes(20) })).rejects.toMatchObject({
      code: 'STORAGE_UNAUTHORIZED',
    })
    await expect(refusal({ firstBytes: bytes(10, 4) })).rejects.toMatchObject({
      code: 'STORAGE_CONFLICTING_WRITE',
    })
    await writers.get(3)?.abort()
    await expect(refusal({})).rejects.toMatchObject({ code: 'STORAGE_NO_SUCH_SHARE' })
  })
})
