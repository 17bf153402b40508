import { setMaxListeners } from 'node:events'
import { dirname } from 'node:path'
import { CommandError } from '../failure.ts'
import type { BackupTarget } from './scan.ts'
import { storeDirectory, storeFile } from './store.ts'
import type { BackupEntry, BackupTools, StoreOutcome } from './store.ts'

/** How many files and directories are under way at once. */
const AT_ONCE = 8

/** What came of a backup, in upstream's terms. */
export interface BackupCounts {
  filesUploaded: number
  filesReused: number
  filesSkipped: number
  directoriesCreated: number
  directoriesReused: number
  directoriesSkipped: number
  filesChecked: number
  directoriesChecked: number
}

/** Hears of each target when it is done, in their order. */
export type TargetListener = (target: BackupTarget, outcome: StoreOutcome) => Promise<void>

/**
 * Stores targets, some at a time. After a failure nothing more is begun.
 *
 * @param targets - each after what is in it, and the whole last.
 * @returns the counts, and the cap of the last target.
 * @throws {@link CommandError} `CLI_UNREADABLE_FOLDER`; what the gateway says.
 * @see allmydata.scripts.tahoe_backup.run_backup
 */
export async function runBackup(
  tools: BackupTools,
  targets: readonly BackupTarget[],
  onDone: TargetListener,
): Promise<{ readonly counts: BackupCounts; readonly cap: string }> {
  const ending = new AbortController()
  const signal = AbortSignal.any([tools.signal, ending.signal])
  // Files that are under way listen to it, and all that goes on for them.
  setMaxListeners(0, signal)
  const start = targetStarter({ ...tools, signal })
  const counts = noCounts()
  const underWay: Promise<StoreOutcome>[] = []
  let cap: string | undefined
  try {
    for (const [index, target] of targets.entries()) {
      while (underWay.length < AT_ONCE) {
        const next = targets[index + underWay.length]
        if (next === undefined) break
        underWay.push(start(next))
      }
      const outcome = await underWay.shift()
      if (outcome === undefined) break
      count(counts, target, outcome)
      cap = outcome.entry?.cap
      await onDone(target, outcome)
    }
  } catch (error) {
    ending.abort(error)
    await Promise.allSettled(underWay)
    throw error
  }
  if (cap !== undefined) return { counts, cap }
  throw new CommandError('CLI_UNREADABLE_FOLDER', 'the folder to back up cannot be read')
}

/** Begins with targets in their order; a directory waits for what is in it. */
function targetStarter(tools: BackupTools): (target: BackupTarget) => Promise<StoreOutcome> {
  type Child = Promise<readonly [name: string, entry: BackupEntry | undefined]>
  const childrenOf = new Map<string, Child[]>()
  const outcomeOf = async (target: BackupTarget): Promise<StoreOutcome> => {
    if (target.kind === 'skipped') return { why: target.why, log: [] }
    if (target.kind === 'file') return storeFile(tools, target.path)
    const children = childrenOf.get(target.path) ?? []
    childrenOf.delete(target.path)
    const entries = new Map<string, BackupEntry>()
    for (const [name, entry] of await Promise.all(children)) {
      if (entry !== undefined) entries.set(name, entry)
    }
    return storeDirectory(tools, target.path, entries)
  }
  return (target) => {
    const outcome = outcomeOf(target)
    if (target.kind !== 'skipped') {
      const child = outcome.then(({ entry }) => [target.name, entry] as const)
      // Who waits for the outcome hears of its failure.
      child.catch(() => undefined)
      const folder = dirname(target.path)
      const siblings = childrenOf.get(folder)
      if (siblings === undefined) childrenOf.set(folder, [child])
      else siblings.push(child)
    }
    return outcome
  }
}

function noCounts(): BackupCounts {
  return {
    filesUploaded: 0,
    filesReused: 0,
    filesSkipped: 0,
    directoriesCreated: 0,
    directoriesReused: 0,
    directoriesSkipped: 0,
    filesChecked: 0,
    directoriesChecked: 0,
  }
}

function count(counts: BackupCounts, target: BackupTarget, outcome: StoreOutcome): void {
  const { entry, isNew, checked } = outcome
  const isDirectory = target.kind === 'skipped' ? target.isDirectory : target.kind === 'directory'
  if (isDirectory) {
    if (checked === true) counts.directoriesChecked++
    if (entry === undefined) counts.directoriesSkipped++
    else if (isNew === true) counts.directoriesCreated++
    else counts.directoriesReused++
  } else {
    if (checked === true) counts.filesChecked++
    if (entry === undefined) counts.filesSkipped++
    else if (isNew === true) counts.filesUploaded++
    else counts.filesReused++
  }
}
