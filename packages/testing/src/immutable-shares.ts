import type { RIStorageServer, ShareNumber } from '@lafs/storage-interface'

/** A server that a test reaches behind whatever stands between it and its clients. */
interface Holder {
  readonly backend: RIStorageServer
}

/**
 * Stores immutable shares on a server as they stand.
 *
 * @throws Error when it holds one of them already.
 */
export async function storeShares(
  { backend }: Holder,
  storageIndex: Uint8Array,
  shares: ReadonlyMap<ShareNumber, Uint8Array>,
): Promise<void> {
  for (const [share, data] of shares) {
    const { writers } = await backend.allocateBuckets(storageIndex, {
      renewSecret: new Uint8Array(32),
      cancelSecret: new Uint8Array(32),
      shareNumbers: new Set([share]),
      allocatedSize: data.length,
    })
    const bucket = writers.get(share)
    if (bucket === undefined) throw new Error(`share ${share} is there already`)
    await bucket.write(0, [data])
    await bucket.close()
  }
}

/** The immutable shares that a server holds, whole. */
export async function sharesOn(
  { backend }: Holder,
  storageIndex: Uint8Array,
): Promise<Map<ShareNumber, Uint8Array>> {
  const shares = new Map<ShareNumber, Uint8Array>()
  for (const share of await backend.listShares('immutable', storageIndex)) {
    const reading = await backend.openShare('immutable', storageIndex, share)
    shares.set(share, await reading.read(0, reading.length))
    await reading.close()
  }
  return shares
}
