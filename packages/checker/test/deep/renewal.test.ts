import { defaultCrypto, toBase32 } from '@lafs/crypto'
import { isDirectoryNode } from '@lafs/filesystem-interface'
import type { IFilesystemNode, IMonitor } from '@lafs/filesystem-interface'
import { StorageError } from '@lafs/storage-interface'
import type { IServer, IStorageServer, LeaseSecrets } from '@lafs/storage-interface'
import { leaseSecretsOf } from '@lafs/storage-protocol'
import { systemClock } from '@lafs/storage-protocol/waiting'
import type { Clock } from '@lafs/storage-protocol/waiting'
import { brokerOf, seededRandom, serverOf, virtualClock } from '@lafs/testing'
import { describe, expect, it } from 'vitest'
import { renewLeases } from '@lafs/checker'
import type { CheckerContext, RenewalStatus } from '@lafs/checker'
import {
  directory,
  file,
  hang,
  mutableFile,
  settle,
  storageIndexOf,
  tangle,
  unknown,
  WALK,
} from './tree.ts'
import type { TestDirectory } from './tree.ts'

/** What is stored of {@link tangle}: every name with a storage index. */
const STORED = [...new Set(WALK.map(([, name]) => name))].filter(
  (name) => !['text', 'strange'].includes(name),
)

/** A server that holds shares of some objects and counts what it is asked. */
interface LeaseServer {
  readonly server: IServer
  /** What it was asked for leases on, in order, each with the secrets. */
  readonly renewed: { readonly storageIndex: string; readonly secrets: LeaseSecrets }[]
  /** How it was asked what it holds. */
  readonly listed: { readonly kind: 'immutable' | 'mutable'; readonly storageIndex: string }[]
  /** Awaited by each request for a lease. */
  onRenewal: (storageIndex: string, signal: AbortSignal | undefined) => Promise<void> | void
}

function leaseServer(index: number, holds: (storageIndex: string) => boolean): LeaseServer {
  const made: Omit<LeaseServer, 'server'> = { renewed: [], listed: [], onRenewal: () => {} }
  const list = (kind: 'immutable' | 'mutable', storageIndex: Uint8Array): Map<number, never> => {
    made.listed.push({ kind, storageIndex: toBase32(storageIndex) })
    return new Map(holds(toBase32(storageIndex)) ? [[index, [] as never]] : [])
  }
  const storage = {
    getBuckets: async (storageIndex) => list('immutable', storageIndex),
    slotReadv: async (storageIndex) => list('mutable', storageIndex),
    addLease: async (storageIndex, secrets, options) => {
      await made.onRenewal(toBase32(storageIndex), options?.signal)
      made.renewed.push({ storageIndex: toBase32(storageIndex), secrets })
    },
  } as Partial<IStorageServer> as IStorageServer
  return Object.assign(made, { server: serverOf(storage, index) })
}

const indexOf = (name: string): string => toBase32(storageIndexOf(name))
const everything = (): boolean => true

function contextOf(servers: readonly LeaseServer[], clock: Clock = systemClock): CheckerContext {
  return {
    broker: brokerOf(servers.map(({ server }) => server)),
    clock,
    crypto: defaultCrypto,
    leaseSecret: new Uint8Array(32).fill(9),
  } as Partial<CheckerContext> as CheckerContext
}

function idOf({ server }: LeaseServer): string {
  return server.serverId
}

