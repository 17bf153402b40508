import { toBase32 } from '@lafs/crypto'
import { DeepStatsCounter, traverse } from '@lafs/dirnode'
import { isDirectoryNode } from '@lafs/filesystem-interface'
import type { DeepStats, IDirectoryNode, IFilesystemNode } from '@lafs/filesystem-interface'
import type { OperationOptions } from '@lafs/storage-interface'
import type { CheckerContext } from '../context.ts'
import { checkAndRepairResultsJson, checkResultsJson } from '../results/json.ts'
import type { CheckAndRepairResultsJson, CheckResultsJson } from '../results/json.ts'
import { deepCheckEntries } from './deep-check.ts'
import type { DeepCheckEntriesOptions } from './deep-check.ts'

/** One object of a tree in JSON. Texts are empty where there is nothing to name. */
export interface ManifestLine {
  /** From the directory that the walk began at, whose own is empty. */
  readonly path: readonly string[]
  /** The strongest cap that is known: a secret. Null for an unknown object without a usable one. */
  readonly cap: string | null
  readonly type: 'directory' | 'file' | 'unknown'
  readonly verifycap: string
  readonly repaircap: string
  /** In base32. */
  readonly 'storage-index': string
}

/** One object that was checked, in JSON. */
export interface DeepCheckLine extends ManifestLine {
  /** Without repair. */
  readonly 'check-results'?: CheckResultsJson
  /** With repair. */
  readonly 'check-and-repair-results'?: CheckAndRepairResultsJson
}

/** Something that could not be read or checked, in JSON. Upstream has no such line, and its clients pass over it. */
export interface FailureLine {
  readonly path: readonly string[]
  readonly type: 'failure'
  /** In base32. */
  readonly 'storage-index': string
  /** The code of the error, or its name. */
  readonly error: string
  /** For people; holds no cap. */
  readonly message: string
}

/** The last line: the sums, by upstream's names. */
export interface StatsLine {
  readonly type: 'stats'
  readonly stats: DeepStatsJson
}

/**
 * What there is in a tree, a value for one line of JSON an object, key for key and in the order of
 * upstream's `t=stream-manifest`; then the sums.
 *
 * @throws the reason of the signal. A directory that cannot be read is a line.
 * @see allmydata.web.directory.ManifestStreamer
 */
export async function* manifestLines(
  root: IDirectoryNode,
  options: OperationOptions = {},
): AsyncGenerator<ManifestLine | FailureLine | StatsLine> {
  const counter = new DeepStatsCounter()
  for await (const entry of traverse(root, options)) {
    counter.add(entry)
    if (entry.type === 'object') yield manifestLine(entry.path, entry.node)
    else if (entry.type === 'failure') yield failureLine(entry.path, entry.node, entry.error)
  }
  yield { type: 'stats', stats: deepStatsJson(counter.stats()) }
}

/**
 * The same with the results of a check, or of a check and repair, of each object: upstream's
 * `t=stream-deep-check`.
 *
 * @throws the reason of the signal. What cannot be read or checked is a line.
 * @see allmydata.web.directory.DeepCheckStreamer
 */
export async function* deepCheckLines(
  root: IDirectoryNode,
  context: CheckerContext,
  options: DeepCheckEntriesOptions = {},
): AsyncGenerator<DeepCheckLine | FailureLine | StatsLine> {
  for await (const entry of deepCheckEntries(root, context, options)) {
    if (entry.type === 'stats') yield { type: 'stats', stats: deepStatsJson(entry.stats) }
    else if (entry.type === 'failure') yield failureLine(entry.path, entry.node, entry.error)
    else if (options.repair === true) {
      const results = checkAndRepairResultsJson(entry.repair)
      yield { ...manifestLine(entry.path, entry.node), 'check-and-repair-results': results }
    } else {
      const results = checkResultsJson(entry.results)
      yield { ...manifestLine(entry.path, entry.node), 'check-results': results }
    }
  }
}

function manifestLine(path: readonly string[], node: IFilesystemNode): ManifestLine {
  const type = isDirectoryNode(node) ? 'directory' : 'file'
  return {
    path,
    cap: node.uri ?? null,
    type: node.unknown ? 'unknown' : type,
    verifycap: node.verifyCap?.format() ?? '',
    repaircap: node.repairCap?.format() ?? '',
    'storage-index': storageIndexOf(node),
  }
}

function failureLine(path: readonly string[], node: IFilesystemNode, error: unknown): FailureLine {
  const { name, message } = error instanceof Error ? error : new Error(String(error))
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined
  return {
    path,
    type: 'failure',
    'storage-index': storageIndexOf(node),
    error: typeof code === 'string' ? code : name,
    message,
  }
}

function storageIndexOf({ storageIndex }: IFilesystemNode): string {
  return storageIndex === undefined ? '' : toBase32(storageIndex)
}

/** The sums over a tree by upstream's names. */
export interface DeepStatsJson {
  readonly 'api-version': 1
  readonly 'count-immutable-files': number
  readonly 'count-mutable-files': number
  readonly 'count-literal-files': number
  readonly 'count-files': number
  readonly 'count-directories': number
  readonly 'count-unknown': number
  readonly 'size-immutable-files': number
  readonly 'size-literal-files': number
  readonly 'size-directories': number
  readonly 'largest-directory': number
  readonly 'largest-directory-children': number
  readonly 'largest-immutable-file': number
  readonly 'size-files-histogram': DeepStats['sizeFilesHistogram']
}

/** The sums over a tree as a value for `JSON.stringify`, in upstream's order. @see allmydata.deep_stats.DeepStats */
export function deepStatsJson(stats: DeepStats): DeepStatsJson {
  return {
    'api-version': 1,
    'count-immutable-files': stats.countImmutableFiles,
    'count-mutable-files': stats.countMutableFiles,
    'count-literal-files': stats.countLiteralFiles,
    'count-files': stats.countFiles,
    'count-directories': stats.countDirectories,
    'count-unknown': stats.countUnknown,
    'size-immutable-files': stats.sizeImmutableFiles,
    'size-literal-files': stats.sizeLiteralFiles,
    'size-directories': stats.sizeDirectories,
    'largest-directory': stats.largestDirectory,
    'largest-directory-children': stats.largestDirectoryChildren,
    'largest-immutable-file': stats.largestImmutableFile,
    'size-files-histogram': stats.sizeFilesHistogram,
  }
}
