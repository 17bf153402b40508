import type { DeepStats } from '@lafs/filesystem-interface'

/** The sums over a tree by upstream's names, in its order. @see allmydata.dirnode.DeepStats */
export function statsJson(stats: DeepStats): Readonly<Record<string, unknown>> {
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
