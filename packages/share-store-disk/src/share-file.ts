import * as fs from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { StorageError } from '@lafs/storage-interface'
import type { ShareNumber, StoredShareKind } from '@lafs/storage-interface'
import { viewOf } from './bytes.ts'
import { named, readUpTo, systemCode } from './files.ts'
import { bytesOfFile, BytesInMemory, type ShareBytes } from './share-bytes.ts'
import {
  IMMUTABLE_HEADER_SIZE,
  parseImmutable,
  type ImmutableContainer,
} from './immutable-container.ts'
import {
  MUTABLE_DATA_OFFSET,
  MUTABLE_HEADER_SIZE,
  mutableVersion,
  parseMutable,
  type MutableContainer,
} from './mutable-container.ts'

/** A share file by its kind, with what its header says. */
export type Container =
  | { readonly kind: 'immutable'; readonly dataOffset: number; readonly header: ImmutableContainer }
  | { readonly kind: 'mutable'; readonly dataOffset: number; readonly header: MutableContainer }

/** Files of up to this many bytes are read, and written, at once. */
export const SMALL_FILE: number = 64 * 1024

/** All of an open file of such a size; undefined for one that is not small. */
export async function readIfSmall(
  handle: FileHandle,
  size: number,
): Promise<BytesInMemory | undefined> {
  return size > SMALL_FILE ? undefined : new BytesInMemory(await readUpTo(handle, 0, size))
}

/**
 * Reads the header of a share file.
 *
 * @throws {@link StorageError} `STORAGE_BAD_SHARE`, `STORAGE_UNKNOWN_CONTAINER_VERSION`.
 */
export async function readContainer(file: ShareBytes): Promise<Container> {
  const size = await file.size()
  const header = await file.readUpTo(0, Math.min(size, MUTABLE_HEADER_SIZE))
  const version = mutableVersion(header)
  if (version !== undefined && size >= MUTABLE_DATA_OFFSET) {
    const parsed = parseMutable(version, header, size)
    return { kind: 'mutable', dataOffset: MUTABLE_DATA_OFFSET, header: parsed }
  }
  if (version !== undefined || size < IMMUTABLE_HEADER_SIZE)
    throw new StorageError('STORAGE_BAD_SHARE', `container: ${size} bytes hold no whole header`)
  if (!isImmutable(header)) {
    const found = viewOf(header).getUint32(0)
    const message = `container: expected version 1 or 2, got ${found}`
    throw new StorageError('STORAGE_UNKNOWN_CONTAINER_VERSION', message)
  }
  const parsed = parseImmutable(header, size)
  return { kind: 'immutable', dataOffset: IMMUTABLE_HEADER_SIZE, header: parsed }
}

function isImmutable(header: Uint8Array): boolean {
  if (header.length < IMMUTABLE_HEADER_SIZE) return false
  const version = viewOf(header).getUint32(0)
  return version === 1 || version === 2
}

/** What a file is by its first bytes, 32 or more of them where it has so many. */
export function kindOfHeader(header: Uint8Array): StoredShareKind {
  if (mutableVersion(header) !== undefined) return 'mutable'
  return isImmutable(header) ? 'immutable' : 'unknown'
}

/** A file is looked at by this many bytes: all of what is kept of a very small file. */
const LOOK_SIZE = 16 * 1024

/** What a look at the beginning of a file tells. */
export interface LookedAt {
  readonly kind: StoredShareKind
  /** Whether that was all of it, so that the operating system has it in memory now. */
  readonly isWhole: boolean
}

/** Looks at the beginning of a file; undefined when it has gone. */
export async function lookAtFile(path: string): Promise<LookedAt | undefined> {
  try {
    const handle = await fs.open(path, 'r')
    try {
      const { buffer, bytesRead } = await handle.read(new Uint8Array(LOOK_SIZE), 0, LOOK_SIZE, 0)
      return { kind: kindOfHeader(buffer.subarray(0, bytesRead)), isWhole: bytesRead < LOOK_SIZE }
    } finally {
      await handle.close()
    }
  } catch (error) {
    return systemCode(error) === 'ENOENT' ? undefined : { kind: 'unknown', isWhole: false }
  }
}

/**
 * Runs a task on a share file that is being opened, and closes it again.
 *
 * @throws {@link StorageError} those of {@link readContainer}, and `STORAGE_NO_SPACE`.
 */
export async function withShareFile<T>(
  opening: Promise<FileHandle>,
  task: (file: ShareBytes, container: Container) => Promise<T>,
): Promise<T> {
  const handle = await opening
  try {
    const file = bytesOfFile(handle)
    return await task(file, await readContainer(file))
  } catch (error) {
    throw named(error)
  } finally {
    await handle.close()
  }
}

/** @throws {@link StorageError} `STORAGE_NO_SUCH_SHARE` when there is no such file. */
export async function openShareFile(
  path: string,
  shareNumber: ShareNumber,
  flags: 'r' | 'r+',
): Promise<FileHandle> {
  try {
    return await fs.open(path, flags)
  } catch (cause) {
    if (systemCode(cause) !== 'ENOENT') throw cause
    const details = { shareNumber, cause }
    throw new StorageError('STORAGE_NO_SUCH_SHARE', `there is no share ${shareNumber}`, details)
  }
}
