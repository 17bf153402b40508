import { DeepStatsCounter, traverse } from '@lafs/dirnode'
import type { TraversalEntry } from '@lafs/dirnode'
import { isDirectoryNode } from '@lafs/filesystem-interface'
import type {
  DeepCheckOptions,
  DeepStats,
  ICheckable,
  ICheckAndRepairResults,
  ICheckResults,
  IDirectoryNode,
  IFilesystemNode,
} from '@lafs/filesystem-interface'
import type { OperationOptions } from '@lafs/storage-interface'
import { createCheckable } from '../checkable.ts'
import type { CheckerContext } from '../context.ts'
import { inOrder } from './in-order.ts'

/** Objects that are checked at one time. */
const CHECKS_MAX = 32

/** To verify or repair a large object takes memory and bandwidth: it counts for so many checks. */
const LARGE_WEIGHT = 4

/** Bytes from which on an object is large. */
const LARGE_SIZE = 2 ** 18

/** Options of {@link deepCheckEntries}. */
export interface DeepCheckEntriesOptions extends DeepCheckOptions, OperationOptions {
  /** Mend what is not healthy. Default: false. */
  readonly repair?: boolean | undefined
}

/** What a deep check tells of one object, and of the whole at its end. */
export type DeepCheckEntry =
  | {
      readonly type: 'object'
      readonly path: readonly string[]
      readonly node: IFilesystemNode
      /** Undefined where nothing is stored (LIT), for what is unknown, and with `repair`. */
      readonly results: ICheckResults | undefined
      /** Undefined where nothing is stored (LIT), for what is unknown, and without `repair`. */
      readonly repair: ICheckAndRepairResults | undefined
    }
  /** A directory could not be read, or an object not be checked or repaired; the walk goes on. */
  | {
      readonly type: 'failure'
      readonly path: readonly string[]
      readonly node: IFilesystemNode
      readonly error: unknown
    }
  /** The sums over everything that was met, checked or not. */
  | { readonly type: 'stats'; readonly stats: DeepStats }

/**
 * Checks everything that can be reached from a directory, each object once and many at a time, and
 * tells them in the order of the walk. A slow reader holds the walk; leaving the loop ends it.
 *
 * @throws the reason of the signal. Whatever else goes wrong is an entry.
 * @see allmydata.web.directory.DeepCheckStreamer
 */
export function deepCheckEntries(
  root: IDirectoryNode,
  context: CheckerContext,
  options: DeepCheckEntriesOptions = {},
): AsyncGenerator<DeepCheckEntry> {
  const checkableOf = (node: IFilesystemNode): ICheckable => createCheckable(node, context)
  return checkTree(root, checkableOf, options)
}

/** What checks a tree, whatever checks its objects. */
export async function* checkTree(
  root: IDirectoryNode,
  checkableOf: (node: IFilesystemNode) => ICheckable,
  options: DeepCheckEntriesOptions,
  counter: DeepStatsCounter = new DeepStatsCounter(),
): AsyncGenerator<DeepCheckEntry> {
  const { signal, verify = false, repair = false } = options
  const steps = inOrder(
    (own) => traverse(root, { signal: own }),
    async (found, own) => ({
      found,
      told: await tellOf(found, checkableOf, { ...options, signal: own }),
    }),
    { atOnce: CHECKS_MAX, weightOf: verify || repair ? weightOf : undefined, signal },
  )
  for await (const { found, told } of steps) {
    counter.add(found)
    if (told !== undefined) yield told
  }
  yield { type: 'stats', stats: counter.stats() }
}

/** Mutable files whose size is not known yet count as large; directories seldom are. */
function weightOf({ type, node }: TraversalEntry): number {
  if (type !== 'object' || node.verifyCap === undefined || isDirectoryNode(node)) return 1
  return (node.size ?? LARGE_SIZE) < LARGE_SIZE ? 1 : LARGE_WEIGHT
}

/** What there is to tell of an entry of the walk, if anything. */
async function tellOf(
  found: TraversalEntry,
  checkableOf: (node: IFilesystemNode) => ICheckable,
  { repair = false, signal, ...options }: DeepCheckEntriesOptions,
): Promise<DeepCheckEntry | undefined> {
  if (found.type === 'listing') return undefined
  if (found.type === 'failure') return found
  const { path, node } = found
  const told = { type: 'object', path, node, results: undefined, repair: undefined } as const
  if (node.verifyCap === undefined) return told
  try {
    const checkable = checkableOf(node)
    const how = { ...options, ...(signal && { signal }) }
    return repair
      ? { ...told, repair: await checkable.checkAndRepair(how) }
      : { ...told, results: await checkable.check(how) }
  } catch (error) {
    return { type: 'failure', path, node, error }
  }
}
