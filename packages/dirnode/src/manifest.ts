import { toBase32 } from '@lafs/crypto'
import type {
  DeepFailure,
  DeepStatsResults,
  IDirectoryNode,
  IMonitor,
  Manifest,
} from '@lafs/filesystem-interface'
import { DeepStatsCounter } from './deep-stats.ts'
import { monitored } from './monitor.ts'
import { traverse } from './traverse.ts'
import type { TraversalEntry } from './traverse.ts'

/**
 * Lists what a walk comes to. The lists grow as it goes on, and are what takes memory: a path and a
 * cap for each object.
 *
 * @see allmydata.dirnode.ManifestWalker
 */
export function buildManifest(root: IDirectoryNode): IMonitor<Manifest> {
  const manifest: (readonly [path: readonly string[], cap: string])[] = []
  const verifyCaps = new Set<string>()
  const storageIndexes = new Set<string>()
  const failures: DeepFailure[] = []
  const counter = new DeepStatsCounter()
  const status = (): Manifest => ({
    manifest,
    verifyCaps,
    storageIndexes,
    stats: counter.stats(),
    failures,
  })
  return walkMonitored(root, status, (entry) => {
    counter.add(entry)
    if (entry.type === 'failure') failures.push(failureOf(entry))
    if (entry.type !== 'object') return
    const { storageIndex, verifyCap, uri } = entry.node
    manifest.push([entry.path, uri ?? ''])
    if (storageIndex !== undefined) storageIndexes.add(toBase32(storageIndex))
    if (verifyCap !== undefined) verifyCaps.add(verifyCap.format())
  })
}

/** Sums up what a walk comes to. */
export function startDeepStats(root: IDirectoryNode): IMonitor<DeepStatsResults> {
  const failures: DeepFailure[] = []
  const counter = new DeepStatsCounter()
  const status = (): DeepStatsResults => ({ ...counter.stats(), failures })
  return walkMonitored(root, status, (entry) => {
    counter.add(entry)
    if (entry.type === 'failure') failures.push(failureOf(entry))
  })
}

function failureOf({ path, error }: TraversalEntry & { readonly type: 'failure' }): DeepFailure {
  return { path, error }
}

/** A walk that shows how things stand after each directory. It fails where nothing can be read. */
function walkMonitored<Status>(
  root: IDirectoryNode,
  status: () => Status,
  onEntry: (entry: TraversalEntry) => void,
): IMonitor<Status> {
  return monitored(root.storageIndex, async (monitor) => {
    monitor.setStatus(status())
    for await (const entry of traverse(root, { signal: monitor.signal })) {
      if (entry.type === 'failure' && entry.path.length === 0) throw entry.error
      onEntry(entry)
      if (entry.type === 'listing') monitor.setStatus(status())
    }
    return status()
  })
}
