import { NODE_ID_SIZE, NoSpaceError, StorageError } from '@lafs/storage-interface'
import type { Lease, SlotChange, StoredLease } from '@lafs/storage-interface'
import { uint32, uint64, viewOf } from './bytes.ts'
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
 * 0       32    magic
 * 32      20    id of the node that made the share
 * 52      32    write enabler
 * 84      8     bytes of data
 * 92      8     offset of the extra leases: 468 + the greatest size that the data ever had
 * 100     368   4 leases
 * 468     n     data
 * at 92   4     number of extra leases
 * + 4     92 an extra lease
 *   0     4     owner number, 0 for an empty slot
 *   4     4     when it ends, seconds since 1970
 *   8     32    renew secret (version 2: its hash)
 *   40    32    cancel secret (version 2: its hash)
 *   72    20    id of the node that took the lease
 */
export const MUTABLE_HEADER_SIZE = 100
const NODE_ID_OFFSET = 32
const WRITE_ENABLER_OFFSET = 52
const DATA_LENGTH_OFFSET = 84
const EXTRA_LEASES_OFFSET = 92
const LEASE_SIZE = 92
const HEADER_LEASES = 4
export const MUTABLE_DATA_OFFSET: number = MUTABLE_HEADER_SIZE + HEADER_LEASES * LEASE_SIZE
const LEASE_EXPIRY_OFFSET = 4
const ZEROS = new Uint8Array(64 * 1024)

/** A line for people and five bytes that no text has. @see allmydata.storage.mutable_schema._magic */
const MAGICS: readonly (readonly [ContainerVersion, Uint8Array])[] = [
  [1, magic('Tahoe mutable container v1\n', 0x75, 0x09, 0x44, 0x03, 0x8e)],
  [2, magic('Tahoe mutable container v2\n', 0xc3, 0x55, 0x21, 0x99, 0x25)],
]

function magic(line: string, ...rest: readonly number[]): Uint8Array {
  return Uint8Array.from([...new TextEncoder().encode(line), ...rest])
}

/** The version of a mutable container by its first 32 bytes; undefined when it is none. */
export function mutableVersion(header: Uint8Array): ContainerVersion | undefined {
  return MAGICS.find(([, bytes]) => bytes.every((byte, i) => byte === header[i]))?.[0]
}

/** What the header of a mutable container says. */
export interface MutableContainer {
  readonly version: ContainerVersion
  readonly writeEnabler: Uint8Array
  readonly dataLength: number
  readonly extraLeasesOffset: number
}

/**
 * Reads the first 100 bytes of a mutable container.
 *
 * @throws {@link StorageError} `STORAGE_BAD_SHARE` when the data does not fit in the file.
 */
export function parseMutable(
  version: ContainerVersion,
  header: Uint8Array,
  fileSize: number,
): MutableContainer {
  const view = viewOf(header)
  const dataLength = Number(view.getBigUint64(DATA_LENGTH_OFFSET))
  const extraLeasesOffset = Number(view.getBigUint64(EXTRA_LEASES_OFFSET))
  if (MUTABLE_DATA_OFFSET + dataLength > fileSize)
    throw damaged(`${dataLength} bytes of data do not fit in a file of ${fileSize}`)
  const writeEnabler = header.slice(WRITE_ENABLER_OFFSET, DATA_LENGTH_OFFSET)
  return { version, writeEnabler, dataLength, extraLeasesOffset }
}

function damaged(what: string): StorageError {
  return new StorageError('STORAGE_BAD_SHARE', `mutable container: ${what}`)
}

/** A new container (version 2) without data and leases. */
export function emptyMutable(nodeId: Uint8Array, writeEnabler: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(MUTABLE_DATA_OFFSET + 4)
  const [, version2] = MAGICS
  if (version2 !== undefined) bytes.set(version2[1])
  bytes.set(nodeId, NODE_ID_OFFSET)
  bytes.set(writeEnabler, WRITE_ENABLER_OFFSET)
  bytes.set(uint64(MUTABLE_DATA_OFFSET), EXTRA_LEASES_OFFSET)
  return bytes
}

/**
 * Applies a change to the data, as upstream does it in place: the container grows and never shrinks,
 * so that bytes which a shorter length cuts off stay in the file until they are written over.
 *
 * A crash amid this leaves rubbish: it is meant for a copy.
 */
export async function changeMutable(
  file: ShareBytes,
  container: MutableContainer,
  { writes, newLength }: SlotChange,
): Promise<MutableContainer> {
  let { dataLength, extraLeasesOffset } = container
  for (const { offset, data } of writes) {
    const end = offset + data.length
    if (end >= dataLength) {
      const size = await file.size()
      if (MUTABLE_DATA_OFFSET + end > extraLeasesOffset) {
        const now = { dataLength, extraLeasesOffset }
        await moveExtraLeases(file, now, MUTABLE_DATA_OFFSET + end)
        extraLeasesOffset = MUTABLE_DATA_OFFSET + end
      }
      // Past the old end of the file a hole reads as zeros by itself.
      const hole = Math.min(MUTABLE_DATA_OFFSET + offset, size)
      await writeZeros(file, MUTABLE_DATA_OFFSET + dataLength, hole)
      dataLength = end
    }
    await file.write(MUTABLE_DATA_OFFSET + offset, [data])
  }
  if (newLength !== undefined) dataLength = Math.min(dataLength, newLength)
  await file.write(DATA_LENGTH_OFFSET, [uint64(dataLength), uint64(extraLeasesOffset)])
  return { ...container, dataLength, extraLeasesOffset }
}

