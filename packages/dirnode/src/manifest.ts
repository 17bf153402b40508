import { toBase32 } from '@lafs/crypto'
import type {
  DirectoryChild,
  IDirectoryNode,
  IFilesystemNode,
  Manifest,
} from '@lafs/filesystem-interface'
import { DeepStatsWalker } from './deep-stats.ts'
import type { TreeWalker } from './traverse.ts'

/**
 * Lists what a walk meets. Its results are what takes memory: a path and a cap for each object.
 *
 * @see allmydata.dirnode.ManifestWalker
 */
export class ManifestWalker implements TreeWalker<Manifest> {
  readonly #manifest: (readonly [path: readonly string[], cap: string])[] = []
  readonly #verifyCaps = new Set<string>()
  readonly #storageIndexes = new Set<string>()
  readonly #stats = new DeepStatsWalker()

  addNode(node: IFilesystemNode, path: readonly string[]): void {
    this.#manifest.push([path, node.uri ?? ''])
    const { storageIndex, verifyCap } = node
    if (storageIndex !== undefined) this.#storageIndexes.add(toBase32(storageIndex))
    if (verifyCap !== undefined) this.#verifyCaps.add(verifyCap.format())
    this.#stats.addNode(node)
  }

  enterDirectory(directory: IDirectoryNode, children: ReadonlyMap<string, DirectoryChild>): void {
    this.#stats.enterDirectory(directory, children)
  }

  /** What has been listed so far; the lists grow as the walk goes on. */
  status(): Manifest {
    return {
      manifest: this.#manifest,
      verifyCaps: this.#verifyCaps,
      storageIndexes: this.#storageIndexes,
      stats: this.#stats.status(),
    }
  }
}
