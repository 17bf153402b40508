import { createMemoryStore } from '@lafs/share-store-memory'
import {
  type IStorageServer,
  type RIStorageServer,
  type SlotSecrets,
  StorageError,
} from '@lafs/storage-interface'
import { createStorageServer } from '@lafs/storage-server'
import fc from 'fast-check'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { encodeCbor } from '../src/cbor.ts'
import {
  createHttpStorageServer,
  type OutgoingRequest,
  type SendRequest,
} from '../src/client/index.ts'
import {
  BATCH_ANSWER_SIZE_MAX,
  type BatchAnswer,
  type BatchOperation,
  decodeBatch,
  decodeBatchAnswers,
  encodeBatch,
  encodeBatchAnswers,
  formatAuthorization,
} from '../src/index.ts'
import { createStorageHandler } from '../src/server/index.ts'
import { nextTurn } from '../src/turn.ts'
import { collect, request, sendTo } from './support.ts'

const swissnum = 'swissnum'
const PATH = '/lafs/v1/batch'
const index = (n: number): Uint8Array => new Uint8Array(16).fill(n)
const bytes = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value)
const secrets: SlotSecrets = {
  writeEnabler: bytes(32, 1),
  renewSecret: bytes(32, 2),
  cancelSecret: bytes(32, 3),
}
const all = { offset: 0, size: 1000 }

function newServer(): RIStorageServer {
  return createStorageServer({ store: createMemoryStore() })
}

async function storeShare(server: RIStorageServer, n: number, data: Uint8Array): Promise<void> {
  const wanted = { ...secrets, shareNumbers: new Set([n]), allocatedSize: data.length }
  const { writers } = await server.allocateBuckets(index(n), wanted)
  await writers.get(n)?.write(0, [data])
  await writers.get(n)?.close()
}

async function storeSlot(server: RIStorageServer, n: number, data: Uint8Array): Promise<void> {
  const change = { test: [], write: [{ offset: 0, data }] }
  const changes = new Map([0, 1].map((share) => [share, change]))
  await server.slotTestvAndReadvAndWritev(index(n), secrets, changes, [])
}

interface Line {
  readonly client: IStorageServer
  /** `GET /path` of every request, in order. */
  readonly requests: string[]
  readonly sent: OutgoingRequest[]
}

/** A client, and what it sends; `send` may be changed on the way. */
function lineTo(send: SendRequest, timeoutMs = 1000): Line {
  const requests: string[] = []
  const sent: OutgoingRequest[] = []
  const client = createHttpStorageServer(
    (outgoing) => {
      requests.push(`${outgoing.method} ${outgoing.path}`)
      sent.push(outgoing)
      return send(outgoing)
    },
    { swissnum, timeoutMs },
  )
  return { client, requests, sent }
}

const lineToServer = (server: RIStorageServer): Line =>
  lineTo(sendTo(createStorageHandler(server, { swissnum })))

/** Answers batches, and nothing else, with this status and body. */
function answering(status: number, body: Uint8Array, type = 'application/cbor'): SendRequest {
  const headers = { get: (name: string) => (name === 'content-type' ? type : null) }
  return async ({ path }) => ({
    status: path === PATH ? status : 500,
    headers,
    body,
  })
}

async function bodyOf({ body }: OutgoingRequest): Promise<Uint8Array> {
  return collect({
    body: body === undefined ? null : Uint8Array.from([...body].flatMap((p) => [...p])),
  })
}

/** Settles when what is ready, and what that makes ready, has had its turn. */
const turns = async (): Promise<void> => {
  for (let n = 0; n < 2; n++) await nextTurn()
}
const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => new Error('expected a rejection'),
    (reason: unknown) => reason,
  )

afterEach(() => {
  vi.useRealTimers()
})

