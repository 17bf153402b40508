import { createMemoryStore } from '@lafs/share-store-memory'
import { createStorageServer } from '@lafs/storage-server'
import { type RIStorageServer, StorageError, type StorageErrorCode } from '@lafs/storage-interface'
import { describe, expect, it } from 'vitest'
import { encodeCbor } from '../src/cbor.ts'
import {
  decodeAllocated,
  encodeAllocate,
  formatAuthorization,
  formatContentRange,
  formatSecret,
  type RouteName,
  routePath,
  routes,
  type SecretKind,
} from '../src/index.ts'
import { createStorageHandler, toWebResponse } from '../src/server/index.ts'
import { collect, request } from './support.ts'

const swissnum = 'swissnum'
const storageIndex = new Uint8Array(16).fill(5)
const secret = new Uint8Array(32).fill(6)

function headersFor(kinds: readonly SecretKind[]): [string, string][] {
  return [
    ['authorization', formatAuthorization(swissnum)],
    ...kinds.map((kind): [string, string] => ['x-tahoe-authorization', formatSecret(kind, secret)]),
  ]
}

const messageOf: Partial<Record<RouteName, Uint8Array>> = {
  allocate: encodeAllocate({ shareNumbers: new Set([0]), allocatedSize: 3 }),
  allocateOpenEnded: encodeAllocate({ shareNumbers: new Set([0]), allocatedSize: 3 }),
  resizeUpload: encodeCbor({ size: 3, final: false }),
  storeShares: encodeCbor(new Map([[0, new Uint8Array(3)]])),
  writeShare: new Uint8Array(3),
  corruptImmutable: encodeCbor({ reason: 'x' }),
  corruptMutable: encodeCbor({ reason: 'x' }),
  readTestWrite: encodeCbor({ 'test-write-vectors': new Map(), 'read-vector': [] }),
}

function call(name: RouteName, more: [string, string][] = [], body = messageOf[name]) {
  const route = routes[name]
  const headers = [...headersFor(route.secrets), ...more]
  if (name === 'writeShare') headers.push(['content-range', 'bytes 0-2/*'])
  return request(route.method, routePath(name, storageIndex, 0), headers, body)
}

/** A server with shares and an upload in every operation of which one thing happens. */
function failingServer(error: unknown): RIStorageServer {
  const fail = async (): Promise<never> => {
    throw error
  }
  return {
    getVersion: fail,
    allocateBuckets: fail,
    allocateOpenEnded: fail,
    storeShares: fail,
    addLease: fail,
    cancelLease: fail,
    listShares: fail,
    openShare: fail,
    slotReadv: fail,
    slotTestvAndReadvAndWritev: fail,
    adviseCorruptShare: fail,
    close: fail,
  }
}

const names = Object.keys(routes).filter((name): name is RouteName => name in routes)
/** Operations that answer what a server without uploads does; a batch has an answer for each of its own. */
const direct = names.filter((name) => name !== 'writeShare' && name !== 'batch')
/** Of those: they find no upload before they come to the server. */
const ofUploads: ReadonlySet<RouteName> = new Set(['abortUpload', 'resizeUpload'])

