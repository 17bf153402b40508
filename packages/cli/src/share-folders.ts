import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { toBase32 } from '@lafs/crypto'

/** The folder of all shares of a node directory. */
export function sharesFolder(nodeDirectory: string): string {
  return join(nodeDirectory, 'storage', 'shares')
}

/** The folder of the shares of one storage index. @see allmydata.storage.common.storage_index_to_dir */
export function shareFolder(nodeDirectory: string, storageIndex: Uint8Array): string {
  const name = toBase32(storageIndex)
  return join(sharesFolder(nodeDirectory), name.slice(0, 2), name)
}

/** The names in a folder, those that are numbers by their value; none where there is no folder. */
export async function namesIn(folder: string): Promise<string[]> {
  try {
    const names = await readdir(folder)
    return names.toSorted().toSorted((a, b) => Number(a) - Number(b) || 0)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
}
