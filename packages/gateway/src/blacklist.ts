import { readFile, stat } from 'node:fs/promises'
import { toBase32 } from '@lafs/crypto'
import type { IFilesystemNode } from '@lafs/filesystem-interface'

/** What the operator of a node forbids to be read through it. */
export interface Blacklist {
  /** Why nobody may read it; undefined where anybody may. */
  reasonFor(node: IFilesystemNode): Promise<string | undefined>
}

/**
 * The blacklist in a file: a line for each storage index in base32, with the reason after a space;
 * `#` begins a comment. It is read again when it has changed. No file forbids nothing.
 *
 * @param path - undefined where nothing is forbidden.
 * @see allmydata.blacklist.Blacklist
 */
export function createBlacklist(path: string | undefined): Blacklist {
  if (path === undefined) return { reasonFor: () => Promise.resolve(undefined) }
  let entries: ReadonlyMap<string, string> = new Map()
  let readMtimeMs: number | undefined
  const refresh = async (): Promise<void> => {
    const mtimeMs = await mtimeOf(path)
    if (mtimeMs === readMtimeMs) return
    entries = mtimeMs === undefined ? new Map() : parseBlacklist(await readFile(path, 'utf8'))
    readMtimeMs = mtimeMs
  }
  return {
    reasonFor: async ({ storageIndex }) => {
      if (storageIndex === undefined) return undefined
      await refresh()
      return entries.get(toBase32(storageIndex))
    },
  }
}

async function mtimeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).mtimeMs
  } catch (error) {
    const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw error
  }
}

/**
 * @returns the reasons by the texts of storage indexes.
 * @throws Error with the number of a line that makes no sense: better nothing is read than too much.
 */
export function parseBlacklist(text: string): Map<string, string> {
  const entries = new Map<string, string>()
  for (const [index, line] of text.split('\n').entries()) {
    const entry = line.trim()
    if (entry === '' || entry.startsWith('#')) continue
    const found = /^([a-z2-7]{26})\s+(.+)$/.exec(entry)
    const [, storageIndex, reason] = found ?? []
    if (storageIndex === undefined || reason === undefined) {
      throw new Error(
        `access.blacklist, line ${index + 1}: expected a storage index in base32 and a reason`,
      )
    }
    entries.set(storageIndex, reason)
  }
  return entries
}