describe('small operations', () => {
  it('go out alone by their plain requests when they come alone', async () => {
    const server = newServer()
    await storeShare(server, 1, bytes(9, 9))
    const { client, requests } = lineToServer(server)
    const buckets = await client.getBuckets(index(1))
    expect(await buckets.get(1)?.read(5, 9)).toEqual(bytes(4, 9))
    await client.addLease(index(1), secrets)
    await client.slotReadv(index(1), [3], [all])
    expect(requests.map((one) => one.split(' ')[0])).toEqual(['GET', 'GET', 'PUT', 'GET'])
    expect(requests.every((one) => !one.endsWith(PATH))).toBe(true)
  })

  it('share a request when they come in one turn', async () => {
    const server = newServer()
    await storeShare(server, 1, bytes(9, 9))
    await storeSlot(server, 2, bytes(3, 7))
    const { client, requests } = lineToServer(server)
    const reader = (await client.getBuckets(index(1))).get(1)
    requests.length = 0
    const [read, listed, slot, asWriter] = await Promise.all([
      reader?.read(1, 3),
      client.getBuckets(index(1)),
      client.slotReadv(index(2), [], [all]),
      client.slotTestvAndReadvAndWritev(index(2), secrets, new Map(), [all]),
      client.addLease(index(1), secrets),
      client.addLease(index(77), secrets),
    ])
    expect(requests).toEqual([`POST ${PATH}`])
    const both = new Map([0, 1].map((share) => [share, [bytes(3, 7)]]))
    expect([read, [...listed.keys()], slot]).toEqual([bytes(3, 9), [1], both])
    expect(asWriter).toEqual({ success: true, data: both })
  })

  it('ask for no more at a time than a server answers', async () => {
    const server = newServer()
    const data = bytes(64 * 1024, 7)
    await storeShare(server, 1, data)
    const handler = sendTo(createStorageHandler(server, { swissnum }))
    const asked: number[] = []
    const { client } = lineTo(async (outgoing) => {
      if (outgoing.path !== PATH) return handler(outgoing)
      const body = await bodyOf(outgoing)
      const sizes = decodeBatch(body).map((one) => (one.name === 'read' ? one.size : 0))
      asked.push(sizes.reduce((sum, size) => sum + size, 0))
      return handler({ ...outgoing, body: [body] })
    })
    const reader = (await client.getBuckets(index(1))).get(1)
    await Promise.all(Array.from({ length: 100 }, async () => reader?.read(0, data.length)))
    expect(asked.reduce((sum, size) => sum + size, 0)).toBe(100 * data.length)
    expect(Math.max(...asked)).toBeLessThan(BATCH_ANSWER_SIZE_MAX)
  })

  it('of several plain requests are one request even alone', async () => {
    const server = newServer()
    await storeSlot(server, 2, bytes(3, 7))
    const { client, requests } = lineToServer(server)
    expect((await client.slotReadv(index(2), [], [all, all])).size).toBe(2)
    expect(requests).toEqual([`POST ${PATH}`])
  })

  it('gather while two requests are in flight', async () => {
    const handler = createStorageHandler(newServer(), { swissnum })
    const gates: (() => void)[] = []
    const { client, requests } = lineTo(async (outgoing) => {
      await new Promise<void>((resolve) => gates.push(resolve))
      return sendTo(handler)(outgoing)
    })
    const work: Promise<unknown>[] = []
    for (let n = 0; n < 20; n++) {
      work.push(client.getBuckets(index(n)))
      await turns()
    }
    expect(gates).toHaveLength(2)
    for (const open of gates) open()
    await turns()
    await turns()
    expect(gates).toHaveLength(3)
    gates[2]?.()
    await Promise.all(work)
    expect(requests.filter((one) => one.endsWith(PATH))).toHaveLength(1)
  })

  it('check and renew 200 files on 10 servers by tens of requests', async () => {
    const lines = await Promise.all(
      Array.from({ length: 10 }, async (_, n) => {
        const server = newServer()
        for (let file = 0; file < 200; file++) await storeShare(server, file, bytes(3, n))
        return lineToServer(server)
      }),
    )
    let file = 0
    let found = 0
    const worker = async (): Promise<void> => {
      while (file < 200) {
        const storageIndex = index(file++)
        const looks = lines.map(async ({ client }) => {
          const [buckets] = await Promise.all([
            client.getBuckets(storageIndex),
            client.addLease(storageIndex, secrets),
          ])
          found += buckets.size
        })
        await Promise.all(looks)
      }
    }
    await Promise.all(Array.from({ length: 32 }, worker))
    expect(found).toBe(2000)
    const count = lines.reduce((sum, { requests }) => sum + requests.length, 0)
    expect(count).toBeLessThan(100)
  })

  it.each([
    ['a read of more than 64 KiB', 64 * 1024 + 1, 0],
    ['a read of nothing', 0, 0],
  ])('are not: %s', async (_, size, batches) => {
    const server = newServer()
    await storeShare(server, 1, bytes(9, 9))
    const { client, requests } = lineToServer(server)
    const reader = (await client.getBuckets(index(1))).get(1)
    const reads = await Promise.all([reader?.read(0, size), reader?.read(0, size)])
    expect(reads[1]?.length).toBe(Math.min(9, size))
    expect(requests.filter((one) => one.endsWith(PATH))).toHaveLength(batches)
  })

  it.each([
    [
      'a storage index of 15 bytes',
      (client: IStorageServer) => client.getBuckets(new Uint8Array(15)),
      'STORAGE_NO_SUCH_SHARE',
    ],
    [
      'a negative offset',
      (client: IStorageServer) => client.slotReadv(index(1), [1], [{ offset: -1, size: 1 }]),
      'STORAGE_BAD_RANGE',
    ],
    [
      'half a size',
      (client: IStorageServer) => client.slotReadv(index(1), [1], [{ offset: 0, size: 0.5 }]),
      'STORAGE_BAD_RANGE',
    ],
    [
      'a renew secret of 31 bytes',
      (client: IStorageServer) =>
        client.addLease(index(1), { ...secrets, renewSecret: new Uint8Array(31) }),
      'STORAGE_BAD_RESPONSE',
    ],
  ] as const)('that cannot be said in a batch do no harm to others: %s', async (_, bad, code) => {
    const { client } = lineToServer(newServer())
    const outcomes = await Promise.allSettled([
      client.getBuckets(index(1)),
      bad(client),
      client.getBuckets(index(2)),
    ])
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(outcomes[1]).toMatchObject({ reason: { code } })
  })
})

