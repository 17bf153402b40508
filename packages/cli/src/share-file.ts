import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { CommandError } from './failure.ts'

/** A lease as it stands in a share. */
export interface LeaseRecord {
  /** The place of the lease in the container. */
  readonly slot: number
  readonly ownerNumber: number
  readonly expiresAtSeconds: number
  /** Both as they stand: the secrets in containers of version 1, their BLAKE2b-256 in version 2. */
  readonly renewSecret: Uint8Array
  readonly cancelSecret: Uint8Array
  /** The server that took the lease; in mutable containers only. */
  readonly nodeId?: Uint8Array
}

/** The file of an immutable share. */
export interface ImmutableShareFile {
  readonly kind: 'immutable'
  readonly leases: readonly LeaseRecord[]
  /** Where the leases begin, in bytes from the start of the file. */
  readonly leaseOffset: number
  /** Reads from the share's data, which begins at {@link IMMUTABLE_DATA_OFFSET}; short past its end. */
  read(offset: number, length: number): Promise<Uint8Array>
}

/** The file of a mutable share. */
export interface MutableShareFile {
  readonly kind: 'mutable'
  readonly hashedSecrets: boolean
  readonly nodeId: Uint8Array
  readonly writeEnabler: Uint8Array
  readonly dataLength: number
  readonly extraLeaseOffset: number
  readonly extraLeaseCount: number
  readonly leases: readonly LeaseRecord[]
  /** Reads from the share's data, which begins at {@link MUTABLE_DATA_OFFSET}; short past its end. */
  read(offset: number, length: number): Promise<Uint8Array>
}

/** Bytes before the data of an immutable share: version, a length that is not used, count of leases. */
export const IMMUTABLE_DATA_OFFSET = 12
const IMMUTABLE_LEASE_SIZE = 72
/** Bytes before the leases of a mutable share. */
export const MUTABLE_HEADER_SIZE = 100
const MUTABLE_LEASE_SIZE = 92
const MUTABLE_LEASES_INSIDE = 4
/** Bytes before the data of a mutable share: the header and four leases. */
export const MUTABLE_DATA_OFFSET: number =
  MUTABLE_HEADER_SIZE + MUTABLE_LEASES_INSIDE * MUTABLE_LEASE_SIZE

/** `Tahoe mutable container v1` or `v2`, a line feed and five bytes. */
const MUTABLE_MAGIC = /^Tahoe mutable container v([12])\n/

/** Whether a file begins as the file of a share does. */
export async function isShareFile(path: string): Promise<boolean> {
  const file = await open(path, 'r')
  try {
    const header = await readAt(file, 0, MUTABLE_HEADER_SIZE)
    return mutableVersion(header) !== undefined || isImmutable(header)
  } finally {
    await file.close()
  }
}

/**
 * Opens the file of a share, works with it, and closes it.
 *
 * @throws {@link CommandError} `CLI_BAD_SHARE` when it is no share, or a damaged one.
 */
export async function withShareFile<Result>(
  path: string,
  work: (share: ImmutableShareFile | MutableShareFile) => Promise<Result>,
): Promise<Result> {
  const file = await open(path, 'r')
  try {
    const header = await readAt(file, 0, MUTABLE_HEADER_SIZE)
    const version = mutableVersion(header)
    return await work(
      version === undefined
        ? await openImmutable(file, header)
        : await openMutable(file, header, version === 2),
    )
  } finally {
    await file.close()
  }
}

/** The version of the container of a mutable share; undefined for any other file. */
function mutableVersion(header: Uint8Array): number | undefined {
  const magic = MUTABLE_MAGIC.exec(String.fromCharCode(...header.subarray(0, 32)))
  return magic === null ? undefined : Number(magic[1])
}

function isImmutable(header: Uint8Array): boolean {
  return header.length >= 4 && [1, 2].includes(viewOf(header, 4).getUint32(0))
}

