import type { CryptoProvider } from '@lafs/crypto'
import { IncompleteHashTree } from '@lafs/hashtree'
import { Cancellation } from '@lafs/storage-protocol/waiting'
import type { Clock } from '@lafs/storage-protocol/waiting'
import type { ChkVerifierCap } from '@lafs/uri'
import type { FileGeometry } from '../geometry.ts'
import { EventLog } from './event-log.ts'
import { isSmallTree } from './hash-windows.ts'
import { Line } from './line.ts'
import { isUriExtensionOf, validateUriExtension } from './uri-extension.ts'
import type { ValidatedUriExtension } from './uri-extension.ts'

/** What is known of a file once its URI extension block is. */
export interface KnownFile {
  readonly uriExtensionBlock: Uint8Array
  readonly geometry: FileGeometry
  /** Over the roots of the shares' block hash trees. */
  readonly shareTree: IncompleteHashTree
  /** Over the hashes of the segments of ciphertext. */
  readonly crypttextTree: IncompleteHashTree
  /** The windows of that tree which have been fetched and checked. */
  readonly crypttextWindows: Set<number>
}

/** Why the requests of reads that have ended are given up. */
export class DownloadEndedError extends Error {
  override name = 'DownloadEndedError'
}

/** What the shares of one file have in common: what has been learned from them, and their requests. */
export class FileKnowledge {
  readonly cap: ChkVerifierCap
  readonly crypto: CryptoProvider
  readonly clock: Clock
  /** What has happened to the reads so far. */
  readonly events: EventLog
  /** What was wrong with each server's shares, by its id. */
  readonly problems: Map<string, string> = new Map()
  uriExtension: ValidatedUriExtension | undefined
  readonly line: Line = new Line()
  /** How often a server has sent something of a share. */
  answerCount = 0
  /** Why no share can help, if so: the file itself is badly made. */
  fatal: unknown
  #known: KnownFile | undefined
  #requests = new Cancellation()

  constructor(
    cap: ChkVerifierCap,
    { crypto, clock }: { readonly crypto: CryptoProvider; readonly clock: Clock },
  ) {
    this.cap = cap
    this.crypto = crypto
    this.clock = clock
    this.events = new EventLog(() => clock.nowMs())
  }

  /** Ends the requests under way when the last reader has gone. Those that begin later have another. */
  get requests(): Cancellation {
    return this.#requests
  }

  /** Gives up the requests under way. */
  endRequests(): void {
    this.#requests.abort(new DownloadEndedError('the download has ended'))
    this.#requests = new Cancellation()
  }

  /** What the URI extension block told. Only for shares that have been prepared, and after them. */
  known(): KnownFile {
    if (this.#known === undefined) throw new Error('the URI extension block is not known yet')
    return this.#known
  }

  get hasAllCrypttextHashes(): boolean {
    const known = this.#known
    return (
      known !== undefined &&
      isSmallTree(known.geometry.segmentCount) &&
      known.crypttextWindows.has(0)
    )
  }

  /**
   * Takes a URI extension block from a share.
   *
   * @returns false when it is not the one that the cap speaks of.
   * @throws {@link FilesystemError} `DOWNLOAD_CRITICAL_DATA_UNAVAILABLE` when it is, and is no good.
   */
  learn(block: Uint8Array): boolean {
    if (!isUriExtensionOf(this.cap, block, this.crypto)) return false
    if (this.#known !== undefined) return true
    try {
      const extension = validateUriExtension(this.cap, block)
      const { geometry, shareRootHash, crypttextRootHash } = extension
      const shareTree = new IncompleteHashTree(geometry.totalShares, this.crypto)
      shareTree.setHashes({ hashes: new Map([[0, shareRootHash]]) })
      const crypttextTree = new IncompleteHashTree(geometry.segmentCount, this.crypto)
      crypttextTree.setHashes({ hashes: new Map([[0, crypttextRootHash]]) })
      this.uriExtension = extension
      this.#known = {
        uriExtensionBlock: block.slice(),
        geometry,
        shareTree,
        crypttextTree,
        crypttextWindows: new Set(),
      }
      return true
    } catch (error) {
      this.fatal = error
      throw error
    }
  }
}
