import { createMemoryStore } from '@lafs/share-store-memory'
import { type IStorageServer, READ_AHEAD_MAX, StorageError } from '@lafs/storage-interface'
import { createStorageServer } from '@lafs/storage-server'
import { describe, expect, it } from 'vitest'
import { createHttpStorageServer, type SendRequest } from '../src/client/index.ts'
import { type BatchValue, decodeBatch, encodeBatch, encodeBatchAnswers } from '../src/index.ts'
import { createStorageHandler, type StorageHandler } from '../src/server/index.ts'
import { collect, request, sendTo } from './support.ts'

const swissnum = 'swissnum'
const storageIndex = new Uint8Array(16).fill(5)
const secret = new Uint8Array(32).fill(6)
const leases = { renewSecret: secret, cancelSecret: secret }
const data = Uint8Array.from({ length: 1000 }, (_, i) => i % 251)

async function serverWithShares(): Promise<StorageHandler> {
  const backend = createStorageServer({ store: createMemoryStore() })
  const shares = new Map([2, 4].map((n) => [n, [data]]))
  await backend.storeShares?.(storageIndex, { ...leases, shares })
  return createStorageHandler(backend, { swissnum })
}

/** A client that notes the requests that it makes. */
function client(send: SendRequest): { server: IStorageServer; requests: string[] } {
  const requests: string[] = []
  const server = createHttpStorageServer(
    async (outgoing) => {
      requests.push(`${outgoing.method} ${outgoing.path.replace(/[a-z2-7]{26}/, 'si')}`)
      return send(outgoing)
    },
    { swissnum },
  )
  return { server, requests }
}

/** A server whose batches know no `list-and-read`. */
function older(handler: StorageHandler): StorageHandler {
  return async (incoming) => {
    if (incoming.url !== '/lafs/v1/batch') return handler(incoming)
    const body = await collect({ body: incoming.body as AsyncIterableIterator<Uint8Array> })
    const isNew = decodeBatch(body).some(({ name }) => name === 'list-and-read')
    if (isNew) return { status: 400, headers: { 'content-length': '0' }, body: new Uint8Array() }
    return handler({
      ...request(incoming.method, incoming.url, [], body),
      headers: incoming.headers,
    })
  }
}

const BATCH = 'POST /lafs/v1/batch'
const LIST = 'GET /storage/v1/immutable/si/shares'