describe('a lease that is let go of', () => {
  it('is asked for by a batch', async () => {
    const cancelled: unknown[] = []
    const server = {
      ...wrapped(newServer()),
      cancelLease: async (...args: unknown[]) => {
        cancelled.push(args)
      },
    }
    const { client, requests } = lineToServer(server)
    await client.cancelLease(index(1), 5, secrets.cancelSecret)
    expect(cancelled).toEqual([[index(1), 5, secrets.cancelSecret]])
    expect(requests).toEqual([`POST ${PATH}`])
  })

  it.each([
    ['STORAGE_NO_SUCH_SHARE', undefined],
    ['STORAGE_NOT_SUPPORTED', 'STORAGE_NOT_SUPPORTED'],
    ['STORAGE_CLOSED', 'STORAGE_CLOSED'],
  ] as const)('settles when the server says %s: %s', async (code, expected) => {
    const server = {
      ...wrapped(newServer()),
      cancelLease: () => Promise.reject(new StorageError(code, 'no')),
    }
    const { client } = lineToServer(server)
    const outcome = client.cancelLease(index(1), 5, secrets.cancelSecret)
    if (expected === undefined) expect(await outcome).toBeUndefined()
    else expect(await failure(outcome)).toMatchObject({ code: expected })
  })

  it.each([
    ['STORAGE_BAD_STORAGE_INDEX', new Uint8Array(15), 0, secrets.cancelSecret],
    ['STORAGE_BAD_SHARE_NUMBER', index(1), 256, secrets.cancelSecret],
    ['STORAGE_BAD_SHARE_NUMBER', index(1), 0.5, secrets.cancelSecret],
    ['STORAGE_BAD_SECRET', index(1), 0, new Uint8Array(31)],
  ] as const)('is %s for bad arguments', async (code, storageIndex, shareNumber, secret) => {
    const { client, requests } = lineToServer(newServer())
    const error = await failure(client.cancelLease(storageIndex, shareNumber, secret))
    expect(error).toMatchObject({ code })
    expect(requests).toEqual([])
  })
})

