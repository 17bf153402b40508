import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { decodeUtf8 } from '../text.ts'

/** Something to back up, or to say that it is not. */
export type BackupTarget =
  | { readonly kind: 'file' | 'directory'; readonly path: string; readonly name: string }
  | {
      readonly kind: 'skipped'
      readonly path: string
      readonly isDirectory: boolean
      readonly why: SkipReason
    }

/**
 * Why something cannot be backed up; `same-name`: a directory of the grid holds names in one form of
 * Unicode (NFC), in which this one is that of another.
 */
export type SkipReason = 'permission-denied' | 'undecodable' | 'symlink' | 'special' | 'same-name'

/**
 * Everything below a folder and the folder itself, each after what is in it. Links are not followed,
 * but for the folder itself; what is excluded is left out without a word.
 *
 * @param excludes - decides by the name alone.
 * @see allmydata.scripts.tahoe_backup.collect_backup_targets
 */
export async function scanFolder(
  folder: string,
  excludes: (name: string) => boolean,
  signal: AbortSignal,
): Promise<BackupTarget[]> {
  const targets: BackupTarget[] = []
  await scanInto(targets, { path: folder, name: '' }, excludes, signal)
  return targets
}

async function scanInto(
  targets: BackupTarget[],
  { path, name }: { readonly path: string; readonly name: string },
  excludes: (name: string) => boolean,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted()
  const entries = await listFolder(path)
  if (entries === undefined) {
    targets.push({ kind: 'skipped', path, isDirectory: true, why: 'permission-denied' })
    return
  }
  const taken = new Set<string>()
  for (const entry of entries) {
    if (entry.name !== undefined && excludes(entry.name)) continue
    const child = { path: join(path, entry.shownName), name: entry.shownName }
    const gridName = entry.name?.normalize('NFC')
    if (gridName === undefined || taken.has(gridName)) {
      const isDirectory = entry.dirent.isDirectory()
      const why = gridName === undefined ? 'undecodable' : 'same-name'
      targets.push({ kind: 'skipped', path: child.path, isDirectory, why })
      continue
    }
    taken.add(gridName)
    if (entry.dirent.isSymbolicLink()) {
      targets.push({ kind: 'skipped', path: child.path, isDirectory: false, why: 'symlink' })
    } else if (entry.dirent.isDirectory()) {
      await scanInto(targets, child, excludes, signal)
    } else if (entry.dirent.isFile()) {
      targets.push({ kind: 'file', ...child })
    } else {
      targets.push({ kind: 'skipped', path: child.path, isDirectory: false, why: 'special' })
    }
  }
  targets.push({ kind: 'directory', path, name })
}

interface FolderEntry {
  /** Undefined where the bytes of the name are no UTF-8. */
  readonly name: string | undefined
  readonly shownName: string
  readonly dirent: { isDirectory(): boolean; isFile(): boolean; isSymbolicLink(): boolean }
}

/** The entries in the order of their names; undefined where the folder cannot be listed. */
async function listFolder(path: string): Promise<FolderEntry[] | undefined> {
  const dirents = await readdir(path, { encoding: 'buffer', withFileTypes: true }).catch(
    () => undefined,
  )
  const entries = dirents?.map((dirent) => {
    const name = decodeUtf8(dirent.name)
    return { name, shownName: name ?? new TextDecoder().decode(dirent.name), dirent }
  })
  return entries?.toSorted((a, b) => (a.shownName < b.shownName ? -1 : 1))
}
