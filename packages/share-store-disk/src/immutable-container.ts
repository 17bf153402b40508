import { NoSpaceError, StorageError } from '@lafs/storage-interface'
import type { Lease, StoredLease } from '@lafs/storage-interface'
import { uint32, viewOf } from './bytes.ts'
import { readExactly, type ShareBytes } from './share-bytes.ts'
import {
  expiryField,
  isStoredSecret,
  storedLease,
  storedSecret,
  type ContainerVersion,
} from './leases.ts'

/*
 * offset  size  field
 * 0       4     version, 1 or 2
 * 4       4     bytes of data, or 2**32 - 1 if that is less (version 1 once held them modulo 2**32)
 * 8       4     number of leases
 * 12      n     data; its size is what the leases leave of the file
 * 12 + n  72 a lease
 *   0     4     owner number
 *   4     32    renew secret (version 2: its hash)
 *   36    32    cancel secret (version 2: its hash)
 *   68    4     when it ends, seconds since 1970
 */
export const IMMUTABLE_HEADER_SIZE = 12
const LEASE_COUNT_OFFSET = 8
const LEASE_SIZE = 72
const LEASE_EXPIRY_OFFSET = 68
const MAX_SIZE_FIELD = 0xffff_ffff

/** What the header and the size of an immutable container say. */
export interface ImmutableContainer {
  readonly version: ContainerVersion
  readonly dataLength: number
  readonly leaseCount: number
  /** Whether adding a lease in place survives a crash: see {@link parseImmutable}. */
  readonly recoverable: boolean
  /** Whether the leases stand where the size field has data: one of the two fields is damaged. */
  readonly leasesInData: boolean
}

/** The header of a new container (version 2) for `size` bytes of data and one lease. */
export function immutableHeader(size: number): Uint8Array {
  const header = new Uint8Array(IMMUTABLE_HEADER_SIZE)
  const view = viewOf(header)
  view.setUint32(0, 2)
  view.setUint32(4, Math.min(size, MAX_SIZE_FIELD))
  view.setUint32(LEASE_COUNT_OFFSET, 1)
  return header
}

/**
 * Reads a header, whose version must be known to be 1 or 2.
 *
 * A lease is added in two steps, its record first and then the count. A crash between them leaves up
 * to 72 bytes that belong to nothing; they show as a file that is so much longer than the size field
 * says, and are not taken for data.
 *
 * @throws {@link StorageError} `STORAGE_BAD_SHARE` when the leases do not fit in the file.
 */
export function parseImmutable(header: Uint8Array, fileSize: number): ImmutableContainer {
  const view = viewOf(header)
  const version = view.getUint32(0) === 1 ? 1 : 2
  const sizeField = view.getUint32(4)
  const leaseCount = view.getUint32(LEASE_COUNT_OFFSET)
  const dataLength = fileSize - IMMUTABLE_HEADER_SIZE - leaseCount * LEASE_SIZE
  if (dataLength < 0) {
    const message = `immutable container: ${leaseCount} leases do not fit in ${fileSize} bytes`
    throw new StorageError('STORAGE_BAD_SHARE', message)
  }
  const excess = dataLength - sizeField
  const recoverable = sizeField < MAX_SIZE_FIELD && excess >= 0 && excess <= LEASE_SIZE
  const interrupted = recoverable && excess > 0 && excess <= LEASE_SIZE
  const length = interrupted ? sizeField : dataLength
  const leasesInData = sizeField < MAX_SIZE_FIELD && excess < 0
  return { version, dataLength: length, leaseCount, recoverable, leasesInData }
}

/** A lease as a container of this version holds it. */
export function immutableLease(version: ContainerVersion, lease: Lease): Uint8Array {
  const record = new Uint8Array(LEASE_SIZE)
  const view = viewOf(record)
  view.setUint32(0, lease.ownerNumber)
  record.set(storedSecret(version, lease.renewSecret), 4)
  record.set(storedSecret(version, lease.cancelSecret), 36)
  view.setUint32(LEASE_EXPIRY_OFFSET, expiryField(lease))
  return record
}