/** The same server as a plain object. */
function wrapped(server: RIStorageServer): RIStorageServer {
  return {
    getVersion: () => server.getVersion(),
    allocateBuckets: (...args) => server.allocateBuckets(...args),
    addLease: (...args) => server.addLease(...args),
    cancelLease: (...args) => server.cancelLease(...args),
    listShares: (...args) => server.listShares(...args),
    openShare: (...args) => server.openShare(...args),
    slotReadv: (...args) => server.slotReadv(...args),
    slotTestvAndReadvAndWritev: (...args) => server.slotTestvAndReadvAndWritev(...args),
    adviseCorruptShare: (...args) => server.adviseCorruptShare(...args),
    close: () => server.close(),
  }
}

describe('a server that takes no batches', () => {
  it.each([404, 405, 501, 400, 403, 413, 415])('is found out by the status %d', async (status) => {
    const server = newServer()
    await storeShare(server, 1, bytes(9, 9))
    await storeSlot(server, 2, bytes(3, 7))
    const plain = sendTo(createStorageHandler(server, { swissnum }))
    const refuse = answering(status, new TextEncoder().encode('no'), 'text/html')
    const line = lineTo((outgoing) => (outgoing.path === PATH ? refuse : plain)(outgoing))
    const { client, requests } = line
    const work = async (): Promise<unknown[]> => {
      const [listed, slot] = await Promise.all([
        client.getBuckets(index(1)),
        client.slotReadv(index(2), [], [all]),
        client.addLease(index(1), secrets),
      ])
      return [[...listed.keys()], slot.size]
    }
    expect(await work()).toEqual([[1], 2])
    expect(requests[0]).toBe(`POST ${PATH}`)
    // From then on nothing waits, and nothing is tried again.
    expect(await work()).toEqual([[1], 2])
    const cancelled = client.cancelLease(index(1), 0, secrets.cancelSecret)
    expect(await failure(cancelled)).toMatchObject({ code: 'STORAGE_NOT_SUPPORTED' })
    expect(requests.filter((one) => one.endsWith(PATH))).toHaveLength(1)
  })

  it('cannot let go of leases', async () => {
    const { client } = lineTo(answering(404, new Uint8Array()))
    const cancelled = client.cancelLease(index(1), 0, secrets.cancelSecret)
    expect(await failure(cancelled)).toMatchObject({ code: 'STORAGE_NOT_SUPPORTED' })
  })

  it('is asked for no more than is still wanted', async () => {
    const controller = new AbortController()
    const { client, requests } = lineTo(async (outgoing) => {
      controller.abort(new Error('enough'))
      return answering(404, new Uint8Array())(outgoing)
    })
    const { signal } = controller
    const outcomes = await Promise.allSettled([
      client.getBuckets(index(1), { signal }),
      client.getBuckets(index(2)),
    ])
    expect(outcomes[0]).toMatchObject({ reason: { message: 'enough' } })
    expect(requests).toHaveLength(2)
  })
})

/** Two operations at once, and the codes they fail with. */
async function codesOfTwo(send: SendRequest): Promise<unknown[]> {
  const { client } = lineTo(send)
  const outcomes = await Promise.allSettled([
    client.getBuckets(index(1)),
    client.addLease(index(2), secrets),
  ])
  return outcomes.map((outcome) =>
    outcome.status === 'fulfilled' ? 'fulfilled' : (outcome.reason as StorageError).code,
  )
}

