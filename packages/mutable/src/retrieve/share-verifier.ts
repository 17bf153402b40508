import { blockHashPrefix } from '@lafs/crypto'
import type { CryptoProvider } from '@lafs/crypto'
import { CorruptShareError } from '@lafs/filesystem-interface'
import { IncompleteHashTree, isHashTreeError } from '@lafs/hashtree'
import type { OperationOptions } from '@lafs/storage-interface'
import { numberOfSegments } from '@lafs/storage-protocol/layout'
import type { MutableShareReader } from '@lafs/storage-protocol/layout'
import type { VersionInfo } from '../servermap/version-info.ts'

/** What has to be read of a share before any of its blocks can be checked. */
const HASHES = ['shareHashChain', 'blockHashTree'] as const

/** One block of a share, and the 16 bytes that its segment's key is made with. */
export interface SaltedBlock {
  readonly block: Uint8Array
  readonly salt: Uint8Array
}

/** Which share is checked, and against what. */
export interface ShareVerifierOptions {
  readonly version: VersionInfo
  readonly shareNumber: number
  /** Over the roots of all shares' block hash trees. It knows its root, and learns from each share. */
  readonly shareTree: IncompleteHashTree
  readonly reader: MutableShareReader
  readonly crypto: CryptoProvider
}

/** What a share says of its blocks. */
interface BlockHashes {
  /** Knows its root, which is right, and what was checked besides. */
  readonly tree: IncompleteHashTree
  /** All nodes, root first, as the share has them. */
  readonly nodes: readonly Uint8Array[]
}

/** A new tree over the roots of the block hash trees of a version's shares, which knows its root. */
export function shareTreeOf(version: VersionInfo, crypto: CryptoProvider): IncompleteHashTree {
  const tree = new IncompleteHashTree(version.totalShares, crypto)
  tree.setHashes({ hashes: new Map([[0, version.rootHash]]) })
  return tree
}

/** Reads one share of a version, and hands out only what agrees with the version's root hash. */
export class ShareVerifier {
  readonly #options: ShareVerifierOptions
  #blockHashes: Promise<BlockHashes> | undefined
  #blockTree: Promise<IncompleteHashTree> | undefined

  constructor(options: ShareVerifierOptions) {
    this.#options = options
  }

  /** Reads without checking. */
  get reader(): MutableShareReader {
    return this.#options.reader
  }

  /**
   * The block hash tree, read and checked once, all of it.
   *
   * @throws {@link CorruptShareError} where hashes do not fit; what the reader throws.
   */
  blockTree(options?: OperationOptions): Promise<IncompleteHashTree> {
    const { reader } = this.#options
    this.#blockHashes ??= reader.load(HASHES, options).then(() => this.#checkRoot())
    this.#blockTree ??= this.#blockHashes.then(({ tree, nodes }) => {
      this.#check('block hash tree failure', () =>
        tree.setHashes({ hashes: new Map(nodes.entries()) }),
      )
      return tree
    })
    return this.#blockTree
  }

  /**
   * The blocks of some segments that follow one another; the first call reads the hashes in the same
   * request. Of the block hash tree no more is checked than these blocks need: a small part of a large
   * file does not cost the hashes of all of it.
   *
   * @throws as {@link blockTree} does.
   */
  async blocks(first: number, last: number, options?: OperationOptions): Promise<SaltedBlock[]> {
    const { reader, version, crypto } = this.#options
    const alsoLoad = this.#blockHashes === undefined ? HASHES : []
    const reading = reader.blocks(first, last, { ...options, alsoLoad })
    this.#blockHashes ??= reading.then(() => this.#checkRoot())
    const [{ tree, nodes }, blocks] = await Promise.all([this.#blockHashes, reading])
    const blockHashes = await crypto.sha256dMany(
      blockHashPrefix,
      blocks.map(({ hashed }) => hashed),
    )
    const leaves = new Map(blockHashes.map((hash, index) => [first + index, hash]))
    const hashes = new Map<number, Uint8Array>()
    for (const leaf of leaves.keys()) {
      for (const node of tree.neededHashes(leaf)) hashes.set(node, nodes[node] ?? new Uint8Array())
    }
    this.#check('block hash tree failure', () => tree.setHashes({ hashes, leaves }))
    // The salt of SDMF stands in the header, and is right because that is signed.
    const iv = version.header.salt
    return blocks.map(({ block, salt }) => ({ block, salt: iv ?? salt }))
  }

  /** From the root of the share's tree to the signed root. */
  async #checkRoot(): Promise<BlockHashes> {
    const { reader, version, shareTree, shareNumber, crypto } = this.#options
    const [chain, nodes] = await Promise.all([reader.shareHashChain(), reader.blockHashTree()])
    const [root] = nodes
    if (root === undefined) throw this.#corrupt('block hash tree failure: it is empty')
    this.#check('corrupt hashes', () =>
      shareTree.setHashes({ hashes: chain, leaves: new Map([[shareNumber, root]]) }),
    )
    const tree = new IncompleteHashTree(numberOfSegments(version.header), crypto)
    tree.setHashes({ hashes: new Map([[0, root]]) })
    return { tree, nodes }
  }

  #check(what: string, act: () => void): void {
    try {
      act()
    } catch (error) {
      if (!isHashTreeError(error)) throw error
      throw this.#corrupt(`${what}: ${error.message}`, error)
    }
  }

  #corrupt(message: string, cause?: unknown): CorruptShareError {
    const { shareNumber } = this.#options
    return new CorruptShareError(`share ${shareNumber}: ${message}`, { shareNumber, cause })
  }
}
