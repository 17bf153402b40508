import {
  DataTooLargeError,
  LEASE_SECRET_SIZE,
  MAX_BUCKETS,
  MAX_MUTABLE_SHARE_SIZE,
  STORAGE_INDEX_SIZE,
  StorageError,
  STORE_SIZE_MAX,
  WRITE_ENABLER_SIZE,
} from '@lafs/storage-interface'
import type {
  LeaseSecrets,
  ShareNumber,
  SlotSecrets,
  StorageErrorCode,
  TestWriteVectors,
} from '@lafs/storage-interface'

function checkSize(what: string, bytes: Uint8Array, size: number, code: StorageErrorCode): void {
  if (!(bytes instanceof Uint8Array))
    throw new StorageError(code, `${what}: expected ${size} bytes, got ${typeof bytes}`)
  if (bytes.length !== size)
    throw new StorageError(code, `${what}: expected ${size} bytes, got ${bytes.length}`)
}

/** @throws {@link StorageError} `STORAGE_BAD_STORAGE_INDEX`. */
export function checkStorageIndex(storageIndex: Uint8Array): void {
  checkSize('storage index', storageIndex, STORAGE_INDEX_SIZE, 'STORAGE_BAD_STORAGE_INDEX')
}

/** @throws {@link StorageError} `STORAGE_BAD_SHARE_NUMBER`. */
export function checkShareNumber(shareNumber: number): void {
  if (Number.isInteger(shareNumber) && shareNumber >= 0 && shareNumber < MAX_BUCKETS) return
  const message = `share number: expected an integer in [0, ${MAX_BUCKETS}), got ${shareNumber}`
  throw new StorageError('STORAGE_BAD_SHARE_NUMBER', message)
}

/** @throws {@link StorageError} `STORAGE_BAD_SECRET`. */
export function checkLeaseSecrets(secrets: LeaseSecrets): void {
  checkSize('renew secret', secrets.renewSecret, LEASE_SECRET_SIZE, 'STORAGE_BAD_SECRET')
  checkCancelSecret(secrets.cancelSecret)
}

/** @throws {@link StorageError} `STORAGE_BAD_SECRET`. */
export function checkCancelSecret(cancelSecret: Uint8Array): void {
  checkSize('cancel secret', cancelSecret, LEASE_SECRET_SIZE, 'STORAGE_BAD_SECRET')
}

/** @throws {@link StorageError} `STORAGE_BAD_SECRET`. */
export function checkSlotSecrets(secrets: SlotSecrets): void {
  checkSize('write enabler', secrets.writeEnabler, WRITE_ENABLER_SIZE, 'STORAGE_BAD_SECRET')
  checkLeaseSecrets(secrets)
}

/** @throws {@link StorageError} `STORAGE_BAD_RANGE` unless both, and their sum, are safe and not negative. */
export function checkSpan(what: string, offset: number, size: number): void {
  const safe = Number.isSafeInteger(offset) && Number.isSafeInteger(size)
  if (safe && offset >= 0 && size >= 0 && Number.isSafeInteger(offset + size)) return
  const message = `${what}: expected safe integers >= 0, got offset ${offset} and size ${size}`
  throw new StorageError('STORAGE_BAD_RANGE', message)
}

/** @throws {@link StorageError} `STORAGE_DATA_TOO_LARGE` for shares that are too many bytes together. */
export function checkStoreSize(sizes: ReadonlyMap<ShareNumber, number>): void {
  const size = [...sizes.values()].reduce((sum, each) => sum + each, 0)
  if (size > STORE_SIZE_MAX)
    throw new DataTooLargeError(`expected at most ${STORE_SIZE_MAX} bytes of shares, got ${size}`)
}

/** @throws {@link StorageError} `STORAGE_BAD_RANGE`, `STORAGE_DATA_TOO_LARGE`. */
export function checkVectors({ test, write, newLength }: TestWriteVectors): void {
  for (const { offset, size } of test) checkSpan('test vector', offset, size)
  for (const { offset, data } of write) {
    if (offset + data.length > MAX_MUTABLE_SHARE_SIZE)
      throw new DataTooLargeError('write vector: reaches past the greatest size of a mutable share')
    checkSpan('write vector', offset, data.length)
  }
  if (newLength !== undefined) checkSpan('new length', 0, newLength)
}