const goodAnswers = encodeBatchAnswers([{ value: new Set([1]) }, { value: null }])
const bad = 'STORAGE_BAD_RESPONSE'

describe('a server that answers a batch', () => {
  it.each([
    ['with the status 401', answering(401, new Uint8Array()), 'STORAGE_UNAUTHORIZED'],
    ['with the status 500', answering(500, new Uint8Array()), bad],
    ['with the status 503', answering(503, new Uint8Array()), 'STORAGE_CLOSED'],
    ['with the status 204', answering(204, new Uint8Array()), bad],
    ['with a redirection', answering(302, new Uint8Array()), bad],
    ['with another type', answering(200, goodAnswers, 'text/html'), bad],
    ['with half of it', answering(200, encodeBatchAnswers([{ value: null }])), bad],
    ['with nothing', answering(200, new Uint8Array()), bad],
    ['with half a message', answering(200, goodAnswers.slice(0, -1)), bad],
    ['with too many', answering(200, encodeCbor([null, null, null])), bad],
    ['with a text', answering(200, encodeCbor('x')), bad],
    ['with a message of 5 MB', answering(200, new Uint8Array(5_000_000)), bad],
  ] as const)('%s fails each operation of it by name', async (_, send, code) => {
    expect(await codesOfTwo(send)).toEqual([code, code])
  })

  it.each([
    ['STORAGE_BAD_RESPONSE', { value: [1] }],
    ['STORAGE_BAD_RESPONSE', { value: null }],
    ['STORAGE_CLOSED', { status: 503 }],
    ['STORAGE_NO_SUCH_SHARE', { status: 404 }],
    ['STORAGE_BAD_RESPONSE', { status: 500 }],
  ])('with %s to one of them does no harm to the other', async (code, answer) => {
    const body = encodeCbor([answer, { value: null }])
    expect(await codesOfTwo(answering(200, body))).toEqual([code, 'fulfilled'])
  })

  it('with random bytes fails its operations by name', async () => {
    const answer = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.tuple(fc.nat(goodAnswers.length - 1), fc.nat(255)).map(([at, byte]) => {
        const copy = goodAnswers.slice()
        copy[at] = byte
        return copy
      }),
    )
    const property = fc.asyncProperty(answer, async (body) => {
      for (const code of await codesOfTwo(answering(200, body))) {
        expect(code === 'fulfilled' || String(code).startsWith('STORAGE_')).toBe(true)
      }
    })
    await fc.assert(property, { seed: 0x1af5, numRuns: 300 })
  })

  it('by breaking off fails all of it', async () => {
    const broken: SendRequest = async () => {
      throw new Error('reset')
    }
    expect(await codesOfTwo(broken)).toEqual(['STORAGE_UNREACHABLE', 'STORAGE_UNREACHABLE'])
  })

  it('never, fails what was sent and what waits', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
    const { client, requests } = lineTo(() => new Promise(() => {}), 1000)
    const work: Promise<unknown>[] = []
    for (let n = 0; n < 5; n++) {
      work.push(failure(client.slotReadv(index(n), [], [all])))
      await turns()
    }
    expect(requests).toHaveLength(2)
    vi.advanceTimersByTime(1000)
    for (const error of await Promise.all(work))
      expect(error).toMatchObject({ code: 'STORAGE_TIMEOUT' })
    expect(requests).toHaveLength(2)
  })

  it('too late, does not hold up others for longer than a few seconds', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const plain = sendTo(createStorageHandler(newServer(), { swissnum }))
    let stuck = 2
    const { client } = lineTo(
      (outgoing) => (stuck-- > 0 ? new Promise(() => {}) : plain(outgoing)),
      60_000,
    )
    for (let n = 0; n < 2; n++) {
      void client.getBuckets(index(n)).catch(() => {})
      await turns()
    }
    const work = Promise.all([client.getBuckets(index(5)), client.getBuckets(index(6))])
    await turns()
    vi.advanceTimersByTime(5000)
    expect((await work).map(({ size }) => size)).toEqual([0, 0])
  })
})

