import { sameBytes } from '@lafs/crypto'
import { BadWriteEnablerError, DataTooLargeError, StorageError } from '@lafs/storage-interface'
import type {
  IShareStore,
  ReadVector,
  ShareNumber,
  StorageIndex,
  StoredShare,
  TestWriteVectors,
} from '@lafs/storage-interface'

/**
 * Opens every share of a mutable slot and makes sure that a write enabler is that of all of them.
 *
 * @throws {@link StorageError} `STORAGE_BAD_WRITE_ENABLER`, and what opening a damaged share throws.
 */
export async function openSlot(
  store: IShareStore,
  storageIndex: StorageIndex,
  writeEnabler: Uint8Array,
): Promise<Map<ShareNumber, StoredShare>> {
  const opened = new Map<ShareNumber, StoredShare>()
  try {
    for (const shareNumber of await store.shareNumbers(storageIndex)) {
      const share = await store.open(storageIndex, shareNumber)
      opened.set(shareNumber, share)
      if (share.kind !== 'mutable')
        throw new StorageError(
          'STORAGE_UNKNOWN_CONTAINER_VERSION',
          `share ${shareNumber} is no mutable container`,
          { shareNumber },
        )
      if (!share.writeEnablerMatches(writeEnabler))
        throw new BadWriteEnablerError(`share ${shareNumber} was made with another write enabler`, {
          shareNumber,
        })
    }
    return opened
  } catch (error) {
    await closeAll(opened)
    throw error
  }
}

export async function closeAll(shares: ReadonlyMap<ShareNumber, StoredShare>): Promise<void> {
  for (const share of shares.values()) await share.close()
}

/** How many bytes of a share stand in a span of it. */
function lengthOf(share: StoredShare | undefined, { offset, size }: ReadVector): number {
  return Math.max(0, Math.min(size, (share?.length ?? 0) - offset))
}

/** Whether every test of every share holds. A share that is not there tests as empty. */
export async function testsHold(
  shares: ReadonlyMap<ShareNumber, StoredShare>,
  vectors: ReadonlyMap<ShareNumber, TestWriteVectors>,
): Promise<boolean> {
  for (const [shareNumber, { test }] of vectors) {
    const share = shares.get(shareNumber)
    for (const { offset, size, specimen } of test) {
      // So that no more is read than the message has.
      if (lengthOf(share, { offset, size }) !== specimen.length) return false
      if (share !== undefined && !sameBytes(await share.read(offset, size), specimen)) return false
    }
  }
  return true
}

/** What is read beside a write is held in memory: no more bytes than clients take in an answer. */
const READ_SIZE_MAX: number = 32 * 1024 * 1024

/** @throws {@link StorageError} `STORAGE_DATA_TOO_LARGE` for spans of shares that are too many bytes together. */
export function checkReadSize(
  shares: ReadonlyMap<ShareNumber, StoredShare>,
  readVectors: readonly ReadVector[],
): void {
  let size = 0
  for (const share of shares.values())
    for (const vector of readVectors) size += lengthOf(share, vector)
  if (size > READ_SIZE_MAX)
    throw new DataTooLargeError(`expected to read at most ${READ_SIZE_MAX} bytes, got ${size}`)
}

/** One byte string a read vector. */
export function readSpans(
  share: StoredShare,
  readVectors: readonly ReadVector[],
): Promise<Uint8Array[]> {
  return Promise.all(readVectors.map(({ offset, size }) => share.read(offset, size)))
}