describe('reading ahead', () => {
  it('takes one request for a listing and the reads that it covers', async () => {
    const { server, requests } = client(sendTo(await serverWithShares()))
    const readers = await server.getBuckets(storageIndex, { readAhead: 2000 })
    expect(await readers.get(2)?.read(0, 100)).toEqual(data.subarray(0, 100))
    expect(await readers.get(2)?.read(900, 500)).toEqual(data.subarray(900))
    expect(await readers.get(2)?.read(5000, 500)).toEqual(new Uint8Array())
    expect(requests).toEqual([BATCH])
    expect(await readers.get(4)?.read(0, 1)).toEqual(data.subarray(0, 1))
    expect(requests).toHaveLength(2)
  })

  it('asks for what it does not cover', async () => {
    const { server, requests } = client(sendTo(await serverWithShares()))
    const readers = await server.getBuckets(storageIndex, { readAhead: 1000 })
    // That the share ends there is not known.
    expect(await readers.get(2)?.read(0, 1001)).toEqual(data)
    expect(await readers.get(2)?.read(0, 1000)).toEqual(data)
    expect(requests).toHaveLength(2)
  })

  it('does not answer with a signal that has aborted', async () => {
    const { server } = client(sendTo(await serverWithShares()))
    const readers = await server.getBuckets(storageIndex, { readAhead: 2000 })
    const signal = AbortSignal.abort(new Error('enough'))
    await expect(readers.get(2)?.read(0, 1, { signal })).rejects.toThrow('enough')
  })

  it('falls back to a listing alone, and keeps the batches of an older server', async () => {
    const { server, requests } = client(sendTo(older(await serverWithShares())))
    const ahead = { readAhead: 2000 }
    const first = await server.getBuckets(storageIndex, ahead)
    expect([...first.keys()]).toEqual([2, 4])
    expect(requests).toEqual([BATCH, LIST])
    requests.length = 0
    const all = await Promise.all([
      server.getBuckets(storageIndex, ahead),
      server.getBuckets(storageIndex, ahead),
      server.addLease(storageIndex, leases),
    ])
    expect(all[1].size).toBe(2)
    expect(requests).toEqual([BATCH])
    expect(await all[0].get(2)?.read(0, 9)).toEqual(data.subarray(0, 9))
  })

  it('falls back amid a batch of an older server', async () => {
    const { server, requests } = client(sendTo(older(await serverWithShares())))
    const [readers] = await Promise.all([
      server.getBuckets(storageIndex, { readAhead: 2000 }),
      server.addLease(storageIndex, leases),
    ])
    expect(readers.size).toBe(2)
    expect(requests).toEqual([BATCH, BATCH])
  })

  it('falls back to a listing alone on a server without batches', async () => {
    const send = sendTo(await serverWithShares())
    const upstream: SendRequest = (outgoing) =>
      send(outgoing.path.startsWith('/lafs') ? { ...outgoing, path: '/nowhere' } : outgoing)
    const { server, requests } = client(upstream)
    const ahead = { readAhead: 2000 }
    expect((await server.getBuckets(storageIndex, ahead)).size).toBe(2)
    expect((await server.getBuckets(storageIndex, ahead)).size).toBe(2)
    expect(requests).toEqual([BATCH, LIST, LIST])
  })

  it('lists a share that cannot be read', async () => {
    const backend = createStorageServer({ store: createMemoryStore() })
    await backend.storeShares?.(storageIndex, { ...leases, shares: new Map([[2, [data]]]) })
    const damaged = Object.assign(backend, {
      openShare: async () => {
        throw new StorageError('STORAGE_BAD_SHARE', 'rubbish')
      },
    })
    const faults: unknown[] = []
    const onFault = (error: unknown): number => faults.push(error)
    const { server } = client(sendTo(createStorageHandler(damaged, { swissnum, onFault })))
    const readers = await server.getBuckets(storageIndex, { readAhead: 10 })
    expect([...readers.keys()]).toEqual([2])
    await expect(readers.get(2)?.read(0, 5)).rejects.toMatchObject({ code: 'STORAGE_BAD_RESPONSE' })
    expect(faults).toHaveLength(2)
  })

  it('is asked for up to a limit, many times in few requests', async () => {
    const { server, requests } = client(sendTo(await serverWithShares()))
    const all = await Promise.all(
      Array.from({ length: 12 }, () => server.getBuckets(storageIndex, { readAhead: 10 ** 9 })),
    )
    for (const readers of all) expect(await readers.get(2)?.read(0, 2000)).toEqual(data)
    // Three of half a MiB each, and a little, are less than what one batch asks for.
    expect(requests).toEqual(Array.from({ length: 4 }, () => BATCH))
  })

  it.each<[string, unknown]>([
    ['a listing', new Set([0])],
    ['bytes', data],
    ['more bytes than were asked for', { shareNumbers: new Set([0]), data }],
    ['bytes of no share', { shareNumbers: new Set(), data: new Uint8Array(1) }],
    ['share 256', { shareNumbers: new Set([256]), data: undefined }],
    ['null', null],
  ])('does not take %s for an answer', async (_, value) => {
    const answer = encodeBatchAnswers([{ value: value as BatchValue }])
    const { server } = client(async () => ({
      status: 200,
      headers: { get: (name) => (name === 'content-type' ? 'application/cbor' : null) },
      body: answer,
    }))
    await expect(server.getBuckets(storageIndex, { readAhead: 999 })).rejects.toMatchObject({
      code: 'STORAGE_BAD_RESPONSE',
    })
  })

  it.each([0, READ_AHEAD_MAX + 1])('is refused by a server for %d bytes', async (size) => {
    const message = encodeBatch([{ name: 'list-and-read', storageIndex, size }])
    expect(() => decodeBatch(message)).toThrow('batch[0] size')
    const good = encodeBatch([{ name: 'list-and-read', storageIndex, size: READ_AHEAD_MAX }])
    expect(decodeBatch(good)).toHaveLength(1)
  })
})
