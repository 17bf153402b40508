import { toBase32 } from '@lafs/crypto'
import { DeepStatsCounter, monitored } from '@lafs/dirnode'
import type {
  DeepCheckOptions,
  DeepFailure,
  ICheckable,
  ICheckAndRepairResults,
  ICheckResults,
  IDeepCheckable,
  IDeepCheckAndRepairResults,
  IDeepCheckResults,
  IDirectoryNode,
  IFilesystemNode,
  IMonitor,
  ShareLocator,
} from '@lafs/filesystem-interface'
import { createCheckable } from '../checkable.ts'
import type { CheckerContext } from '../context.ts'
import { checkTree } from './deep-check.ts'
import type { DeepCheckEntry } from './deep-check.ts'

/**
 * A directory whose whole tree can be checked. The results hold those of every object; for trees that
 * are larger than memory there is {@link deepCheckEntries}.
 *
 * @see allmydata.interfaces.IDeepCheckable
 */
export function createDeepCheckable(root: IDirectoryNode, context: CheckerContext): IDeepCheckable {
  return checkableTree(root, (node) => createCheckable(node, context))
}

/** The same, whatever checks the objects. */
export function checkableTree(
  root: IDirectoryNode,
  checkableOf: (node: IFilesystemNode) => ICheckable,
): IDeepCheckable {
  const start = <Results>(
    { verify, addLease }: DeepCheckOptions,
    repair: boolean,
    gather: (tree: Tree) => { results: Results; add: (entry: DeepCheckEntry) => void },
  ): IMonitor<Results> =>
    monitored(root.storageIndex, async (monitor) => {
      const tree = { root, counter: new DeepStatsCounter(), failures: [] as DeepFailure[] }
      const { results, add } = gather(tree)
      monitor.setStatus(results)
      const options = { verify, addLease, repair, signal: monitor.signal }
      for await (const entry of checkTree(root, checkableOf, options, tree.counter)) {
        if (entry.type === 'failure') tree.failures.push({ path: entry.path, error: entry.error })
        else add(entry)
      }
      return results
    })
  return {
    startDeepCheck: (options = {}) => start(options, false, gatherChecks),
    startDeepCheckAndRepair: (options = {}) => start(options, true, gatherRepairs),
  }
}

/** What both kinds of results tell of the tree. */
interface Tree {
  readonly root: IDirectoryNode
  readonly counter: DeepStatsCounter
  readonly failures: DeepFailure[]
}

function gatherChecks(tree: Tree): {
  results: IDeepCheckResults
  add: (entry: DeepCheckEntry) => void
} {
  const all = new Gathered<ICheckResults>()
  const counts = { ...NO_COUNTS }
  const corruptShares: ShareLocator[] = []
  const results = {
    ...commonResults(tree, all),
    corruptShares,
    get stats() {
      return tree.counter.stats()
    },
    get counters() {
      return {
        countObjectsChecked: all.count,
        countObjectsHealthy: counts.healthy,
        countObjectsUnhealthy: counts.unhealthy,
        countObjectsUnrecoverable: counts.unrecoverable,
        countCorruptShares: corruptShares.length,
      }
    },
  }
  const add = (entry: DeepCheckEntry): void => {
    if (entry.type !== 'object' || entry.results === undefined) return
    all.add(entry.path, entry.results)
    count(counts, entry.results)
    corruptShares.push(...entry.results.corruptShares)
  }
  return { results, add }
}

function gatherRepairs(tree: Tree): {
  results: IDeepCheckAndRepairResults
  add: (entry: DeepCheckEntry) => void
} {
  const all = new Gathered<ICheckAndRepairResults>()
  const before = { ...NO_COUNTS }
  const after = { ...NO_COUNTS }
  const repairs = { attempted: 0, successful: 0 }
  const corruptShares: ShareLocator[] = []
  const remainingCorruptShares: ShareLocator[] = []
  const results = {
    ...commonResults(tree, all),
    corruptShares,
    remainingCorruptShares,
    get stats() {
      return tree.counter.stats()
    },
    get counters() {
      return {
        countObjectsChecked: all.count,
        countObjectsHealthyPreRepair: before.healthy,
        countObjectsUnhealthyPreRepair: before.unhealthy,
        countObjectsUnrecoverablePreRepair: before.unrecoverable,
        countObjectsHealthyPostRepair: after.healthy,
        countObjectsUnhealthyPostRepair: after.unhealthy,
        countObjectsUnrecoverablePostRepair: after.unrecoverable,
        countRepairsAttempted: repairs.attempted,
        countRepairsSuccessful: repairs.successful,
        countRepairsUnsuccessful: repairs.attempted - repairs.successful,
        countCorruptSharesPreRepair: corruptShares.length,
        countCorruptSharesPostRepair: remainingCorruptShares.length,
      }
    },
  }
  const add = (entry: DeepCheckEntry): void => {
    if (entry.type !== 'object' || entry.repair === undefined) return
    const { preRepairResults, postRepairResults, repairAttempted } = entry.repair
    all.add(entry.path, entry.repair)
    count(before, preRepairResults)
    count(after, postRepairResults)
    if (repairAttempted) repairs.attempted++
    if (repairAttempted && entry.repair.repairSuccessful) repairs.successful++
    corruptShares.push(...preRepairResults.corruptShares)
    remainingCorruptShares.push(...postRepairResults.corruptShares)
  }
  return { results, add }
}

function commonResults<Results extends { readonly storageIndex: Uint8Array }>(
  { root, failures }: Tree,
  all: Gathered<Results>,
) {
  const { storageIndex } = root
  return {
    rootStorageIndexString: storageIndex === undefined ? '<none>' : toBase32(storageIndex),
    failures,
    allResults: () => all.byPath(),
    resultsForStorageIndex: (index: Uint8Array) => all.byStorageIndex(index),
  }
}

/** Results by path and by storage index. */
class Gathered<Results extends { readonly storageIndex: Uint8Array }> {
  readonly #inOrder: (readonly [path: readonly string[], results: Results])[] = []
  readonly #byStorageIndex = new Map<string, Results>()

  get count(): number {
    return this.#inOrder.length
  }

  add(path: readonly string[], results: Results): void {
    this.#inOrder.push([path, results])
    this.#byStorageIndex.set(toBase32(results.storageIndex), results)
  }

  byPath(): Iterable<readonly [path: readonly string[], results: Results]> {
    return this.#inOrder.values()
  }

  byStorageIndex(index: Uint8Array): Results | undefined {
    return this.#byStorageIndex.get(toBase32(index))
  }
}

const NO_COUNTS = { healthy: 0, unhealthy: 0, unrecoverable: 0 }

function count(counts: typeof NO_COUNTS, { healthy, recoverable }: ICheckResults): void {
  if (healthy) counts.healthy++
  else counts.unhealthy++
  if (!recoverable) counts.unrecoverable++
}
