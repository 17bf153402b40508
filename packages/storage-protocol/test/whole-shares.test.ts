import { createMemoryStore } from '@lafs/share-store-memory'
import { type IStorageServer, STORE_SIZE_MAX } from '@lafs/storage-interface'
import { createStorageServer } from '@lafs/storage-server'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeCbor } from '../src/cbor.ts'
import { createHttpStorageServer, type SendRequest } from '../src/client/index.ts'
import {
  decodeStore,
  decodeStored,
  encodeStore,
  encodeStored,
  formatAuthorization,
  formatSecret,
  isMessageError,
  routePath,
  routes,
} from '../src/index.ts'
import { createStorageHandler } from '../src/server/index.ts'
import { collect, request, sendTo } from './support.ts'

const swissnum = 'swissnum'
const storageIndex = new Uint8Array(16).fill(5)
const secret = new Uint8Array(32).fill(6)
const leases = { renewSecret: secret, cancelSecret: secret }
const data = Uint8Array.of(1, 2, 3)

const joined = (pieces: readonly Uint8Array[]): Uint8Array =>
  Uint8Array.from(pieces.flatMap((piece) => [...piece]))

function store(server: IStorageServer, shares = new Map([[0, [data]]])) {
  const storing = server.storeShares?.(storageIndex, { ...leases, shares })
  if (storing === undefined) throw new Error('expected an operation')
  return storing
}

describe('shares of a request', () => {
  it('go out as they are, between heads, and come back as views of the body', () => {
    const arbitrary = fc.uniqueArray(
      fc.tuple(fc.nat({ max: 255 }), fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 4 })),
      { selector: ([n]) => n, maxLength: 40 },
    )
    fc.assert(
      fc.property(arbitrary, (entries) => {
        const shares = new Map(entries)
        const pieces = encodeStore(shares)
        for (const piece of entries.flatMap(([, each]) => each)) expect(pieces).toContain(piece)
        const body = joined(pieces)
        const whole = new Map(entries.map(([n, each]) => [n, joined(each)]))
        expect(body).toEqual(Uint8Array.from(encodeCbor(whole)))
        const decoded = decodeStore(body)
        expect(new Map([...decoded].map(([n, each]) => [n, joined(each)]))).toEqual(whole)
        for (const [view] of decoded.values()) expect(view?.buffer).toBe(body.buffer)
      }),
      { seed: 0x1af5, numRuns: 60 },
    )
  })

  it('have heads for any size', () => {
    for (const size of [23, 24, 255, 256, 65_535, 65_536, STORE_SIZE_MAX]) {
      const share = new Uint8Array(size)
      const [head, body] = encodeStore(new Map([[255, [share]]]))
      expect(body).toBe(share)
      const expected = encodeCbor(new Map([[255, share]]))
      expect(head).toEqual(Uint8Array.from(expected.subarray(0, expected.length - size)))
    }
  })

  const good = encodeCbor(new Map([[0, data]]))
  const bad: [string, Uint8Array][] = [
    ['nothing', new Uint8Array()],
    ['an array', encodeCbor([data])],
    ['bytes', encodeCbor(data)],
    ['null', encodeCbor(null)],
    ['a text for a number', encodeCbor({ 0: data })],
    ['share 256', encodeCbor(new Map([[256, data]]))],
    ['share -1', encodeCbor(new Map([[-1, data]]))],
    ['share 2^64 - 1', encodeCbor(new Map([[2n ** 64n - 1n, data]]))],
    ['a text for bytes', encodeCbor(new Map([[0, 'abc']]))],
    ['an array for bytes', encodeCbor(new Map([[0, [data]]]))],
    ['a share twice', Uint8Array.of(0xa2, 0, 0x41, 1, 0, 0x41, 1)],
    ['257 shares', encodeCbor(new Map(Array.from({ length: 257 }, (_, n) => [n, data])))],
    ['a map that goes on', Uint8Array.of(0xbf, 0, 0x41, 1, 0xff)],
    ['bytes that go on', Uint8Array.of(0xa1, 0, 0x5f, 0x41, 1, 0xff)],
    ['a tag', Uint8Array.of(0xd9, 1, 2, ...good)],
    ['2^64 - 1 bytes', Uint8Array.of(0xa1, 0, 0x5b, 255, 255, 255, 255, 255, 255, 255, 255)],
    ['2^64 - 1 shares', Uint8Array.of(0xbb, 255, 255, 255, 255, 255, 255, 255, 255)],
    ['a byte too many', Uint8Array.of(...good, 0)],
    ...Array.from({ length: good.length }, (_, n): [string, Uint8Array] => [
      `the first ${n} bytes`,
      good.subarray(0, n),
    ]),
  ]
  it.each(bad)('are refused: %s', async (_, body) => {
    let error: unknown
    try {
      decodeStore(body)
    } catch (reason) {
      error = reason
    }
    expect(isMessageError(error)).toBe(true)
    const server = createStorageServer({ store: createMemoryStore() })
    const handler = createStorageHandler(server, { swissnum })
    const headers: [string, string][] = [
      ['authorization', formatAuthorization(swissnum)],
      ['x-tahoe-authorization', formatSecret('lease-renew-secret', secret)],
      ['x-tahoe-authorization', formatSecret('lease-cancel-secret', secret)],
    ]
    const path = routePath('storeShares', storageIndex)
    const response = await handler(request(routes.storeShares.method, path, headers, body))
    expect(response.status).toBe(400)
    expect((await server.listShares('immutable', storageIndex)).size).toBe(0)
    expect((await collect(response)).length).toBeGreaterThan(0)
  })

  it('may be as large as the route takes', () => {
    const most = new Map(
      Array.from({ length: 256 }, (_, n) => [n, [new Uint8Array(STORE_SIZE_MAX / 256)]] as const),
    )
    const size = encodeStore(most).reduce((sum, { length }) => sum + length, 0)
    expect(size).toBeLessThanOrEqual(routes.storeShares.messageSizeMax)
  })
})