describe('what a server leaves unanswered', () => {
  /** Leaves everything unanswered so many times; answers nulls and empty sets after that. */
  function lazy(times: number): {
    readonly send: SendRequest
    readonly batches: BatchOperation[][]
  } {
    const batches: BatchOperation[][] = []
    const plain = sendTo(createStorageHandler(newServer(), { swissnum }))
    return {
      batches,
      async send(outgoing) {
        if (outgoing.path !== PATH) return plain(outgoing)
        const operations = decodeBatch(await bodyOf(outgoing))
        batches.push(operations)
        const answers = operations.map(({ name }): BatchAnswer => {
          if (batches.length <= times) return undefined
          return { value: name === 'list' ? new Set() : null }
        })
        return answering(200, encodeBatchAnswers(answers))(outgoing)
      },
    }
  }
  const work = (client: IStorageServer): Promise<unknown>[] => [
    client.getBuckets(index(1)),
    client.addLease(index(2), secrets),
    client.cancelLease(index(3), 0, secrets.cancelSecret),
  ]

  it('is asked for again, together', async () => {
    const { send, batches } = lazy(1)
    const { client } = lineTo(send)
    await Promise.all(work(client))
    expect(batches.map((operations) => operations.length)).toEqual([3, 3])
  })

  it('twice is asked for by plain requests, and is a timeout where there are none', async () => {
    const { send, batches } = lazy(9)
    const { client, requests } = lineTo(send)
    const outcomes = await Promise.allSettled(work(client))
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected'])
    expect(outcomes[2]).toMatchObject({ reason: { code: 'STORAGE_TIMEOUT' } })
    expect(batches).toHaveLength(2)
    expect(requests).toHaveLength(4)
  })
})

describe('an abort', () => {
  const reason = new Error('enough')

  it('of one operation leaves the others of its batch alone', async () => {
    const controller = new AbortController()
    const plain = sendTo(createStorageHandler(newServer(), { swissnum }))
    const { client } = lineTo(async (outgoing) => {
      controller.abort(reason)
      return plain(outgoing)
    })
    const outcomes = await Promise.allSettled([
      client.getBuckets(index(1)),
      client.addLease(index(2), secrets, { signal: controller.signal }),
      client.getBuckets(index(3)),
    ])
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(outcomes[1]).toMatchObject({ reason })
  })

  it('of all of them ends the request', async () => {
    const controller = new AbortController()
    const { client, sent } = lineTo(() => new Promise(() => {}))
    const { signal } = controller
    const work = Promise.allSettled([
      client.getBuckets(index(1), { signal }),
      client.addLease(index(2), secrets, { signal }),
    ])
    while (sent.length === 0) await nextTurn()
    expect(sent[0]?.signal.aborted).toBe(false)
    controller.abort(reason)
    for (const outcome of await work) expect(outcome).toMatchObject({ reason })
    expect(sent[0]?.signal.aborted).toBe(true)
  })

  it('of one that the server leaves unanswered keeps it from being asked for again', async () => {
    const controller = new AbortController()
    const batches: BatchOperation[][] = []
    const handler = sendTo(createStorageHandler(newServer(), { swissnum }))
    const { client } = lineTo(async (outgoing) => {
      const body = await bodyOf(outgoing)
      const operations = decodeBatch(body)
      batches.push(operations)
      if (batches.length > 1) return handler({ ...outgoing, body: [body] })
      controller.abort(reason)
      const unanswered = encodeBatchAnswers(operations.map(() => undefined))
      return answering(200, unanswered)(outgoing)
    })
    const outcomes = await Promise.allSettled([
      client.getBuckets(index(1)),
      client.cancelLease(index(2), 0, secrets.cancelSecret, { signal: controller.signal }),
      client.cancelLease(index(3), 0, secrets.cancelSecret),
    ])
    expect(outcomes[1]).toMatchObject({ reason })
    const asked = batches.map((operations) => operations.map(({ storageIndex }) => storageIndex[0]))
    expect(asked).toEqual([
      [1, 2, 3],
      [1, 3],
    ])
  })

  it('of one that waits keeps it from being sent', async () => {
    const controller = new AbortController()
    const { signal } = controller
    const handler = sendTo(createStorageHandler(newServer(), { swissnum }))
    const batches: BatchOperation[][] = []
    const { client } = lineTo(async (outgoing) => {
      const body = await bodyOf(outgoing)
      batches.push(decodeBatch(body))
      return handler({ ...outgoing, body: [body] })
    })
    const work = Promise.allSettled([
      client.getBuckets(index(1), { signal }),
      client.slotReadv(index(2), [], [all]),
    ])
    controller.abort(reason)
    expect((await work)[0]).toMatchObject({ reason })
    expect(batches.map((batch) => batch.map(({ name }) => name))).toEqual([['slot-read']])
  })

  it('leaves no listeners behind on a signal', async () => {
    const { signal } = new AbortController()
    const add = vi.spyOn(signal, 'addEventListener')
    const { client } = lineToServer(newServer())
    for (let n = 0; n < 50; n++) await client.getBuckets(index(1), { signal })
    expect(add).toHaveBeenCalledTimes(1)
  })
})