describe('a renewal', () => {
  it('renews the lease on everything, on each server that holds it', async () => {
    const servers = [0, 1, 2].map((index) => leaseServer(index, everything))
    const root = tangle()
    const monitor = renewLeases(root, contextOf(servers))
    expect(monitor.originStorageIndex).toEqual(root.storageIndex)
    const done = await monitor.whenDone()
    expect(done).toEqual({
      objects: STORED.length,
      leases: STORED.length * 3,
      failureCount: 0,
      failures: [],
      servers: new Map(
        servers.map((server) => [
          idOf(server),
          { leases: STORED.length, failures: 0, notAsked: 0, lastError: undefined },
        ]),
      ),
      cursor: ['c', 'd', 'e'],
    })
    for (const { server, renewed, listed } of servers) {
      expect(renewed.map(({ storageIndex }) => storageIndex).toSorted()).toEqual(
        STORED.map(indexOf).toSorted(),
      )
      const mutable = listed.filter(({ kind }) => kind === 'mutable')
      expect(mutable.map(({ storageIndex }) => storageIndex).toSorted()).toEqual(
        ['root', 'slot', 'a', 'shared', 'c', 'd'].map(indexOf).toSorted(),
      )
      const { leaseSecret, crypto } = contextOf(servers)
      const secretsOn = leaseSecretsOf(storageIndexOf('slot'), { leaseSecret, crypto })
      expect(renewed.find(({ storageIndex }) => storageIndex === indexOf('slot'))?.secrets).toEqual(
        secretsOn(server),
      )
    }
  })

  it('counts leases where there are shares, and tells what nobody holds', async () => {
    const servers = [
      leaseServer(0, (storageIndex) => storageIndex !== indexOf('file x')),
      leaseServer(1, (storageIndex) => storageIndex === indexOf('slot')),
    ]
    const done = await renewLeases(tangle(), contextOf(servers)).whenDone()
    expect([done.objects, done.leases, done.failureCount]).toEqual([
      STORED.length - 1,
      STORED.length,
      1,
    ])
    expect(done.failures).toEqual([
      {
        path: ['b', 'x'],
        serverId: undefined,
        error: expect.objectContaining({ code: 'DOWNLOAD_NO_SHARES' }),
      },
    ])
  })

  it('tells which servers failed, and renews on the others', async () => {
    const servers = [0, 1].map((index) => leaseServer(index, everything))
    const [, bad] = servers as [LeaseServer, LeaseServer]
    const error = new StorageError('STORAGE_BAD_RESPONSE', 'senseless')
    bad.onRenewal = (storageIndex) => {
      if (storageIndex === indexOf('file y') || storageIndex === indexOf('c')) throw error
    }
    const done = await renewLeases(tangle(), contextOf(servers)).whenDone()
    expect([done.objects, done.leases]).toEqual([STORED.length - 2, 2 * STORED.length - 2])
    expect(done.failures).toEqual([
      { path: ['b', 'y'], serverId: idOf(bad), error },
      { path: ['c'], serverId: idOf(bad), error },
    ])
    expect(done.servers.get(idOf(bad))).toEqual({
      leases: STORED.length - 2,
      failures: 2,
      notAsked: 0,
      lastError: error,
    })
  })

  it('says of which servers nothing was asked', async () => {
    const servers = [0, 1].map((index) => leaseServer(index, everything))
    const [near, away] = servers as [LeaseServer, LeaseServer]
    const context = contextOf(servers)
    const broker = { ...context.broker, serversForStorageIndex: () => [near.server] }
    const done = await renewLeases(tangle(), { ...context, broker }).whenDone()
    expect([done.objects, done.leases]).toEqual([STORED.length, STORED.length])
    expect(done.servers.get(idOf(away))).toMatchObject({ leases: 0, notAsked: STORED.length })
  })

  it('goes on after directories that cannot be read', async () => {
    const servers = [leaseServer(0, everything)]
    const root = tangle()
    const lost = root.children.get('b') as TestDirectory
    lost.onList = () => Promise.reject(new RangeError('gone'))
    const done = await renewLeases(root, contextOf(servers)).whenDone()
    expect(done.failures).toEqual([
      { path: ['b'], serverId: undefined, error: new RangeError('gone') },
    ])
    expect(done.objects).toBe(STORED.length - 2)
    expect(done.cursor).toEqual(['c', 'd', 'e'])
  })

  it('has many objects in flight, and not all', async () => {
    const server = leaseServer(0, everything)
    let running = 0
    let most = 0
    server.onRenewal = async () => {
      most = Math.max(most, ++running)
      await settle()
      running--
    }
    const done = await renewLeases(wide(500), contextOf([server])).whenDone()
    expect([done.objects, most]).toEqual([501, 64])
  })

  it('lists no more than a thousand failures, and counts all', async () => {
    const server = leaseServer(0, () => false)
    const done = await renewLeases(wide(1500), contextOf([server])).whenDone()
    expect([done.failures.length, done.failureCount, done.objects]).toEqual([1000, 1501, 0])
  })
})

/** A directory with many files. */
function wide(count: number): TestDirectory {
  const root = directory('root')
  for (let index = 0; index < count; index++) {
    const name = `file ${String(index).padStart(5, '0')}`
    root.children.set(name, index % 2 === 0 ? file(name) : mutableFile(name))
  }
  return root
}