describe('every operation', () => {
  const handler = createStorageHandler(createStorageServer({ store: createMemoryStore() }), {
    swissnum,
  })

  it.each(names)('%s wants the swissnum', async (name) => {
    const { method, url, body } = call(name)
    for (const authorization of [
      undefined,
      formatAuthorization('other'),
      formatAuthorization(`${swissnum}x`),
      'Tahoe-LAFS',
      '',
    ]) {
      const headers: [string, string][] =
        authorization === undefined ? [] : [['authorization', authorization]]
      const response = await handler({ ...request(method, url, headers), body })
      expect(response.status).toBe(401)
    }
  })

  it.each(names)('%s wants its secrets and no others', async (name) => {
    const { method, secrets } = routes[name]
    const url = routePath(name, storageIndex, 0)
    const all: SecretKind[] = [
      'lease-renew-secret',
      'lease-cancel-secret',
      'upload-secret',
      'write-enabler',
    ]
    const others = [
      ...secrets.map((left) => secrets.filter((kind) => kind !== left)),
      all,
      [...secrets, 'write-enabler', 'upload-secret'] as SecretKind[],
    ]
    for (const kinds of others) {
      const response = await handler(request(method, url, headersFor(kinds), messageOf[name]))
      expect(response.status).toBe(400)
    }
  })

  it.each(names)('%s is not there under another method', async (name) => {
    const response = await handler(request('DELETE', routePath(name, storageIndex, 0)))
    expect(response.status).toBe(405)
    expect(response.headers['allow']).toContain(routes[name].method)
  })

  it.each([
    ['STORAGE_NO_SUCH_SHARE', 404],
    ['STORAGE_BAD_SECRET', 400],
    ['STORAGE_BAD_RANGE', 400],
    ['STORAGE_BAD_WRITE_ENABLER', 401],
    ['STORAGE_DATA_TOO_LARGE', 413],
    ['STORAGE_NOT_SUPPORTED', 501],
    ['STORAGE_NO_SPACE', 507],
    ['STORAGE_CLOSED', 503],
    ['STORAGE_BAD_SHARE', 500],
  ] as [StorageErrorCode, number][])('answers %s with %d', async (code, status) => {
    const faults: unknown[] = []
    const broken = createStorageHandler(failingServer(new StorageError(code, 'secret words')), {
      swissnum,
      onFault: (error) => faults.push(error),
    })
    for (const name of direct.filter((each) => !ofUploads.has(each))) {
      const response = await broken(call(name))
      expect(response.status).toBe(status)
      expect(new TextDecoder().decode(await collect(response))).not.toContain('secret')
    }
    expect(faults).toHaveLength(status === 500 ? 12 : 0)
  })

  it.each(names.filter((name) => routes[name].messageSizeMax > 0))(
    '%s refuses a message that is too large before it reads it',
    async (name) => {
      const server = createStorageServer({ store: createMemoryStore() })
      const { writers } = await server.allocateBuckets(storageIndex, {
        renewSecret: secret,
        cancelSecret: secret,
        shareNumbers: new Set([0]),
        allocatedSize: 1,
      })
      await writers.get(0)?.write(0, [new Uint8Array(1)])
      await writers.get(0)?.close()
      const mutable = { test: [], write: [{ offset: 0, data: secret }] }
      await server.slotTestvAndReadvAndWritev(
        new Uint8Array(16).fill(9),
        { renewSecret: secret, cancelSecret: secret, writeEnabler: secret },
        new Map([[0, mutable]]),
        [],
      )
      const path = routePath(
        name,
        name === 'corruptMutable' ? new Uint8Array(16).fill(9) : storageIndex,
        0,
      )
      const limit = routes[name].messageSizeMax
      let pulled = 0
      const body = (async function* () {
        for (;;) {
          pulled += 1
          yield new Uint8Array(16_384)
        }
      })()
      const own = createStorageHandler(server, { swissnum })
      const headers = headersFor(routes[name].secrets)
      const declared = await own({
        ...request(routes[name].method, path, [...headers, ['content-length', String(limit + 1)]]),
        body,
      })
      expect([declared.status, pulled]).toEqual([413, 0])
      if (limit > 100_000) return
      const endless = await own({ ...request(routes[name].method, path, headers), body })
      expect(endless.status).toBe(413)
      expect(pulled).toBeLessThan(4)
    },
  )
})

describe('uploads', () => {
  const up: [string, string][] = headersFor(['upload-secret'])

  async function begin(size: number) {
    const server = createStorageServer({ store: createMemoryStore() })
    const handler = createStorageHandler(server, { swissnum })
    const message = encodeAllocate({ shareNumbers: new Set([0]), allocatedSize: size })
    const allocated = await handler(call('allocate', [], message))
    expect(decodeAllocated(await collect(allocated)).allocated).toEqual(new Set([0]))
    const write = (offset: number, data: Uint8Array, pieceSize?: number) =>
      handler(
        request(
          'PATCH',
          routePath('writeShare', storageIndex, 0),
          [
            ...up,
            ['content-range', formatContentRange({ begin: offset, end: offset + data.length })],
          ],
          data,
          pieceSize,
        ),
      )
    return { server, handler, write }
  }

  it('takes a body of many windows and many pieces', async () => {
    const data = new Uint8Array(5_000_001).map((_, index) => (index * 7) % 251)
    const { handler, write } = await begin(data.length)
    expect((await write(0, data.subarray(0, 4_500_000), 16_384)).status).toBe(200)
    expect((await write(4_500_000, data.subarray(4_500_000), 1_000_003)).status).toBe(201)
    const read = await handler(call('readImmutable'))
    expect(read.headers['content-length']).toBe('5000001')
    const body = await collect(read)
    expect(body).toHaveLength(data.length)
    expect(body.every((byte, index) => byte === data[index])).toBe(true)
  })

  it.each([
    ['shorter', 2],
    ['longer', 4],
  ])('refuses a body that is %s than its range', async (_, size) => {
    const { handler, write } = await begin(3)
    for (const declared of [true, false]) {
      const { headers, ...rest } = request(
        'PATCH',
        routePath('writeShare', storageIndex, 0),
        [...up, ['content-range', 'bytes 0-2/*']],
        new Uint8Array(size),
      )
      const get = (name: string) =>
        name === 'content-length' && !declared ? null : headers.get(name)
      expect((await handler({ ...rest, headers: { get } })).status).toBe(400)
    }
    expect((await write(0, new Uint8Array(3))).status).toBe(201)
  })

  it('refuses what goes past the end', async () => {
    const { write } = await begin(3)
    expect((await write(1, new Uint8Array(3))).status).toBe(413)
  })

  it('commits once when the last writes come together', async () => {
    const { handler, write } = await begin(8)
    const answers = await Promise.all(
      [0, 1, 2, 3, 4, 5, 6, 7].map((at) => write(at, Uint8Array.of(at))),
    )
    expect(answers.filter(({ status }) => status === 201).length).toBeGreaterThanOrEqual(1)
    expect(answers.every(({ status }) => status === 200 || status === 201)).toBe(true)
    expect(await collect(await handler(call('readImmutable')))).toEqual(
      Uint8Array.of(0, 1, 2, 3, 4, 5, 6, 7),
    )
  })

  it('are gone when the server ends them', async () => {
    const { server, write } = await begin(3)
    await server.close()
    expect((await write(0, new Uint8Array(3))).status).toBe(404)
  })
})

