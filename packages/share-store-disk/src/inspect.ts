import { statSync } from 'node:fs'
import { join } from 'node:path'
import { isStorageError, StorageError } from '@lafs/storage-interface'
import type { BucketRecord, ShareNumber, ShareRecord } from '@lafs/storage-interface'
import { leasesOf } from './container-leases.ts'
import { systemCode } from './files.ts'
import { diskBytesOf, LeaseFile } from './lease-file.ts'
import { isShareName } from './names.ts'
import { readContainer } from './share-file.ts'
import { warmNames } from './warm.ts'

/**
 * Takes stock of the shares in a folder, here and now: a folder with one share takes ten calls into the
 * system, eleven where the leases stand far from the header, and none of them asks a thread.
 */
export async function inspectFolder(folder: string): Promise<BucketRecord> {
  const names = warmNames(folder).filter(isShareName)
  const shares: ShareRecord[] = []
  for (const shareNumber of names.map(Number).toSorted((a, b) => a - b)) {
    const record = await inspectShare(join(folder, String(shareNumber)), shareNumber)
    if (record !== undefined) shares.push(record)
  }
  return { diskBytes: folderBytes(folder), shares }
}

/** Undefined for a share that has gone. */
async function inspectShare(
  path: string,
  shareNumber: ShareNumber,
): Promise<ShareRecord | undefined> {
  let sizes = { containerBytes: 0, diskBytes: 0 }
  try {
    const file = LeaseFile.openNow(path, shareNumber, 'r')
    try {
      sizes = { containerBytes: await file.size(), diskBytes: file.diskBytes }
      const container = await readContainer(file)
      const leases = await leasesOf(file, container)
      return { shareNumber, kind: container.kind, ...sizes, leases, damage: undefined }
    } finally {
      file.close()
    }
  } catch (error) {
    if (isStorageError(error, 'STORAGE_NO_SUCH_SHARE')) return undefined
    return { shareNumber, kind: 'unknown', ...sizes, leases: [], damage: asDamage(error) }
  }
}

function asDamage(error: unknown): StorageError {
  if (error instanceof StorageError) return error
  const message = `the share cannot be read: ${systemCode(error) ?? 'unknown error'}`
  return new StorageError('STORAGE_BAD_SHARE', message, { cause: error })
}

/** What a folder itself takes of the disk; nothing where nobody can tell. */
function folderBytes(folder: string): number {
  const blocks = statSync(folder, { throwIfNoEntry: false })?.blocks
  return diskBytesOf(0, blocks)
}
