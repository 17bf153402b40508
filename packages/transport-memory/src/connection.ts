import {
  isStorageError,
  type IStorageServer,
  type OperationOptions,
  type RIBucketReader,
  type RIBucketWriter,
  type RIStorageServer,
  type ServedBucketWriter,
  type ShareNumber,
  type StorageConnection,
  StorageError,
  type StorageIndex,
} from '@lafs/storage-interface'
import { onAbort } from '@lafs/storage-protocol'

/** Runs one operation; rejects when it does, and when its signal aborts or the connection ends. */
type Run = <T>(options: OperationOptions | undefined, operation: () => Promise<T>) => Promise<T>

/** The client's side of a server in the same process. */
export function connectTo(server: RIStorageServer, isServed: () => boolean): StorageConnection {
  const ended = new AbortController()
  const run: Run = async (options, operation) => {
    if (!isServed()) {
      throw new StorageError('STORAGE_UNREACHABLE', 'the server is not served any more')
    }
    const signals = options?.signal === undefined ? [ended.signal] : [ended.signal, options.signal]
    return settleBefore(signals, operation)
  }
  const close = async (): Promise<void> => {
    ended.abort(new StorageError('STORAGE_CLOSED', 'the connection has been closed'))
  }
  return { storageServer: clientSide(server, run), close, [Symbol.asyncDispose]: close }
}

/** What an operation gives, unless one of the signals aborts before. */
async function settleBefore<T>(
  signals: readonly AbortSignal[],
  operation: () => Promise<T>,
): Promise<T> {
  for (const signal of signals) signal.throwIfAborted()
  let forget: (() => void)[] = []
  const aborted = new Promise<never>((_, reject) => {
    forget = signals.map((signal) => onAbort(signal, () => reject(signal.reason)))
  })
  try {
    return await Promise.race([operation(), aborted])
  } finally {
    for (const each of forget) each()
  }
}

function clientSide(server: RIStorageServer, run: Run): IStorageServer {
  return {
    getVersion: (options) => run(options, () => server.getVersion()),
    allocateBuckets: (storageIndex, request, options) =>
      run(options, async () => {
        const { alreadyGot, writers } = await server.allocateBuckets(storageIndex, request)
        remember(server, storageIndex, writers, request.uploadSecret)
        const entries = [...writers].map(([n, writer]) => [n, clientWriter(writer, run)] as const)
        return { alreadyGot, writers: new Map(entries) }
      }),
    ...(server.allocateOpenEnded && {
      allocateOpenEnded: (storageIndex, request, options) =>
        run(options, async () => {
          const allocating = server.allocateOpenEnded?.(storageIndex, request)
          const { alreadyGot, writers } = await (allocating ?? notSupported())
          const entries = [...writers].map(([n, writer]) => [n, clientWriter(writer, run)] as const)
          return { alreadyGot, writers: new Map(entries) }
        }),
    }),
    resumeUpload: (storageIndex, shareNumber, { uploadSecret, firstBytes }, options) =>
      run(options, async () => {
        const writer = openUpload(server, storageIndex, shareNumber, uploadSecret)
        await writer.write(0, [firstBytes])
        return { writer: clientWriter(writer, run), missing: writer.requiredRanges() }
      }),
    ...(server.storeShares && {
      storeShares: (storageIndex, request, options) =>
        run(options, async () => server.storeShares?.(storageIndex, request) ?? notSupported()),
    }),
    addLease: (storageIndex, secrets, options) =>
      run(options, () => ignoreAbsence(server.addLease(storageIndex, secrets))),
    cancelLease: (storageIndex, shareNumber, cancelSecret, options) =>
      run(options, () =>
        ignoreAbsence(server.cancelLease(storageIndex, shareNumber, cancelSecret)),
      ),
    getBuckets: (storageIndex, options) =>
      run(options, async () => {
        const shareNumbers = await server.listShares('immutable', storageIndex)
        const entries = [...shareNumbers].map(
          (number) => [number, clientReader(server, run, storageIndex, number)] as const,
        )
        return new Map(entries)
      }),
    slotReadv: (storageIndex, shareNumbers, readVectors, options) =>
      run(options, () => server.slotReadv(storageIndex, shareNumbers, readVectors, options)),
    slotTestvAndReadvAndWritev: (storageIndex, secrets, testWriteVectors, readVectors, options) =>
      run(options, () =>
        server.slotTestvAndReadvAndWritev(
          storageIndex,
          secrets,
          testWriteVectors,
          readVectors,
          options,
        ),
      ),
    adviseCorruptShare: (kind, storageIndex, shareNumber, reason, options) =>
      run(options, () =>
        ignoreAbsence(server.adviseCorruptShare(kind, storageIndex, shareNumber, reason)),
      ),
  }
}

