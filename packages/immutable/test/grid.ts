import type {
  IStorageBroker,
  IStorageServer,
  RIBucketReader,
  RIBucketWriter,
  RIStorageServer,
} from '@lafs/storage-interface'
import { createMemoryStore } from '@lafs/share-store-memory'
import { createStorageServer } from '@lafs/storage-server'
import { brokerOf, serverOf } from '@lafs/testing'
import { memoryTransport } from '@lafs/transport-memory'

export { noise, same, sharesOn, storeShares as store } from '@lafs/testing'

/** What a test may do to the traffic of one server; each hook may wait, change or throw. */
interface Hooks {
  getBuckets?: () => Promise<void> | void
  allocate?: () => Promise<void> | void
  /** Changes the writers that an allocation gave. */
  writers?: (writers: Map<number, RIBucketWriter>) => void
  write?: (share: number, offset: number, size: number) => Promise<void> | void
  close?: (share: number) => Promise<void> | void
  store?: () => Promise<void> | void
  /** Gives the bytes to hand out in place of `bytes`. */
  read?: (
    share: number,
    offset: number,
    bytes: Uint8Array,
    size: number,
  ) => Uint8Array | Promise<Uint8Array>
}

interface TestServer {
  readonly id: string
  readonly hooks: Hooks
  readonly backend: RIStorageServer
  /** What it was told about corrupt shares. */
  readonly advisories: string[]
  readonly requests: { kind: string; size: number }[]
}

export interface Grid {
  readonly broker: IStorageBroker
  readonly servers: TestServer[]
}

const storageOptions = (signal: AbortSignal | undefined): { signal?: AbortSignal } =>
  signal ? { signal } : {}

/** Some storage servers in memory, asked in the order of their numbers. */
export async function createGrid(
  count: number,
  options: { readonly?: readonly number[]; takeWholeShares?: boolean } = {},
): Promise<Grid> {
  const transport = memoryTransport()
  const entries = await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const backend = createStorageServer({
        store: createMemoryStore(),
        readonly: options.readonly?.includes(index) ?? false,
      })
      const { announcement } = await transport.serve(backend)
      const { storageServer } = await transport.connect(announcement)
      const server: TestServer = {
        id: `v0-${String(index).padStart(3, '0')}`,
        hooks: {},
        backend,
        advisories: [],
        requests: [],
      }
      const storage = hooked(storageServer, server)
      // What is stored whole does not pass through the writers that the hooks are for.
      if (options.takeWholeShares !== true) delete storage.storeShares
      return { server, storage }
    }),
  )
  return {
    broker: brokerOf(entries.map(({ storage }, index) => serverOf(storage, index))),
    servers: entries.map(({ server }) => server),
  }
}

function hooked(storage: IStorageServer, server: TestServer): IStorageServer {
  const { hooks } = server
  return {
    ...storage,
    storeShares: async (storageIndex, request, requestOptions) => {
      server.requests.push({
        kind: 'storeShares',
        size: sizeOf([...request.shares.values()].flat()),
      })
      await hooks.store?.()
      const result = await storage.storeShares?.(storageIndex, request, requestOptions)
      if (result === undefined) throw new Error('expected a server that can do that')
      return result
    },
    getBuckets: async (storageIndex, options) => {
      server.requests.push({ kind: 'getBuckets', size: 0 })
      await hooks.getBuckets?.()
      const { readAhead: _, ...plain } = options ?? {}
      // Reads are to pass through the hooks.
      const buckets = await storage.getBuckets(storageIndex, plain)
      return new Map([...buckets].map(([share, bucket]) => [share, reader(bucket, share, server)]))
    },
    allocateBuckets: async (storageIndex, request, options) => {
      await hooks.allocate?.()
      const { alreadyGot, writers } = await storage.allocateBuckets(storageIndex, request, options)
      const wrapped = new Map(
        [...writers].map(([share, one]) => [share, writer(one, share, server)]),
      )
      hooks.writers?.(wrapped)
      return { alreadyGot, writers: wrapped }
    },
  }
}

function reader(bucket: RIBucketReader, share: number, server: TestServer): RIBucketReader {
  return {
    read: async (offset, length, options) => {
      server.requests.push({ kind: 'read', size: length })
      const bytes = await bucket.read(offset, length, options)
      const changed = server.hooks.read?.(share, offset, bytes, length) ?? bytes
      if (changed instanceof Uint8Array) return changed
      return unlessAborted(changed, options?.signal)
    },
    adviseCorruptShare: async (reason, options) => {
      server.advisories.push(reason)
      await bucket.adviseCorruptShare(reason, options)
    },
  }
}

function writer(bucket: RIBucketWriter, share: number, server: TestServer): RIBucketWriter {
  return {
    write: async (offset, pieces, options) => {
      const size = sizeOf(pieces)
      server.requests.push({ kind: 'write', size })
      const held = server.hooks.write?.(share, offset, size)
      if (held !== undefined) await unlessAborted(held, options?.signal)
      await bucket.write(offset, pieces, storageOptions(options?.signal))
    },
    close: async (options) => {
      await server.hooks.close?.(share)
      await bucket.close(options)
    },
    abort: (options) => bucket.abort(options),
  }
}

function sizeOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, { length }) => sum + length, 0)
}

function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error)
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    work.then(resolve, reject)
  })
}

/** A promise that is never kept. */
export const forever = (): Promise<never> => new Promise(() => {})
