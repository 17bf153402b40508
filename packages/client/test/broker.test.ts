import { isStorageError, StorageError } from '@lafs/storage-interface'
import type { IStorageServer, ServerAnnouncement, StorageTransport } from '@lafs/storage-interface'
import { fromHex, loadVectors } from '@lafs/vectors'
import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { identifyServer } from '../src/announcement.ts'
import { createStorageBroker, permuteServers } from '../src/broker.ts'
import type { StorageBroker } from '../src/broker.ts'

interface PermutationVectors {
  readonly announcements: readonly { serverId: string; announcement: ServerAnnouncement }[]
  readonly cases: readonly {
    readonly servers: number
    readonly storageIndex: string
    readonly preferred: readonly number[]
    readonly order: readonly number[]
  }[]
}

const vectors = await loadVectors<PermutationVectors>('servers/permutations')

/** A transport whose servers answer, or fail with `error` while there is one. */
class FakeTransport implements StorageTransport {
  readonly name = 'fake'
  connectCount = 0
  versionCount = 0
  closedCount = 0
  error: StorageError | undefined
  /** What connecting waits for. */
  gate: Promise<unknown> = Promise.resolve()

  accepts(announcement: ServerAnnouncement): boolean {
    return announcement['anonymous-storage-FURL'] !== undefined
  }

  async connect(): ReturnType<StorageTransport['connect']> {
    this.connectCount++
    await this.gate
    if (this.error !== undefined) throw this.error
    const answer = (): Promise<never> =>
      this.error === undefined ? Promise.resolve({} as never) : Promise.reject(this.error)
    const storageServer = {
      getVersion: () => {
        this.versionCount++
        return answer()
      },
      getBuckets: answer,
    } as unknown as IStorageServer
    const close = async (): Promise<void> => {
      this.closedCount++
    }
    return { storageServer, close, [Symbol.asyncDispose]: close }
  }

  serve(): never {
    throw new Error('not served')
  }
}

const SERVER = vectors.announcements[0] ?? { serverId: '', announcement: {} }
const AWAY = new StorageError('STORAGE_UNREACHABLE', 'away')
const INDEX = new Uint8Array(16)

function setUp(): { transport: FakeTransport; broker: StorageBroker; clock: { nowMs: number } } {
  const transport = new FakeTransport()
  const clock = { nowMs: 1_000_000 }
  const broker = createStorageBroker({
    servers: [SERVER],
    transports: [transport],
    now: () => clock.nowMs,
  })
  return { transport, broker, clock }
}

function onlyServer(broker: StorageBroker): ReturnType<StorageBroker['knownServers']>[number] {
  const [server] = broker.knownServers()
  if (server === undefined) throw new Error('expected a server')
  return server
}

describe('permuteServers', () => {
  const identities = vectors.announcements.map((one) => identifyServer(one))

  it.each(vectors.cases)(
    'orders $servers servers as upstream does ($preferred preferred)',
    ({ servers, storageIndex, preferred, order }) => {
      const known = identities.slice(0, servers)
      const preferredIds = new Set(preferred.map((index) => identities[index]?.serverId ?? ''))
      const ours = permuteServers(known, fromHex(storageIndex), preferredIds)
      expect(ours.map((server) => identities.indexOf(server))).toEqual(order)
    },
  )

  it('gives the same order whatever the order of its input', () => {
    fc.assert(
      fc.property(
        fc.shuffledSubarray(identities, { minLength: identities.length }),
        fc.uint8Array({ minLength: 16, maxLength: 16 }),
        (shuffled, storageIndex) => {
          expect(permuteServers(shuffled, storageIndex)).toEqual(
            permuteServers(identities, storageIndex),
          )
        },
      ),
      { seed: 20, numRuns: 50 },
    )
  })
})