/** Answers the operation with a message, and everything else as a server that holds nothing. */
function answering(body: Uint8Array, status = 200): SendRequest {
  const handler = createStorageHandler(createStorageServer({ store: createMemoryStore() }), {
    swissnum,
  })
  const send = sendTo(handler)
  return async (outgoing) => {
    if (outgoing.path !== routePath('storeShares', storageIndex)) return send(outgoing)
    const headers = new Map([['content-type', 'application/cbor']])
    return {
      status,
      headers: { get: (name) => headers.get(name) ?? null },
      body,
    }
  }
}

describe('the answer', () => {
  it('goes through the encoder and back', () => {
    const sent = new Map([7, 9].map((n) => [n, [data]]))
    const some = { alreadyHave: new Set<number>(), stored: new Set([7]) }
    expect(decodeStored(encodeStored(some), sent)).toEqual(some)
    const none = { alreadyHave: new Set([3]), stored: new Set<number>() }
    expect(decodeStored(encodeStored(none), sent)).toEqual(none)
  })

  const good = { 'already-have': new Set(), stored: new Set([0]) }
  const bad: [string, unknown][] = [
    ['null', null],
    ['a set', new Set([0])],
    ['a key too few', { stored: new Set([0]) }],
    ['a key too many', { ...good, x: 1 }],
    ['an array of shares', { ...good, stored: [0] }],
    ['share 256', { ...good, 'already-have': new Set([256]) }],
    ['a share that was not sent', { ...good, stored: new Set([0, 1]) }],
    ['shares that were there, and some stored', { ...good, 'already-have': new Set([5]) }],
  ]
  it.each(bad)('is refused: %s', async (_, message) => {
    const server = createHttpStorageServer(answering(encodeCbor(message)), { swissnum })
    await expect(store(server)).rejects.toMatchObject({ code: 'STORAGE_BAD_RESPONSE' })
  })

  it.each([
    [200, 'STORAGE_BAD_RESPONSE'],
    [201, 'STORAGE_BAD_RESPONSE'],
    [401, 'STORAGE_UNAUTHORIZED'],
    [413, 'STORAGE_DATA_TOO_LARGE'],
    [500, 'STORAGE_BAD_RESPONSE'],
    [507, 'STORAGE_NO_SPACE'],
  ])('of status %d with no message is %s, and the server is asked again', async (status, code) => {
    const server = createHttpStorageServer(answering(new Uint8Array(), status), { swissnum })
    await expect(store(server)).rejects.toMatchObject({ code })
    expect('storeShares' in server).toBe(true)
  })

  it.each([404, 405, 501])(
    'of status %d is one of a server that cannot: it is not asked again',
    async (status) => {
      const server = createHttpStorageServer(answering(new Uint8Array(), status), { swissnum })
      const both = await Promise.allSettled([store(server), store(server)])
      for (const outcome of both) {
        expect(outcome).toMatchObject({ reason: { code: 'STORAGE_NOT_SUPPORTED', status } })
      }
      expect('storeShares' in server).toBe(false)
      expect((await server.getBuckets(storageIndex)).size).toBe(0)
    },
  )
})

it('shares that are too large together are not sent', async () => {
  const server = createHttpStorageServer(
    () => {
      throw new Error('expected no request')
    },
    { swissnum },
  )
  const shares = new Map([0, 1].map((n) => [n, [new Uint8Array(STORE_SIZE_MAX / 2 + n)]]))
  await expect(store(server, shares)).rejects.toMatchObject({ code: 'STORAGE_DATA_TOO_LARGE' })
})
