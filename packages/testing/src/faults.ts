import {
  type AllocateResult,
  type IStorageServer,
  type OperationOptions,
  type ResumedUpload,
  type RIBucketReader,
  type RIBucketWriter,
  type ServerVersion,
  StorageError,
} from '@lafs/storage-interface'
import { taken } from './taken.ts'

/** The operations of a storage server, its readers and its writers, each by one name. */
export type OperationName =
  | keyof IStorageServer
  | 'writer.write'
  | 'writer.close'
  | 'writer.abort'
  | 'writer.resize'
  | 'reader.read'
  | 'reader.adviseCorruptShare'

/** What a fault does around one operation: run it, change what it gives, fail, or wait. */
export type Fault = <T>(
  name: OperationName,
  operation: () => Promise<T>,
  options?: OperationOptions,
) => Promise<T>

/** A storage server with a fault around every operation of it, its readers and its writers. */
export function withFault(server: IStorageServer, fault: Fault): IStorageServer {
  return {
    getVersion: (options) => fault('getVersion', () => server.getVersion(options), options),
    allocateBuckets: async (storageIndex, request, options) => {
      const allocate = (): ReturnType<IStorageServer['allocateBuckets']> =>
        server.allocateBuckets(storageIndex, request, options)
      const { alreadyGot, writers } = await fault('allocateBuckets', allocate, options)
      const wrapped = [...writers].map(
        ([n, writer]) => [n, writerWithFault(writer, fault)] as const,
      )
      return { alreadyGot, writers: new Map(wrapped) }
    },
    ...(server.allocateOpenEnded && {
      allocateOpenEnded: async (storageIndex, request, options) => {
        const allocate = (): Promise<AllocateResult> =>
          taken(server.allocateOpenEnded?.(storageIndex, request, options))
        const { alreadyGot, writers } = await fault('allocateOpenEnded', allocate, options)
        const wrapped = [...writers].map(
          ([n, writer]) => [n, writerWithFault(writer, fault)] as const,
        )
        return { alreadyGot, writers: new Map(wrapped) }
      },
    }),
    ...(server.resumeUpload && {
      resumeUpload: async (storageIndex, shareNumber, request, options) => {
        const resume = (): Promise<ResumedUpload> =>
          taken(server.resumeUpload?.(storageIndex, shareNumber, request, options))
        const { writer, missing } = await fault('resumeUpload', resume, options)
        return { writer: writerWithFault(writer, fault), missing }
      },
    }),
    ...(server.storeShares && {
      storeShares: (storageIndex, request, options) =>
        fault(
          'storeShares',
          () => taken(server.storeShares?.(storageIndex, request, options)),
          options,
        ),
    }),
    addLease: (storageIndex, secrets, options) =>
      fault('addLease', () => server.addLease(storageIndex, secrets, options), options),
    cancelLease: (storageIndex, shareNumber, cancelSecret, options) =>
      fault(
        'cancelLease',
        () => server.cancelLease(storageIndex, shareNumber, cancelSecret, options),
        options,
      ),
    getBuckets: async (storageIndex, options) => {
      const list = (): ReturnType<IStorageServer['getBuckets']> =>
        server.getBuckets(storageIndex, options)
      const readers = await fault('getBuckets', list, options)
      return new Map([...readers].map(([n, reader]) => [n, readerWithFault(reader, fault)]))
    },
    slotReadv: (storageIndex, shareNumbers, readVectors, options) =>
      fault(
        'slotReadv',
        () => server.slotReadv(storageIndex, shareNumbers, readVectors, options),
        options,
      ),
    slotTestvAndReadvAndWritev: (storageIndex, secrets, testWriteVectors, readVectors, options) =>
      fault(
        'slotTestvAndReadvAndWritev',
        () =>
          server.slotTestvAndReadvAndWritev(
            storageIndex,
            secrets,
            testWriteVectors,
            readVectors,
            options,
          ),
        options,
      ),
    adviseCorruptShare: (kind, storageIndex, shareNumber, reason, options) =>
      fault(
        'adviseCorruptShare',
        () => server.adviseCorruptShare(kind, storageIndex, shareNumber, reason, options),
        options,
      ),
  }
}

function writerWithFault(writer: RIBucketWriter, fault: Fault): RIBucketWriter {
  return {
    write: (offset, pieces, options) =>
      fault('writer.write', () => writer.write(offset, pieces, options), options),
    close: (options) => fault('writer.close', () => writer.close(options), options),
    abort: (options) => fault('writer.abort', () => writer.abort(options), options),
    ...(writer.resize && {
      resize: (size, options) =>
        fault('writer.resize', () => taken(writer.resize?.(size, options)), options),
    }),
  }
}

function readerWithFault(reader: RIBucketReader, fault: Fault): RIBucketReader {
  return {
    read: (offset, length, options) =>
      fault('reader.read', () => reader.read(offset, length, options), options),
    adviseCorruptShare: (reason, options) =>
      fault('reader.adviseCorruptShare', () => reader.adviseCorruptShare(reason, options), options),
  }
}