describe('the server', () => {
  const post = async (server: RIStorageServer, body: Uint8Array, faults: unknown[] = []) => {
    const handler = createStorageHandler(server, {
      swissnum,
      onFault: (error) => faults.push(error),
    })
    const headers: [string, string][] = [['authorization', formatAuthorization(swissnum)]]
    const response = await handler(request('POST', PATH, headers, body))
    return { status: response.status, body: await collect(response) }
  }

  it('keeps its answer within its limit and leaves the rest unanswered', async () => {
    const server = newServer()
    const data = bytes(64 * 1024, 7)
    await storeShare(server, 1, data)
    const read = {
      name: 'read',
      storageIndex: index(1),
      shareNumber: 1,
      offset: 0,
      size: data.length,
    } as const
    const { body } = await post(server, encodeBatch(Array.from({ length: 64 }, () => read)))
    expect(body.length).toBeLessThanOrEqual(BATCH_ANSWER_SIZE_MAX)
    const answers = decodeBatchAnswers(body, 64)
    const answered = answers.filter((answer) => answer !== undefined)
    expect(answered.length).toBe(63)
    expect(answered.every((answer) => 'value' in answer)).toBe(true)
  })

  it('leaves out what many shares make too large', async () => {
    const server = {
      ...wrapped(newServer()),
      slotReadv: async () =>
        new Map(Array.from({ length: 256 }, (_, n) => [n, [bytes(64 * 1024, n)]])),
    }
    const readVectors = [{ offset: 0, size: 64 * 1024 }]
    const { body } = await post(
      server,
      encodeBatch([
        { name: 'slot-read', storageIndex: index(1), shareNumbers: [], readVectors },
        { name: 'list', storageIndex: index(1) },
      ]),
    )
    expect(decodeBatchAnswers(body, 2)).toEqual([undefined, { value: new Set() }])
  })

  it('answers without an operation that hangs', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const server = wrapped(newServer())
    const hanging = {
      ...server,
      addLease: () => new Promise<void>(() => {}),
    }
    const list = { name: 'list', storageIndex: index(1) } as const
    const lease = { name: 'add-lease', storageIndex: index(1), secrets } as const
    const answer = post(
      hanging,
      encodeBatch([list, lease, ...Array.from({ length: 30 }, () => list)]),
    )
    for (let n = 0; n < 200; n++) await nextTurn()
    vi.advanceTimersByTime(2000)
    const answers = decodeBatchAnswers((await answer).body, 32)
    expect(answers[1]).toBeUndefined()
    expect(answers.filter((one) => one !== undefined)).toHaveLength(31)
  })

  it('lets others have their turn between the operations of a batch', async () => {
    const list = { name: 'list', storageIndex: index(1) } as const
    const state = { done: false, turns: 0 }
    const others = (async () => {
      for (; !state.done; state.turns++) await nextTurn()
    })()
    await post(newServer(), encodeBatch(Array.from({ length: 64 }, () => list)))
    state.done = true
    await others
    expect(state.turns).toBeGreaterThanOrEqual(64 / 8)
  })

  it('answers each operation by itself, and tells of faults', async () => {
    const faults: unknown[] = []
    const fault = new Error('the disk is on fire')
    const server = { ...wrapped(newServer()), addLease: () => Promise.reject(fault) }
    await storeSlot(server, 4, bytes(3, 3))
    const { status, body } = await post(
      server,
      encodeBatch([
        { name: 'add-lease', storageIndex: index(1), secrets },
        { name: 'read', storageIndex: index(1), shareNumber: 0, offset: 0, size: 9 },
        {
          name: 'slot-read-as-writer',
          storageIndex: index(4),
          secrets: { ...secrets, writeEnabler: bytes(32, 99) },
          readVectors: [],
        },
        { name: 'list', storageIndex: index(1) },
      ]),
      faults,
    )
    expect(status).toBe(200)
    const expected = [{ status: 500 }, { status: 404 }, { status: 401 }, { value: new Set() }]
    expect(decodeBatchAnswers(body, 4)).toEqual(expected)
    expect(faults).toEqual([fault])
  })

  it('says that it is bad what is no batch, whatever it is', async () => {
    const server = newServer()
    const faults: unknown[] = []
    const good = encodeBatch([
      { name: 'list', storageIndex: index(1) },
      { name: 'add-lease', storageIndex: index(1), secrets },
    ])
    const message = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc
        .array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 3 })
        .map((changes) => {
          const copy = good.slice()
          for (const [at, byte] of changes) copy[at] = byte
          return copy
        }),
    )
    const statuses = new Set<number>()
    const property = fc.asyncProperty(message, async (body) => {
      statuses.add((await post(server, body, faults)).status)
    })
    await fc.assert(property, { seed: 0x1af5, numRuns: 1000 })
    expect(statuses).toEqual(new Set([200, 400]))
    expect(faults).toEqual([])
  })
})

