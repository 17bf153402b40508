import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

const HEADER_SIZE = 12
const LEASE_SIZE = 72
/** Where the time of expiry stands in a lease: the last 4 bytes. */
const LEASE_EXPIRY_OFFSET = 68

/** An immutable share as a server keeps it on its disk. */
export interface StoredShareFile {
  readonly shareNumber: number
  /** The share, without the container around it. */
  readonly data: Uint8Array
  /** The whole file with the times at which its leases expire set to 0. */
  readonly timeless: Uint8Array
  readonly leaseCount: number
  readonly path: string
}

/** The folder of a file's shares below the folder `shares` of upstream's disk layout. */
export function sharesFolder(storage: string, storageIndex: string): string {
  return join(storage, 'shares', storageIndex.slice(0, 2), storageIndex)
}

/**
 * The shares of one file in a storage folder of upstream's disk layout, by number.
 *
 * @param storageIndex - in base32.
 * @returns none when the server has none.
 */
export async function readStoredShares(
  storage: string,
  storageIndex: string,
): Promise<StoredShareFile[]> {
  const folder = sharesFolder(storage, storageIndex)
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  const numbers = names.map(Number).toSorted((a, b) => a - b)
  return Promise.all(numbers.map((number) => readShare(join(folder, String(number)), number)))
}

/** The shares of one file on many servers, by number. @throws when a number is there twice. */
export async function readGridShares(
  storages: readonly string[],
  storageIndex: string,
): Promise<Map<number, StoredShareFile>> {
  const shares = new Map<number, StoredShareFile>()
  for (const storage of storages) {
    for (const share of await readStoredShares(storage, storageIndex)) {
      if (shares.has(share.shareNumber))
        throw new Error(`share ${share.shareNumber} is there twice`)
      shares.set(share.shareNumber, share)
    }
  }
  return shares
}

async function readShare(path: string, shareNumber: number): Promise<StoredShareFile> {
  const file = new Uint8Array(await readFile(path))
  const leaseCount = new DataView(file.buffer).getUint32(8)
  const dataEnd = file.length - leaseCount * LEASE_SIZE
  const timeless = file.slice()
  for (let lease = dataEnd; lease < file.length; lease += LEASE_SIZE) {
    timeless.fill(0, lease + LEASE_EXPIRY_OFFSET, lease + LEASE_SIZE)
  }
  return { shareNumber, path, leaseCount, timeless, data: file.subarray(HEADER_SIZE, dataEnd) }
}
