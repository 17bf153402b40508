import type { CodecProvider, ICodecDecoder } from '@lafs/codec-interface'
import type { CryptoProvider } from '@lafs/crypto'
import { IncompleteHashTree } from '@lafs/hashtree'
import type { IServer, IStorageBroker } from '@lafs/storage-interface'
import type { ChkVerifierCap } from '@lafs/uri'
import { Cancellation } from '@lafs/storage-protocol/waiting'
import type { Clock } from '@lafs/storage-protocol/waiting'
import type { FileGeometry } from '../geometry.ts'
import { EventLog } from './event-log.ts'
import { isSmallTree } from './hash-windows.ts'
import { Notifier } from './notifier.ts'
import { guessGeometry, WHOLE_SHARE_SIZE, wholeShareSize } from './read-ahead.ts'
import { RemoteShare } from './remote-share.ts'
import { ShareFinder } from './share-finder.ts'
import type { FirstAsked } from './share-finder.ts'
import { isUriExtensionOf, validateUriExtension } from './uri-extension.ts'
import type { ValidatedUriExtension } from './uri-extension.ts'

/** Of files with shares of up to this many bytes it does not matter which servers are the fastest. */
const FEW_SERVERS_SIZE: number = 512 * 1024

/** What a file is read with: the servers, the arithmetic, and what is known of the shares. */
export interface DownloadDependencies {
  readonly broker: IStorageBroker
  readonly codec: CodecProvider
  readonly crypto: CryptoProvider
  readonly clock: Clock
  /**
   * Whether a share is known to be damaged somewhere, and its server has been told: it is read only
   * where no other share is left. Default: none is.
   */
  readonly isSuspect?: ((serverId: string, shareNumber: number) => boolean) | undefined
}

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

/**
 * What all reads of one file share: the shares found so far, and the hashes that have been checked.
 *
 * Reads hold it while they run; when the last one lets go, all requests that are still open end.
 *
 * @see allmydata.immutable.downloader.node.DownloadNode
 */
export class FileState {
  readonly cap: ChkVerifierCap
  readonly crypto: CryptoProvider
  readonly clock: Clock
  readonly decoder: ICodecDecoder
  /** Tells that a share was found, answered, failed, or kept us waiting. */
  readonly changed: Notifier = new Notifier()
  readonly shares: RemoteShare[] = []
  readonly finder: ShareFinder
  /** What has happened to the reads so far. */
  readonly events: EventLog
  /** What was wrong with each server's shares, by its id. */
  readonly problems: Map<string, string> = new Map()
  uriExtension: ValidatedUriExtension | undefined
  /** When a server has last sent something of a share. */
  heardMs = 0
  /** Why no share can help, if so: the file itself is badly made. */
  fatal: unknown
  #known: KnownFile | undefined
  #readers = 0
  #requests = new Cancellation()

  constructor(cap: ChkVerifierCap, dependencies: DownloadDependencies) {
    const { broker, codec, crypto, clock, isSuspect } = dependencies
    this.cap = cap
    this.crypto = crypto
    this.clock = clock
    const { requiredShares, totalShares, storageIndex } = cap
    this.decoder = codec.createDecoder({ requiredShares, maxShares: totalShares })
    this.events = new EventLog(() => clock.nowMs())
    this.finder = new ShareFinder({
      broker,
      first: firstAsked(cap),
      events: this.events,
      storageIndex,
      clock,
      changed: this.changed,
      onShare: (server, share, bucket, answerMs) => {
        if (share >= totalShares || this.#knows(server, share)) return
        const found = new RemoteShare(this, server, share, bucket, answerMs)
        found.suspect = isSuspect?.(server.serverId, share) ?? false
        this.shares.push(found)
      },
    })
  }

  /** Ends the requests under way when the last reader has gone. Those that begin later have another. */
  get requests(): Cancellation {
    return this.#requests
  }

  acquire(): void {
    this.#readers += 1
    const failed = this.shares.filter(({ failure }) => failure !== undefined)
    for (const share of failed) this.findAgain(share)
    for (const share of this.shares) share.foundBefore = true
    this.finder.refresh()
  }

  /**
   * Lets go of a share that failed, unless it is damaged, and asks its server for it anew: the connection
   * over which it was found may be gone.
   */
  findAgain(share: RemoteShare): void {
    const at = this.shares.indexOf(share)
    if (at < 0 || share.corrupt) return
    this.shares.splice(at, 1)
    this.finder.askAgain(share.server)
  }

  #knows(server: IServer, shareNumber: number): boolean {
    return this.shares.some(
      (one) => one.server.serverId === server.serverId && one.shareNumber === shareNumber,
    )
  }

  release(): void {
    this.#readers -= 1
    if (this.#readers > 0) return
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

/**
 * Of a small file as many servers as will do are asked first, and the shares of a very small one come
 * along with their answers.
 */
function firstAsked(cap: ChkVerifierCap): FirstAsked | undefined {
  const { size, requiredShares } = cap
  if (size > requiredShares * FEW_SERVERS_SIZE) return undefined
  const whole = wholeShareSize(guessGeometry(cap))
  if (whole === undefined || whole > FEW_SERVERS_SIZE) return undefined
  return { count: requiredShares, readAhead: whole <= WHOLE_SHARE_SIZE ? whole : undefined }
}