async function writeZeros(file: ShareBytes, begin: number, end: number): Promise<void> {
  for (let at = begin; at < end; at += ZEROS.length)
    await file.write(at, [ZEROS.subarray(0, Math.min(ZEROS.length, end - at))])
}

/** What of a header says where the extra leases stand. */
type ExtraLeases = Pick<MutableContainer, 'dataLength' | 'extraLeasesOffset'>

async function moveExtraLeases(file: ShareBytes, extra: ExtraLeases, to: number): Promise<void> {
  const from = extra.extraLeasesOffset
  const count = await extraLeaseCount(file, extra)
  const size = 4 + count * LEASE_SIZE
  const leases = await readExactly(file, from, size)
  await writeZeros(file, from, from + size)
  await file.write(to, [leases])
}

async function extraLeaseCount(
  file: ShareBytes,
  { dataLength, extraLeasesOffset: offset }: ExtraLeases,
): Promise<number> {
  const size = await file.size()
  if (offset < MUTABLE_DATA_OFFSET + dataLength || offset + 4 > size)
    throw damaged(`extra leases at ${offset} in a file of ${size} bytes, ${dataLength} of data`)
  const count = viewOf(await readExactly(file, offset, 4)).getUint32(0)
  if (offset + 4 + count * LEASE_SIZE > size)
    throw damaged(`${count} extra leases at ${offset} do not fit in a file of ${size} bytes`)
  return count
}

/** A place for a lease, filled or not. */
interface LeaseSlot {
  readonly position: number
  readonly record: Uint8Array
}

async function leaseSlots(file: ShareBytes, container: MutableContainer): Promise<LeaseSlot[]> {
  const count = await extraLeaseCount(file, container)
  const groups = [
    { offset: MUTABLE_HEADER_SIZE, count: HEADER_LEASES },
    { offset: container.extraLeasesOffset + 4, count },
  ]
  const slots: LeaseSlot[] = []
  for (const group of groups) {
    const bytes = await readExactly(file, group.offset, group.count * LEASE_SIZE)
    for (let at = 0; at < bytes.length; at += LEASE_SIZE)
      slots.push({ position: group.offset + at, record: bytes.subarray(at, at + LEASE_SIZE) })
  }
  return slots
}

const isFilled = ({ record }: LeaseSlot): boolean => viewOf(record).getUint32(0) !== 0

/** The leases of a mutable container, in the order of their slots. */
export async function mutableLeases(
  file: ShareBytes,
  container: MutableContainer,
): Promise<StoredLease[]> {
  const slots = await leaseSlots(file, container)
  return slots.filter(isFilled).map((slot) => asStored(container.version, slot))
}

function asStored(version: ContainerVersion, { record }: LeaseSlot): StoredLease {
  const view = viewOf(record)
  const cancelSecret = record.subarray(40, 72)
  return storedLease(version, view.getUint32(0), view.getUint32(LEASE_EXPIRY_OFFSET), cancelSecret)
}

/**
 * Renews the lease with the same renew secret, or adds the lease: in the first empty slot, or after
 * the others. Each of its steps alone leaves a container that is whole.
 *
 * @param room - how many bytes a new lease past the others may take.
 */
export async function addMutableLease(
  file: ShareBytes,
  container: MutableContainer,
  lease: Lease,
  nodeId: Uint8Array,
  room: number,
): Promise<void> {
  const { version, extraLeasesOffset } = container
  const slots = await leaseSlots(file, container)
  const secret = storedSecret(version, lease.renewSecret)
  const known = slots.find(
    (slot) => isFilled(slot) && isStoredSecret(slot.record.subarray(8, 40), secret),
  )
  if (known !== undefined) {
    const expiry = expiryField(lease)
    if (expiry > viewOf(known.record).getUint32(LEASE_EXPIRY_OFFSET))
      await file.write(known.position + LEASE_EXPIRY_OFFSET, [uint32(expiry)])
    return
  }
  const record = mutableLease(version, lease, nodeId)
  const empty = slots.find((slot) => !isFilled(slot))
  if (empty !== undefined) {
    await file.write(empty.position, [record])
    return
  }
  if (LEASE_SIZE > room) throw new NoSpaceError(`no room for a lease of ${LEASE_SIZE} bytes`)
  const extra = slots.length - HEADER_LEASES
  await file.write(extraLeasesOffset + 4 + extra * LEASE_SIZE, [record])
  await file.flush()
  await file.write(extraLeasesOffset, [uint32(extra + 1)])
}

/** Empties the places of leases, as upstream does, by their index among {@link mutableLeases}. */
export async function removeMutableLeases(
  file: ShareBytes,
  container: MutableContainer,
  indexes: ReadonlySet<number>,
): Promise<void> {
  const filled = (await leaseSlots(file, container)).filter(isFilled)
  const secret = new Uint8Array(32)
  const nobody = { ownerNumber: 0, renewSecret: secret, cancelSecret: secret, expiresAtSeconds: 0 }
  const empty = mutableLease(container.version, nobody, new Uint8Array(NODE_ID_SIZE))
  for (const [index, { position }] of filled.entries())
    if (indexes.has(index)) await file.write(position, [empty])
}

function mutableLease(version: ContainerVersion, lease: Lease, nodeId: Uint8Array): Uint8Array {
  const record = new Uint8Array(LEASE_SIZE)
  const view = viewOf(record)
  view.setUint32(0, lease.ownerNumber)
  view.setUint32(LEASE_EXPIRY_OFFSET, expiryField(lease))
  record.set(storedSecret(version, lease.renewSecret), 8)
  record.set(storedSecret(version, lease.cancelSecret), 40)
  record.set(nodeId, 72)
  return record
}