function leasesOffset({ dataLength }: ImmutableContainer): number {
  return IMMUTABLE_HEADER_SIZE + dataLength
}

async function leaseRecords(
  file: ShareBytes,
  container: ImmutableContainer,
): Promise<Uint8Array[]> {
  // What looks like a lease that has ended could be data, and go with it.
  if (container.leasesInData)
    throw new StorageError('STORAGE_BAD_SHARE', 'immutable container: leases stand in the data')
  const bytes = await readExactly(file, leasesOffset(container), container.leaseCount * LEASE_SIZE)
  return Array.from({ length: container.leaseCount }, (_, i) =>
    bytes.subarray(i * LEASE_SIZE, (i + 1) * LEASE_SIZE),
  )
}

/** The leases of an immutable container, in the order in which they were added. */
export async function immutableLeases(
  file: ShareBytes,
  container: ImmutableContainer,
): Promise<StoredLease[]> {
  const records = await leaseRecords(file, container)
  return records.map((record) => asStored(container.version, record))
}

function asStored(version: ContainerVersion, record: Uint8Array): StoredLease {
  const view = viewOf(record)
  const cancelSecret = record.subarray(36, 68)
  return storedLease(version, view.getUint32(0), view.getUint32(LEASE_EXPIRY_OFFSET), cancelSecret)
}

/**
 * Puts off the end of the lease with the same renew secret.
 *
 * @returns whether there is one.
 */
export async function renewImmutableLease(
  file: ShareBytes,
  container: ImmutableContainer,
  lease: Lease,
): Promise<boolean> {
  const secret = storedSecret(container.version, lease.renewSecret)
  const records = await leaseRecords(file, container)
  const index = records.findIndex((record) => isStoredSecret(record.subarray(4, 36), secret))
  const record = records[index]
  if (record === undefined) return false
  const expiry = expiryField(lease)
  const position = leasesOffset(container) + index * LEASE_SIZE + LEASE_EXPIRY_OFFSET
  if (expiry > viewOf(record).getUint32(LEASE_EXPIRY_OFFSET))
    await file.write(position, [uint32(expiry)])
  return true
}

/** Adds a lease after the others: the record first, then the count. */
export async function addImmutableLease(
  file: ShareBytes,
  container: ImmutableContainer,
  lease: Lease,
  room: number,
): Promise<void> {
  if (LEASE_SIZE > room) throw new NoSpaceError(`no room for a lease of ${LEASE_SIZE} bytes`)
  const { version, leaseCount } = container
  const position = leasesOffset(container) + leaseCount * LEASE_SIZE
  await file.write(position, [immutableLease(version, lease)])
  await file.flush()
  await file.write(LEASE_COUNT_OFFSET, [uint32(leaseCount + 1)])
}

/** A share file whose end can be cut off. */
export interface CuttableBytes extends ShareBytes {
  /** Settles once the file is shorter for good. */
  truncate(size: number): Promise<void>
}

/**
 * Removes leases by their index, but not all of them. One after the other: the last record takes the
 * place of the lease, the count falls, the file ends earlier. Each step is on the disk before the next
 * and leaves a container that is whole: it has a lease twice, or bytes at its end that belong to
 * nothing, which only a recoverable header can tell.
 *
 * @param indexes - in rising order.
 */
export async function removeImmutableLeases(
  file: CuttableBytes,
  container: ImmutableContainer,
  indexes: readonly number[],
): Promise<void> {
  const positionOf = (index: number): number => leasesOffset(container) + index * LEASE_SIZE
  let left = container.leaseCount
  for (const index of indexes.toReversed()) {
    left -= 1
    if (index < left) {
      await file.write(positionOf(index), [await readExactly(file, positionOf(left), LEASE_SIZE)])
      await file.flush()
    }
    await file.write(LEASE_COUNT_OFFSET, [uint32(left)])
    await file.flush()
    await file.truncate(positionOf(left))
  }
}