describe('a server that does not answer', () => {
  it('is left out soon, and does not hold up the others', async () => {
    const clock = virtualClock()
    const servers = [0, 1].map((index) => leaseServer(index, everything))
    const [good, silent] = servers as [LeaseServer, LeaseServer]
    let asked = 0
    silent.onRenewal = (_, signal) => {
      asked++
      return hang(signal)
    }
    good.onRenewal = () => clock.sleep(5000)
    const monitor = renewLeases(wide(1999), contextOf(servers, clock))
    const done = await clock.run(monitor.whenDone(), 300_000)
    expect([done.objects, done.leases, done.failureCount]).toEqual([0, 2000, 2000])
    expect(good.renewed.length).toBe(2000)
    // Those in flight when it fell silent, what was begun before three of them had waited in vain, and
    // one each minute.
    expect(asked).toBeLessThanOrEqual(64 + 3 + 3)
    expect(done.servers.get(idOf(silent))).toMatchObject({
      leases: 0,
      failures: 2000,
      lastError: { code: 'STORAGE_TIMEOUT' },
    })
  })

  it('is asked again after a while, once, and in full when it answers', async () => {
    const clock = virtualClock()
    const servers = [0, 1].map((index) => leaseServer(index, everything))
    const [slow, away] = servers as [LeaseServer, LeaseServer]
    slow.onRenewal = () => clock.sleep(5000)
    const unreachable = new StorageError('STORAGE_UNREACHABLE', 'it is away')
    const askedAtMs: number[] = []
    away.onRenewal = () => {
      askedAtMs.push(clock.nowMs())
      if (clock.nowMs() < 150_000) throw unreachable
    }
    const monitor = renewLeases(wide(4000), contextOf(servers, clock))
    const done = await clock.run(monitor.whenDone(), 1_000_000)
    const failed = askedAtMs.filter((ms) => ms < 150_000).length
    // At once, after one minute and after two.
    expect(failed).toBeLessThanOrEqual(64 + 2)
    const [first] = askedAtMs.filter((ms) => ms >= 150_000)
    expect(first).toBeLessThan(200_000)
    expect(away.renewed.length).toBeGreaterThan(1000)
    expect(done.objects).toBe(away.renewed.length)
    expect(done.servers.get(idOf(away))).toMatchObject({
      failures: 4001 - away.renewed.length,
      lastError: unreachable,
    })
  })
})

describe('a server that answers with errors', () => {
  it('is asked for everything', async () => {
    const server = leaseServer(0, everything)
    let asked = 0
    server.onRenewal = () => {
      const code = ++asked % 3 === 0 ? 'STORAGE_BAD_RESPONSE' : 'STORAGE_UNREACHABLE'
      throw new StorageError(code, 'not now')
    }
    const { failureCount } = await renewLeases(wide(500), contextOf([server])).whenDone()
    expect([asked, failureCount]).toEqual([501, 501])
  })
})

/** Stops a renewal at its nth request for a lease. @returns how far it was. */
async function interrupted(
  root: TestDirectory,
  servers: readonly LeaseServer[],
  n: number,
  after: readonly string[] | undefined,
): Promise<{ readonly status: RenewalStatus; readonly finished: boolean }> {
  let requests = 0
  const random = seededRandom(n)
  let monitor: IMonitor<RenewalStatus> | undefined
  for (const server of servers) {
    server.onRenewal = async (_, signal) => {
      if (requests++ === n) monitor?.cancel()
      for (let turn = random.integer(20); turn > 0; turn--) await Promise.resolve()
      signal?.throwIfAborted()
    }
  }
  monitor = renewLeases(root, contextOf(servers), { after })
  const finished = await monitor.whenDone().then(
    () => true,
    (error: unknown) => {
      expect(error).toMatchObject({ code: 'OPERATION_CANCELLED' })
      return false
    },
  )
  const { status } = monitor
  if (status === undefined) throw new Error('expected a status')
  return { status, finished }
}

function allOf(servers: readonly LeaseServer[]): Set<string> {
  return new Set(
    servers.flatMap((server) => server.renewed.map((one) => `${idOf(server)} ${one.storageIndex}`)),
  )
}

