import { isDirectoryNode, isImmutableFileNode, isMutableFileNode } from '@lafs/filesystem-interface'
import type { DeepStats, IDirectoryNode, IFilesystemNode } from '@lafs/filesystem-interface'
import type { TraversalEntry } from './traverse.ts'

const HALF_DECADE = Math.sqrt(10)

/** The first power of the root of 10 that is not less, as repeated multiplication has it. */
function bucketEnd(start: number): number {
  let power = 1
  while (power < start) power *= HALF_DECADE
  return Math.floor(power)
}

/** The class of sizes that a size belongs to: 0, 1-3, 4-10, 11-31, 32-100 and so on. */
function histogramBucket(size: number): readonly [min: number, max: number] {
  if (size === 0) return [0, 0]
  let min = 1
  let max = 3
  while (max < size) {
    min = max + 1
    max = bucketEnd(min)
  }
  return [min, max]
}

/**
 * Sums up what a walk comes to.
 *
 * @see allmydata.deep_stats.DeepStats
 */
export class DeepStatsCounter {
  readonly #sums = {
    countImmutableFiles: 0,
    countMutableFiles: 0,
    countLiteralFiles: 0,
    countFiles: 0,
    countDirectories: 0,
    countUnknown: 0,
    sizeImmutableFiles: 0,
    sizeLiteralFiles: 0,
    sizeDirectories: 0,
    largestDirectory: 0,
    largestDirectoryChildren: 0,
    largestImmutableFile: 0,
  }
  /** Counts by the lower bound of the class. */
  readonly #histogram = new Map<number, { max: number; count: number }>()

  /** Counts an entry of a walk; what failed counts nothing more. */
  add(entry: TraversalEntry): void {
    if (entry.type === 'object') this.#addNode(entry.node)
    else if (entry.type === 'listing') this.#addListing(entry.node, entry.childCount)
  }

  /** The sums as they stand, in a fresh object. */
  stats(): DeepStats {
    const sizeFilesHistogram = [...this.#histogram]
      .toSorted(([a], [b]) => a - b)
      .map(([min, { max, count }]) => [min, max, count] as const)
    return { ...this.#sums, sizeFilesHistogram }
  }

  #addNode(node: IFilesystemNode): void {
    const sums = this.#sums
    if (node.unknown) {
      sums.countUnknown++
    } else if (isDirectoryNode(node)) {
      sums.countDirectories++
    } else if (isMutableFileNode(node)) {
      sums.countFiles++
      sums.countMutableFiles++
    } else if (isImmutableFileNode(node)) {
      sums.countFiles++
      this.#addSize(node.size)
      if (node.cap.kind === 'lit') {
        sums.countLiteralFiles++
        sums.sizeLiteralFiles += node.size
      } else {
        sums.countImmutableFiles++
        sums.sizeImmutableFiles += node.size
        sums.largestImmutableFile = Math.max(sums.largestImmutableFile, node.size)
      }
    }
  }

  #addListing(directory: IDirectoryNode, childCount: number): void {
    const sums = this.#sums
    const size = directory.size ?? 0
    sums.sizeDirectories += size
    sums.largestDirectory = Math.max(sums.largestDirectory, size)
    sums.largestDirectoryChildren = Math.max(sums.largestDirectoryChildren, childCount)
  }

  #addSize(size: number): void {
    const [min, max] = histogramBucket(size)
    const bucket = this.#histogram.get(min)
    if (bucket === undefined) this.#histogram.set(min, { max, count: 1 })
    else bucket.count++
  }
}