describe('a body that is a stream', () => {
  /** A server with one share of 10 MB, whose reads are counted and fail from the second on. */
  function failing() {
    const seen = { reads: 0, closed: 0 }
    const server: RIStorageServer = {
      ...failingServer(new Error('unused')),
      openShare: async () => ({
        length: 10_000_000,
        read: async (_, length) => {
          seen.reads += 1
          if (seen.reads === 2) throw new StorageError('STORAGE_BAD_SHARE', 'the file was cut')
          return new Uint8Array(length)
        },
        close: async () => {
          seen.closed += 1
        },
      }),
    }
    return { seen, handler: createStorageHandler(server, { swissnum }) }
  }

  it('closes its reader when the share cannot be read on', async () => {
    const { seen, handler } = failing()
    await expect(collect(await handler(call('readImmutable')))).rejects.toThrow('the file was cut')
    expect(seen).toEqual({ reads: 2, closed: 1 })
  })

  it('is not read for a HEAD', async () => {
    const { seen, handler } = failing()
    const path = routePath('readImmutable', storageIndex, 0)
    const head = (...range: [string, string][]) =>
      handler(request('HEAD', path, [...headersFor([]), ...range]))
    const whole = await head()
    expect([whole.status, whole.headers['content-length'], whole.body]).toEqual([
      200,
      '10000000',
      null,
    ])
    const part = await head(['range', 'bytes=9999990-10000005'])
    expect([part.status, part.headers['content-length'], part.headers['content-range']]).toEqual([
      206,
      '10',
      'bytes 9999990-9999999/*',
    ])
    expect((await head(['range', 'bytes=10000000-10000005'])).status).toBe(204)
    expect(seen).toEqual({ reads: 0, closed: 3 })
  })

  it('closes its reader when it is given up, begun or not', async () => {
    for (const begun of [true, false]) {
      let closed = 0
      const server: RIStorageServer = {
        ...failingServer(new Error('unused')),
        openShare: async () => ({
          length: 10_000_000,
          read: async (_, length) => new Uint8Array(length),
          close: async () => {
            closed += 1
          },
        }),
      }
      const response = await createStorageHandler(server, { swissnum })(call('readImmutable'))
      if (response.body === null || response.body instanceof Uint8Array)
        throw new Error('expected a stream')
      if (begun) await response.body.next()
      expect(closed).toBe(0)
      await response.body.return?.()
      expect(closed).toBe(1)
    }
  })
})

it.each(['*', 'http://', 'http://[/storage/v1/version', 'example.com:443', ''])(
  'has nothing at %j',
  async (url) => {
    const faults: unknown[] = []
    const server = createStorageServer({ store: createMemoryStore() })
    const onFault = (error: unknown): void => void faults.push(error)
    const handler = createStorageHandler(server, { swissnum, onFault })
    expect((await handler(request('GET', url, headersFor([])))).status).toBe(404)
    expect(faults).toEqual([])
  },
)

it('serves a web Request with a web Response', async () => {
  const server = createStorageServer({ store: createMemoryStore() })
  const handler = createStorageHandler(server, { swissnum })
  const headers = { authorization: formatAuthorization(swissnum), accept: 'application/cbor' }
  const response = toWebResponse(
    await handler(new Request('https://x/storage/v1/version', { headers })),
  )
  expect(response.status).toBe(200)
  expect(response.headers.get('content-type')).toBe('application/cbor')
  expect((await response.arrayBuffer()).byteLength).toBe(
    Number(response.headers.get('content-length')),
  )
})