describe('a renewal that was interrupted', () => {
  it('goes on at every point, and leaves nothing out', async () => {
    const servers = [0, 1, 2].map((index) => leaseServer(index, everything))
    const whole = new Set(
      servers.flatMap((server) => STORED.map((name) => `${idOf(server)} ${indexOf(name)}`)),
    )
    const stoppedAt = new Set<string>()
    for (let n = 0; n <= whole.size; n++) {
      for (const server of servers) server.renewed.length = 0
      const root = tangle()
      const first = await interrupted(root, servers, n, undefined)
      expect(first.finished).toBe(n === whole.size)
      stoppedAt.add(JSON.stringify(first.status.cursor))
      const { cursor } = first.status
      const rest = await interrupted(root, servers, Number.POSITIVE_INFINITY, cursor)
      expect(rest.finished).toBe(true)
      expect(allOf(servers)).toEqual(whole)
    }
    expect(stoppedAt.size).toBeGreaterThan(3)
  })

  it('comes to its end however often it is stopped', async () => {
    const servers = [0, 1].map((index) => leaseServer(index, everything))
    const root = directory('root')
    const names = ['root']
    for (let index = 0; index < 30; index++) {
      const below = directory(`directory ${index}`)
      root.children.set(below.uri, below)
      names.push(below.uri)
      for (let inside = 0; inside < 10; inside++) {
        const name = `file ${index} ${inside}`
        below.children.set(name, inside % 2 === 0 ? file(name) : mutableFile(name))
        names.push(name)
      }
    }
    let passes = 0
    let requests = 0
    let cursor: readonly string[] | undefined
    for (;;) {
      for (const server of servers) requests -= server.renewed.length
      const { status, finished } = await interrupted(root, servers, 150, cursor)
      for (const server of servers) requests += server.renewed.length
      passes++
      if (finished) break
      cursor = status.cursor
      expect(passes).toBeLessThan(50)
    }
    expect(allOf(servers).size).toBe(names.length * 2)
    expect(passes).toBeGreaterThan(3)
    // What was in flight when a pass was stopped is done again, and the way down.
    expect(requests).toBeLessThan(names.length * 2 + passes * (64 + 2) * 2)
  })

  it('reads no directory that lies behind it, and does nothing twice that has one place', async () => {
    const servers = [leaseServer(0, everything)]
    const root = tangle()
    const done = await renewLeases(root, contextOf(servers), { after: ['b', 'x'] }).whenDone()
    const names = ['root', 'shared', 'file y', 'c', 'd', 'file e']
    expect(servers[0]?.renewed.map(({ storageIndex }) => storageIndex).toSorted()).toEqual(
      names.map(indexOf).toSorted(),
    )
    expect(done.objects).toBe(names.length)
    const behind = root.children.get('a') as IFilesystemNode
    expect(isDirectoryNode(behind) && (behind as TestDirectory).reads).toBe(0)
  })

  it('goes on before what is unknown, which comes before files of earlier names', async () => {
    const servers = [leaseServer(0, everything)]
    const [server] = servers as [LeaseServer]
    const root = directory('root', { a: file('file a'), z: unknown('strange') })
    server.onRenewal = (storageIndex, signal) =>
      storageIndex === indexOf('file a') ? hang(signal) : undefined
    const monitor = renewLeases(root, contextOf(servers))
    for (let turn = 0; turn < 20; turn++) await settle()
    monitor.cancel()
    expect(monitor.status?.cursor).toEqual([''])
    await expect(monitor.whenDone()).rejects.toMatchObject({ code: 'OPERATION_CANCELLED' })
  })

  it('keeps its cursor where nothing more has been done', async () => {
    const servers = [leaseServer(0, everything)]
    const after = ['b', 'x']
    const monitor = renewLeases(tangle(), contextOf(servers), { after })
    monitor.cancel()
    await expect(monitor.whenDone()).rejects.toMatchObject({ code: 'OPERATION_CANCELLED' })
    expect(monitor.status?.cursor).toEqual(after)

    // The directories on the way down are done again, and the cursor does not go back to them.
    const [server] = servers as [LeaseServer]
    server.onRenewal = (storageIndex, signal) =>
      ['root', 'shared'].map(indexOf).includes(storageIndex) ? undefined : hang(signal)
    const again = renewLeases(tangle(), contextOf(servers), { after })
    for (let turn = 0; turn < 20; turn++) await settle()
    expect([again.status?.objects, again.status?.cursor]).toEqual([2, after])
    again.cancel()
    await expect(again.whenDone()).rejects.toMatchObject({ code: 'OPERATION_CANCELLED' })
  })
})