/** Names of operations that a fault is kept to. Default: all of them. */
export interface OnlyOptions {
  readonly only?: readonly OperationName[]
}

function concerns({ only }: OnlyOptions, name: OperationName): boolean {
  return only === undefined || only.includes(name)
}

/** Share data passes through `change`, whatever way it is read. */
function changingData(change: (data: Uint8Array) => Uint8Array): Fault {
  return async (name, operation) => {
    const result = await operation()
    if (name === 'reader.read' && result instanceof Uint8Array) {
      return change(result) as typeof result
    }
    if (name === 'slotReadv' && result instanceof Map) {
      const entries = [...(result as Map<number, Uint8Array[]>)]
      const changed = entries.map(([number, reads]) => [number, reads.map(change)] as const)
      return new Map(changed) as typeof result
    }
    return result
  }
}

/**
 * One bit of every read is wrong.
 *
 * @param bit - which one, counted from the first byte's lowest; past the end: the last byte's lowest.
 */
export function flipBit(server: IStorageServer, bit = 0): IStorageServer {
  return withFault(
    server,
    changingData((data) => {
      const flipped = data.slice()
      const at = Math.min(bit >> 3, data.length - 1)
      if (at >= 0) flipped[at] = (flipped[at] ?? 0) ^ (1 << (bit >> 3 === at ? bit & 7 : 0))
      return flipped
    }),
  )
}

/** Every read ends `bytes` too early. */
export function truncate(server: IStorageServer, bytes = 1): IStorageServer {
  return withFault(
    server,
    changingData((data) => data.slice(0, Math.max(0, data.length - bytes))),
  )
}

/** The first operation that it concerns fails; what comes later does not. */
export function failOnce(
  server: IStorageServer,
  options: OnlyOptions = {},
  error: Error = brokenConnection(),
): IStorageServer {
  let failed = false
  return withFault(server, async (name, operation) => {
    if (failed || !concerns(options, name)) return operation()
    failed = true
    throw error
  })
}

/** Every operation that it concerns fails. */
export function alwaysFail(
  server: IStorageServer,
  options: OnlyOptions = {},
  error: Error = brokenConnection(),
): IStorageServer {
  return withFault(server, async (name, operation) => {
    if (concerns(options, name)) throw error
    return operation()
  })
}

/** Every operation that it concerns begins later. */
export function delay(
  server: IStorageServer,
  milliseconds: number,
  options: OnlyOptions = {},
): IStorageServer {
  return withFault(server, async (name, operation, { signal } = {}) => {
    if (concerns(options, name)) {
      await until(signal, (done) => {
        const timer = setTimeout(done, milliseconds)
        return () => clearTimeout(timer)
      })
    }
    return operation()
  })
}

/** Every operation that it concerns says nothing until its signal aborts. */
export function stall(server: IStorageServer, options: OnlyOptions = {}): IStorageServer {
  return withFault(server, async (name, operation, { signal } = {}) => {
    if (concerns(options, name)) await until(signal, () => () => {})
    return operation()
  })
}

/** After `operationCount` operations the server cannot be talked to any more. */
export function dropConnection(server: IStorageServer, operationCount = 0): IStorageServer {
  let left = operationCount
  return withFault(server, async (_, operation) => {
    left -= 1
    if (left < 0) throw brokenConnection()
    return operation()
  })
}

/** The server says other things of itself than are true. */
export function lieAboutVersion(
  server: IStorageServer,
  lies: Partial<ServerVersion>,
): IStorageServer {
  return {
    ...withFault(server, (_, operation) => operation()),
    getVersion: async (options) => ({ ...(await server.getVersion(options)), ...lies }),
  }
}

/** Options of {@link faulty}. */
export interface FaultyOptions extends OnlyOptions {
  /** How likely an operation is to fail, from 0 to 1. */
  readonly rate: number
  /** Numbers in `[0, 1)` that decide; see `seededRandom`. */
  readonly random?: () => number
}

/** Operations fail by chance. With a rate of 0 it must be as good as the server itself. */
export function faulty(server: IStorageServer, options: FaultyOptions): IStorageServer {
  const random = options.random ?? Math.random
  return withFault(server, async (name, operation) => {
    if (concerns(options, name) && random() < options.rate) throw brokenConnection()
    return operation()
  })
}

function brokenConnection(): StorageError {
  return new StorageError('STORAGE_UNREACHABLE', 'the connection was dropped on purpose')
}

/** Waits for `begin` to call back; rejects when the signal aborts before. */
async function until(
  signal: AbortSignal | undefined,
  begin: (done: () => void) => () => void,
): Promise<void> {
  signal?.throwIfAborted()
  await new Promise<void>((resolve, reject) => {
    const cancel = begin(resolve)
    signal?.addEventListener(
      'abort',
      () => {
        cancel()
        reject(signal.reason)
      },
      { once: true },
    )
  })
}