async function openImmutable(file: FileHandle, header: Uint8Array): Promise<ImmutableShareFile> {
  const view = viewOf(header, IMMUTABLE_DATA_OFFSET)
  if (!isImmutable(header)) {
    throw badShare(`expected a share container of version 1 or 2, got ${view.getUint32(0)}`)
  }
  const { size } = await file.stat()
  const leaseCount = view.getUint32(8)
  const leaseOffset = size - leaseCount * IMMUTABLE_LEASE_SIZE
  if (leaseOffset < IMMUTABLE_DATA_OFFSET) {
    throw badShare(`expected ${leaseCount} leases, got a file of ${size} bytes`)
  }
  const leases: LeaseRecord[] = []
  for (let slot = 0; slot < leaseCount; slot++) {
    const record = await readAt(
      file,
      leaseOffset + slot * IMMUTABLE_LEASE_SIZE,
      IMMUTABLE_LEASE_SIZE,
    )
    const fields = viewOf(record, IMMUTABLE_LEASE_SIZE)
    leases.push({
      slot,
      ownerNumber: fields.getUint32(0),
      renewSecret: record.subarray(4, 36),
      cancelSecret: record.subarray(36, 68),
      expiresAtSeconds: fields.getUint32(68),
    })
  }
  const dataLength = leaseOffset - IMMUTABLE_DATA_OFFSET
  const read = readData(file, IMMUTABLE_DATA_OFFSET, dataLength)
  return { kind: 'immutable', leases, leaseOffset, read }
}

async function openMutable(
  file: FileHandle,
  header: Uint8Array,
  hashedSecrets: boolean,
): Promise<MutableShareFile> {
  const view = viewOf(header, MUTABLE_HEADER_SIZE)
  const dataLength = Number(view.getBigUint64(84))
  const extraLeaseOffset = Number(view.getBigUint64(92))
  const { size } = await file.stat()
  if (extraLeaseOffset + 4 > size || MUTABLE_DATA_OFFSET + dataLength > extraLeaseOffset) {
    throw badShare('expected the data and the extra leases within the file')
  }
  const extraLeaseCount = viewOf(await readAt(file, extraLeaseOffset, 4), 4).getUint32(0)
  const leases: LeaseRecord[] = []
  for (let slot = 0; slot < MUTABLE_LEASES_INSIDE + extraLeaseCount; slot++) {
    const offset =
      slot < MUTABLE_LEASES_INSIDE
        ? MUTABLE_HEADER_SIZE + slot * MUTABLE_LEASE_SIZE
        : extraLeaseOffset + 4 + (slot - MUTABLE_LEASES_INSIDE) * MUTABLE_LEASE_SIZE
    const record = await readAt(file, offset, MUTABLE_LEASE_SIZE)
    const fields = viewOf(record, MUTABLE_LEASE_SIZE)
    // Owner 0 stands for an empty slot.
    if (fields.getUint32(0) === 0) continue
    leases.push({
      slot,
      ownerNumber: fields.getUint32(0),
      expiresAtSeconds: fields.getUint32(4),
      renewSecret: record.subarray(8, 40),
      cancelSecret: record.subarray(40, 72),
      nodeId: record.subarray(72, 92),
    })
  }
  return {
    kind: 'mutable',
    hashedSecrets,
    nodeId: header.subarray(32, 52),
    writeEnabler: header.subarray(52, 84),
    dataLength,
    extraLeaseOffset,
    extraLeaseCount,
    leases,
    read: readData(file, MUTABLE_DATA_OFFSET, dataLength),
  }
}

function readData(
  file: FileHandle,
  dataOffset: number,
  dataLength: number,
): ImmutableShareFile['read'] {
  return async (offset, length) =>
    readAt(file, dataOffset + offset, Math.max(0, Math.min(length, dataLength - offset)))
}

async function readAt(file: FileHandle, offset: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length)
  const { bytesRead } = await file.read(bytes, 0, length, offset)
  return bytes.subarray(0, bytesRead)
}

function viewOf(bytes: Uint8Array, length: number): DataView {
  if (bytes.length < length) {
    throw badShare(`expected ${length} bytes of a share container, got ${bytes.length}`)
  }
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function badShare(message: string): CommandError {
  return new CommandError('CLI_BAD_SHARE', message)
}
