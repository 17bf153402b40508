import {
  isStorageError,
  type RIStorageServer,
  type ServerVersion,
  type StorageErrorCode,
  type StorageTransport,
} from '@lafs/storage-interface'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

/** A transport under test: each test makes its own. */
export interface TransportFixture extends AsyncDisposable {
  readonly transport: StorageTransport
}

/** A transport, as the suite takes it. */
export interface TransportSuite {
  readonly name: string
  /** Makes a transport that can both serve and connect. */
  create(): Promise<TransportFixture>
}

/** A server that knows no shares, counts what it is asked and answers reads when it is told to. */
interface ProbeServer extends RIStorageServer {
  readonly asked: { versions: number; reads: number; closes: number }
  /** Lets the reads go on that wait. */
  release(): void
}

const storageIndex = new Uint8Array(16).fill(3)
const secrets = { renewSecret: new Uint8Array(32), cancelSecret: new Uint8Array(32).fill(1) }

function versionOf(name: string): ServerVersion {
  return {
    maximumImmutableShareSize: 1_000_000,
    maximumMutableShareSize: 2_000_000,
    availableSpace: 3_000_000,
    toleratesImmutableReadOverrun: true,
    deleteMutableSharesWithZeroLengthWritev: true,
    fillsHolesWithZeroBytes: true,
    preventsReadPastEndOfShareData: true,
    applicationVersion: name,
  }
}

function probeServer(name = 'probe'): ProbeServer {
  const asked = { versions: 0, reads: 0, closes: 0 }
  let release = (): void => {}
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  return {
    asked,
    release: () => release(),
    getVersion: async () => {
      asked.versions += 1
      return versionOf(name)
    },
    allocateBuckets: async () => ({ alreadyGot: new Set([7]), writers: new Map() }),
    addLease: async () => {},
    cancelLease: async () => {},
    // Immutable listings answer at once, mutable ones wait.
    listShares: async (kind) => {
      if (kind === 'immutable') return new Set([1, 255])
      asked.reads += 1
      await released
      return new Set()
    },
    openShare: async () => ({
      length: 4,
      read: async (offset, length) => Uint8Array.of(0, 1, 2, 3).slice(offset, offset + length),
      close: async () => {},
    }),
    slotReadv: async () => {
      asked.reads += 1
      await released
      return new Map()
    },
    slotTestvAndReadvAndWritev: async () => ({ success: false, data: new Map() }),
    adviseCorruptShare: async () => {},
    close: async () => {
      asked.closes += 1
    },
  }
}

async function refusal(promise: Promise<unknown>): Promise<StorageErrorCode> {
  const error: unknown = await promise.then(
    () => new Error('expected a rejection'),
    (reason: unknown) => reason,
  )
  if (isStorageError(error)) return error.code
  throw error
}

/** Settles once a condition holds. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) {
    await new Promise((resolve) => {
      setTimeout(resolve, 1)
    })
  }
}

/**
 * Holds a transport to {@link StorageTransport}: what it announces, whom it reaches, and how
 * connections and listeners end. What its storage server does is the storage server suite's business.
 */
export function testTransport(suite: TransportSuite): void {
  describe(`transport: ${suite.name}`, () => {
    let fixture: TransportFixture
    const current: Current = {
      get transport() {
        return fixture.transport
      },
    }
    beforeEach(async () => {
      fixture = await suite.create()
    })
    afterEach(async () => {
      await fixture[Symbol.asyncDispose]()
    })
    describe('announcements', () => testAnnouncements(current))
    describe('operations', () => testOperations(current))
    describe('ends', () => testEnds(current))
  })
}

interface Current {
  readonly transport: StorageTransport
}

const unusable: readonly [string, Record<string, unknown>][] = [
  ['nothing', {}],
  ['a NURL that is none', { 'anonymous-storage-NURLs': ['pb://nowhere'] }],
  ['NURLs that are no list', { 'anonymous-storage-NURLs': 7 }],
  ['null', { 'anonymous-storage-NURLs': null, 'anonymous-storage-FURL': null }],
  ['a number for a FURL', { 'anonymous-storage-FURL': 7 }],
]

function testAnnouncements(current: Current): void {
  it('are accepted by the transport that made them', async () => {
    await using listener = await current.transport.serve(probeServer())
    expect(current.transport.accepts(listener.announcement)).toBe(true)
  })

  it('hold a TubID, from which lease secrets derive', async () => {
    await using listener = await current.transport.serve(probeServer())
    expect(listener.announcement['anonymous-storage-FURL']).toMatch(/^pb:\/\/[a-z2-7]{32}@/)
  })

  it('survive being written down as JSON', async () => {
    await using listener = await current.transport.serve(probeServer('json'))
    const announcement = JSON.parse(JSON.stringify(listener.announcement))
    await using connection = await current.transport.connect(announcement)
    expect((await connection.storageServer.getVersion()).applicationVersion).toBe('json')
  })

  it('lead each to its own server', async () => {
    await using first = await current.transport.serve(probeServer('first'))
    await using second = await current.transport.serve(probeServer('second'))
    await using toSecond = await current.transport.connect(second.announcement)
    await using toFirst = await current.transport.connect(first.announcement)
    expect((await toFirst.storageServer.getVersion()).applicationVersion).toBe('first')
    expect((await toSecond.storageServer.getVersion()).applicationVersion).toBe('second')
  })

  it.each(unusable)('of %s are not accepted, and connect to nothing', async (_, announcement) => {
    expect(current.transport.accepts(announcement)).toBe(false)
    expect(await refusal(current.transport.connect(announcement))).toBe('STORAGE_BAD_ANNOUNCEMENT')
  })

  it('of a server that is gone reach nothing', async () => {
    const listener = await current.transport.serve(probeServer())
    await listener.close()
    expect(await refusal(current.transport.connect(listener.announcement))).toBe(
      'STORAGE_UNREACHABLE',
    )
  })

  it('are not followed with a signal that has aborted', async () => {
    await using listener = await current.transport.serve(probeServer())
    const signal = AbortSignal.abort(new Error('enough'))
    await expect(current.transport.connect(listener.announcement, { signal })).rejects.toThrow(
      'enough',
    )
  })
}

