import * as fs from 'node:fs/promises'
import { MAX_BUCKETS } from '@lafs/storage-interface'
import { systemCode } from './files.ts'

/** Whether the name of a file is that of a share: its number in decimal, without leading zeros. */
export function isShareName(name: string): boolean {
  return /^(0|[1-9][0-9]{0,2})$/.test(name) && Number(name) < MAX_BUCKETS
}

/** The names in a folder in the order of their bytes; none when it is not there. */
export async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await fs.readdir(folder)).toSorted()
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return []
    throw error
  }
}