interface Upload {
  readonly writer: ServedBucketWriter
  readonly secret: Uint8Array
}

/** The uploads under way on each server that can be taken up again, whichever connection began them. */
const uploads = new WeakMap<RIStorageServer, Map<string, Upload>>()

function uploadKey(storageIndex: StorageIndex, shareNumber: ShareNumber): string {
  return `${storageIndex.join('.')}/${shareNumber}`
}

function remember(
  server: RIStorageServer,
  storageIndex: StorageIndex,
  writers: ReadonlyMap<ShareNumber, ServedBucketWriter>,
  secret: Uint8Array | undefined,
): void {
  if (secret === undefined) return
  const known = uploads.get(server) ?? new Map<string, Upload>()
  uploads.set(server, known)
  for (const [shareNumber, writer] of writers) {
    const key = uploadKey(storageIndex, shareNumber)
    known.set(key, { writer, secret: secret.slice() })
    const forget = (): void => {
      if (known.get(key)?.writer === writer) known.delete(key)
    }
    writer.ended.addEventListener('abort', forget, { once: true })
  }
}

function openUpload(
  server: RIStorageServer,
  storageIndex: StorageIndex,
  shareNumber: ShareNumber,
  secret: Uint8Array,
): ServedBucketWriter {
  const upload = uploads.get(server)?.get(uploadKey(storageIndex, shareNumber))
  if (upload === undefined) {
    throw new StorageError('STORAGE_NO_SUCH_SHARE', 'there is no such upload', { shareNumber })
  }
  const { length } = secret
  if (length !== upload.secret.length || secret.some((byte, at) => byte !== upload.secret[at])) {
    throw new StorageError('STORAGE_UNAUTHORIZED', 'the upload has another secret', { shareNumber })
  }
  return upload.writer
}

function clientWriter(writer: RIBucketWriter, run: Run): RIBucketWriter {
  return {
    write: (offset, pieces, options) => run(options, () => writer.write(offset, pieces, options)),
    close: (options) => run(options, () => writer.close(options)),
    abort: (options) => run(options, () => writer.abort(options)),
    resize: (size, options) =>
      run(options, async () => writer.resize?.(size, options) ?? notSupported()),
  }
}

function notSupported(): never {
  throw new StorageError('STORAGE_NOT_SUPPORTED', 'the server has no such operation')
}

function clientReader(
  server: RIStorageServer,
  run: Run,
  storageIndex: StorageIndex,
  shareNumber: ShareNumber,
): RIBucketReader {
  return {
    read: (offset, length, options) =>
      run(options, async () => {
        const reader = await server.openShare('immutable', storageIndex, shareNumber)
        try {
          return await reader.read(offset, length, options)
        } finally {
          await reader.close()
        }
      }),
    adviseCorruptShare: (reason, options) =>
      run(options, () =>
        ignoreAbsence(server.adviseCorruptShare('immutable', storageIndex, shareNumber, reason)),
      ),
  }
}

/** What a client does not want to hear about: that there is no share to do it to. */
async function ignoreAbsence(operation: Promise<void>): Promise<void> {
  try {
    await operation
  } catch (error) {
    if (!isStorageError(error, 'STORAGE_NO_SUCH_SHARE')) throw error
  }
}