it('another write enabler is named when batches are read as writer', async () => {
  const server = newServer()
  await storeSlot(server, 2, bytes(3, 7))
  const { client, requests } = lineToServer(server)
  const other = { ...secrets, writeEnabler: bytes(32, 9) }
  const outcomes = await Promise.allSettled([
    client.slotTestvAndReadvAndWritev(index(2), other, new Map(), [all]),
    client.slotTestvAndReadvAndWritev(index(2), secrets, new Map(), [all]),
  ])
  expect(outcomes[0]).toMatchObject({ reason: { code: 'STORAGE_BAD_WRITE_ENABLER' } })
  expect(outcomes[1]?.status).toBe('fulfilled')
  expect(requests).toHaveLength(1)
})

it('errors of a batch hold no secret', async () => {
  const { client } = lineTo(answering(500, new Uint8Array()))
  const hush = { ...secrets, renewSecret: new TextEncoder().encode('hush'.repeat(8)) }
  const errors = await Promise.all([
    failure(client.addLease(index(1), hush)),
    failure(client.addLease(index(2), hush)),
  ])
  for (const error of errors) {
    const text = `${String(error)} ${JSON.stringify(error)} ${String((error as Error).stack)}`
    expect(text).not.toMatch(/hush|104,117|swissnum/)
  }
})
