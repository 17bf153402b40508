import { isStorageError } from '@lafs/storage-interface'
import type { IStorageServer, OperationOptions, RIStorageServer } from '@lafs/storage-interface'

function checked<T>(options: OperationOptions | undefined, run: () => Promise<T>): Promise<T> {
  return options?.signal?.aborted ? Promise.reject(options.signal.reason) : run()
}

function ignoreAbsence(error: unknown): void {
  if (!isStorageError(error, 'STORAGE_NO_SUCH_SHARE')) throw error
}

/** The client's side of a server in the same process, with nothing in between. */
export function directClient(server: RIStorageServer): IStorageServer {
  const client: IStorageServer = {
    getVersion: (options) => checked(options, () => server.getVersion()),
    allocateBuckets: (storageIndex, request, options) =>
      checked(options, () => server.allocateBuckets(storageIndex, request)),
    allocateOpenEnded: (storageIndex, request, options) =>
      checked(options, async () => {
        const allocated = await server.allocateOpenEnded?.(storageIndex, request)
        if (allocated === undefined) throw new Error('expected a server that can do that')
        return allocated
      }),
    storeShares: (storageIndex, request, options) =>
      checked(options, async () => {
        const stored = await server.storeShares?.(storageIndex, request)
        if (stored === undefined) throw new Error('expected a server that can do that')
        return stored
      }),
    addLease: (storageIndex, secrets, options) =>
      checked(options, () => server.addLease(storageIndex, secrets).catch(ignoreAbsence)),
    cancelLease: (storageIndex, shareNumber, cancelSecret, options) =>
      checked(options, () =>
        server.cancelLease(storageIndex, shareNumber, cancelSecret).catch(ignoreAbsence),
      ),
    getBuckets: (storageIndex, options) =>
      checked(options, async () => {
        const numbers = await server.listShares('immutable', storageIndex)
        return new Map(
          [...numbers].map((number) => [
            number,
            {
              read: (offset, length, reading) =>
                checked(reading, async () => {
                  const share = await server.openShare('immutable', storageIndex, number)
                  try {
                    return await share.read(offset, length)
                  } finally {
                    await share.close()
                  }
                }),
              adviseCorruptShare: (reason) =>
                client.adviseCorruptShare('immutable', storageIndex, number, reason),
            },
          ]),
        )
      }),
    slotReadv: (storageIndex, shareNumbers, readVectors, options) =>
      server.slotReadv(storageIndex, shareNumbers, readVectors, options),
    slotTestvAndReadvAndWritev: (storageIndex, secrets, vectors, readVectors, options) =>
      server.slotTestvAndReadvAndWritev(storageIndex, secrets, vectors, readVectors, options),
    adviseCorruptShare: (kind, storageIndex, shareNumber, reason, options) =>
      checked(options, () =>
        server.adviseCorruptShare(kind, storageIndex, shareNumber, reason).catch(ignoreAbsence),
      ),
  }
  return client
}