describe('createStorageBroker', () => {
  it('connects when it is first needed, once for all who wait', async () => {
    const { transport, broker } = setUp()
    expect(transport.connectCount).toBe(0)
    expect(broker.connectedServers()).toEqual([])
    expect(broker.serversForStorageIndex(INDEX)).toHaveLength(1)
    const server = onlyServer(broker)
    await Promise.all([server.storageServer(), server.storageServer()])
    await server.storageServer()
    expect(transport.connectCount).toBe(1)
    expect(broker.connectedServers()).toEqual([server])
    expect(server.connectionStatus).toMatchObject({
      connected: true,
      lastConnectionTimeMs: 1_000_000,
    })
  })

  it('leaves a server that failed out for a while, which doubles', async () => {
    const { transport, broker, clock } = setUp()
    const server = onlyServer(broker)
    transport.error = AWAY
    for (const pauseMs of [1000, 2000, 4000]) {
      await expect(server.storageServer()).rejects.toBe(AWAY)
      const tries = transport.connectCount
      clock.nowMs += pauseMs - 1
      expect(broker.serversForStorageIndex(INDEX)).toEqual([])
      await expect(server.storageServer()).rejects.toBe(AWAY)
      expect(transport.connectCount).toBe(tries)
      clock.nowMs += 1
      expect(broker.serversForStorageIndex(INDEX)).toEqual([server])
    }
    transport.error = undefined
    await server.storageServer()
    expect(server.connectionStatus.connected).toBe(true)
  })

  it('waits no longer than a minute', async () => {
    const { transport, broker, clock } = setUp()
    transport.error = AWAY
    for (let attempt = 0; attempt < 20; attempt++) {
      await expect(onlyServer(broker).storageServer()).rejects.toBe(AWAY)
      clock.nowMs += 60_000
    }
    expect(transport.connectCount).toBe(20)
  })

  it('waits no longer where the clock is put back', async () => {
    const { transport, broker, clock } = setUp()
    transport.error = AWAY
    await broker.connect()
    expect(broker.serversForStorageIndex(INDEX)).toHaveLength(0)
    clock.nowMs -= 3_600_000
    expect(broker.serversForStorageIndex(INDEX)).toHaveLength(1)
    transport.error = undefined
    await onlyServer(broker).storageServer()
    expect(onlyServer(broker).connectionStatus.connected).toBe(true)
  })

  it('asks a server that an operation found away for a sign of life, and keeps it if it answers', async () => {
    const { transport, broker } = setUp()
    const server = onlyServer(broker)
    const operations = await server.storageServer()
    transport.error = AWAY
    await expect(operations.getBuckets(INDEX)).rejects.toBe(AWAY)
    expect(server.connectionStatus.connected).toBe(false)
    expect(broker.serversForStorageIndex(INDEX)).toEqual([server])
    transport.error = undefined
    await server.storageServer()
    expect(transport).toMatchObject({ connectCount: 1, versionCount: 1, closedCount: 0 })
    expect(server.connectionStatus.connected).toBe(true)
  })

  it('takes for a while what a server has said of itself', async () => {
    const { transport, broker, clock } = setUp()
    const server = onlyServer(broker)
    const first = await (await server.storageServer()).getVersion()
    transport.error = AWAY
    clock.nowMs += 4999
    expect(await (await server.storageServer()).getVersion()).toBe(first)
    expect(transport.versionCount).toBe(1)
    clock.nowMs += 1
    await expect((await server.storageServer()).getVersion()).rejects.toBe(AWAY)
    expect(server.connectionStatus.connected).toBe(false)
    expect(transport.versionCount).toBe(2)
  })

  it('asks one that was waited for in vain for a sign of life as well', async () => {
    const { transport, broker } = setUp()
    const server = onlyServer(broker)
    const operations = await server.storageServer()
    const silence = new StorageError('STORAGE_TIMEOUT', 'nothing came')
    transport.error = silence
    await expect(operations.getBuckets(INDEX)).rejects.toBe(silence)
    expect(server.connectionStatus.connected).toBe(false)
    await expect(server.storageServer()).rejects.toBe(silence)
    expect(broker.serversForStorageIndex(INDEX)).toEqual([])
  })

  it('connects anew where the old connection is dead', async () => {
    const { transport, broker } = setUp()
    const server = onlyServer(broker)
    const operations = await server.storageServer()
    transport.error = AWAY
    await expect(operations.getBuckets(INDEX)).rejects.toBe(AWAY)
    await expect(server.storageServer()).rejects.toBe(AWAY)
    expect(transport).toMatchObject({ connectCount: 2, versionCount: 1, closedCount: 1 })
    expect(broker.serversForStorageIndex(INDEX)).toEqual([])
  })

  it('knows no servers that it cannot use where it can use all', () => {
    expect(setUp().broker.unusableServers.size).toBe(0)
  })

  it('lets one caller give up while the others go on waiting', async () => {
    const { transport, broker } = setUp()
    let open: (() => void) | undefined
    transport.gate = new Promise<void>((resolve) => (open = resolve))
    const server = onlyServer(broker)
    const impatient = new AbortController()
    const first = server.storageServer({ signal: impatient.signal })
    const second = server.storageServer()
    const reason = new Error('enough')
    impatient.abort(reason)
    await expect(first).rejects.toBe(reason)
    open?.()
    await expect(second).resolves.toBeDefined()
    await expect(server.storageServer({ signal: impatient.signal })).rejects.toBe(reason)
  })

  it('knows servers that it cannot use, and says why, without secrets', async () => {
    const { announcement } = SERVER
    const furl = announcement['anonymous-storage-FURL'] ?? ''
    const broker = createStorageBroker({
      servers: [
        { serverId: 'v0-nofurl', announcement: { nickname: 'one' } },
        { serverId: 'v0-notransport', announcement: { ...announcement, nickname: 'two' } },
      ],
      transports: [],
    })
    expect(broker.serverIds()).toEqual(new Set(['v0-nofurl', 'v0-notransport']))
    expect(broker.nicknameFor('v0-notransport')).toBe('two')
    expect(broker.nicknameFor('v0-unknown')).toBeUndefined()
    expect(broker.serversForStorageIndex(INDEX)).toEqual([])
    for (const server of broker.knownServers()) {
      expect(server.connectionStatus.connected).toBe(false)
      expect(server.connectionStatus.summary).toMatch(/^unusable: /)
      expect(server.connectionStatus.summary).not.toContain(furl)
      const failed = await server.storageServer().catch((error: unknown) => error)
      expect(isStorageError(failed, 'STORAGE_BAD_ANNOUNCEMENT')).toBe(true)
      expect(broker.unusableServers.get(server.serverId)).toBe(failed)
    }
  })

  it('does not wait for a transport that hangs, and closes what comes too late', async () => {
    const { transport, broker } = setUp()
    let open: (() => void) | undefined
    transport.gate = new Promise<void>((resolve) => (open = resolve))
    const waiting = onlyServer(broker)
      .storageServer()
      .catch((error: unknown) => error)
    await broker.close()
    expect(isStorageError(await waiting, 'STORAGE_CLOSED')).toBe(true)
    expect(transport.closedCount).toBe(0)
    open?.()
    await expect.poll(() => transport.closedCount).toBe(1)
  })

  it('gives a transport up that hangs for ten seconds, and tries again later', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      const { transport, broker, clock } = setUp()
      transport.gate = new Promise(() => {})
      const waiting = onlyServer(broker).storageServer()
      waiting.catch(() => {})
      await vi.advanceTimersByTimeAsync(9999)
      expect(onlyServer(broker).connectionStatus.summary).toBe('connecting')
      await vi.advanceTimersByTimeAsync(1)
      expect(onlyServer(broker).connectionStatus.summary).toBe('failed: STORAGE_UNREACHABLE')
      await expect(waiting).rejects.toMatchObject({ code: 'STORAGE_UNREACHABLE' })
      clock.nowMs += 1000
      transport.gate = Promise.resolve()
      await onlyServer(broker).storageServer()
      expect(onlyServer(broker).connectionStatus.connected).toBe(true)
    } finally {
      vi.useRealTimers()
    }
  })

  it('ends connections when it is closed, and makes no new ones', async () => {
    const { transport, broker } = setUp()
    await broker.connect()
    expect(broker.connectedServers()).toHaveLength(1)
    await broker.close()
    expect(transport.closedCount).toBe(1)
    const failed = await onlyServer(broker)
      .storageServer()
      .catch((error: unknown) => error)
    expect(isStorageError(failed, 'STORAGE_CLOSED')).toBe(true)
  })
})