function testOperations(current: Current): void {
  it('reach the server and come back', async () => {
    await using listener = await current.transport.serve(probeServer())
    await using connection = await current.transport.connect(listener.announcement)
    const { storageServer } = connection
    expect(await storageServer.getVersion()).toEqual(versionOf('probe'))
    const request = { ...secrets, shareNumbers: new Set([7]), allocatedSize: 1 }
    const { alreadyGot, writers } = await storageServer.allocateBuckets(storageIndex, request)
    expect([alreadyGot, writers.size]).toEqual([new Set([7]), 0])
    const readers = await storageServer.getBuckets(storageIndex)
    expect([...readers.keys()].toSorted((a, b) => a - b)).toEqual([1, 255])
    const data = await readers.get(255)?.read(1, 9)
    expect(data && [...data]).toEqual([1, 2, 3])
  })

  it('run side by side', async () => {
    const server = probeServer()
    await using listener = await current.transport.serve(server)
    await using connection = await current.transport.connect(listener.announcement)
    const slow = connection.storageServer.slotReadv(storageIndex, [], [])
    await until(() => server.asked.reads > 0)
    const versions = Array.from({ length: 50 }, () => connection.storageServer.getVersion())
    expect(await Promise.all(versions)).toHaveLength(50)
    server.release()
    expect(await slow).toEqual(new Map())
  })

  it('come by the hundred', async () => {
    await using listener = await current.transport.serve(probeServer())
    await using connection = await current.transport.connect(listener.announcement)
    const { storageServer } = connection
    const work = Array.from({ length: 300 }, async (_, n) => {
      const index = new Uint8Array(16).fill(n)
      const [readers] = await Promise.all([
        storageServer.getBuckets(index),
        storageServer.addLease(index, secrets),
        storageServer.cancelLease(index, n % 256, secrets.cancelSecret),
      ])
      return readers.get(1)?.read(n % 4, 1)
    })
    const reads = await Promise.all(work)
    expect(reads.map((read) => read?.[0])).toEqual(reads.map((_, n) => n % 4))
  })

  it('reject with the reason of their signal, before and midway', async () => {
    const server = probeServer()
    await using listener = await current.transport.serve(server)
    await using connection = await current.transport.connect(listener.announcement)
    const { storageServer } = connection
    const early = AbortSignal.abort(new Error('too early'))
    await expect(storageServer.getVersion({ signal: early })).rejects.toThrow('too early')
    const controller = new AbortController()
    const slow = storageServer.slotReadv(storageIndex, [], [], { signal: controller.signal })
    const rejected = slow.catch((reason: unknown) => reason)
    await until(() => server.asked.reads > 0)
    controller.abort(new Error('midway'))
    expect(await rejected).toEqual(new Error('midway'))
    server.release()
    expect((await storageServer.getVersion()).applicationVersion).toBe('probe')
  })
}

function testEnds(current: Current): void {
  it('of a connection fail what is under way and what comes later', async () => {
    const server = probeServer()
    await using listener = await current.transport.serve(server)
    const connection = await current.transport.connect(listener.announcement)
    const slow = refusal(connection.storageServer.slotReadv(storageIndex, [], []))
    await until(() => server.asked.reads > 0)
    await connection.close()
    expect(await slow).toBe('STORAGE_CLOSED')
    expect(await refusal(connection.storageServer.getVersion())).toBe('STORAGE_CLOSED')
    server.release()
  })

  it('of a connection fail what waits for its turn', async () => {
    const server = probeServer()
    await using listener = await current.transport.serve(server)
    const connection = await current.transport.connect(listener.announcement)
    const { storageServer } = connection
    const many = Array.from({ length: 200 }, () =>
      refusal(storageServer.slotReadv(storageIndex, [], [])),
    )
    await until(() => server.asked.reads > 0)
    await connection.close()
    expect(new Set(await Promise.all(many))).toEqual(new Set(['STORAGE_CLOSED']))
    server.release()
  })

  it('of a connection leave another one alone', async () => {
    await using listener = await current.transport.serve(probeServer())
    const first = await current.transport.connect(listener.announcement)
    await using second = await current.transport.connect(listener.announcement)
    await first.close()
    expect((await second.storageServer.getVersion()).applicationVersion).toBe('probe')
  })

  it('may come twice', async () => {
    const listener = await current.transport.serve(probeServer())
    const connection = await current.transport.connect(listener.announcement)
    await Promise.all([connection.close(), connection.close()])
    await connection.close()
    await Promise.all([listener.close(), listener.close()])
    await listener.close()
  })

  it('of a listener end its connections, and leave the server to its owner', async () => {
    const server = probeServer()
    const listener = await current.transport.serve(server)
    await using connection = await current.transport.connect(listener.announcement)
    await listener.close()
    expect(await refusal(connection.storageServer.getVersion())).toBe('STORAGE_UNREACHABLE')
    expect(server.asked.closes).toBe(0)
  })
}
