import type { CodecProvider, ICodecDecoder } from '@lafs/codec-interface'
import type { CryptoProvider } from '@lafs/crypto'
import type { IServer, IStorageBroker } from '@lafs/storage-interface'
import type { ChkVerifierCap } from '@lafs/uri'
import type { Clock } from '@lafs/storage-protocol/waiting'
import { FileKnowledge } from './file-knowledge.ts'
import { Notifier } from './notifier.ts'
import { guessGeometry, WHOLE_SHARE_SIZE, wholeShareSize } from './read-ahead.ts'
import { RemoteShare } from './remote-share.ts'
import { ShareFinder } from './share-finder.ts'
import type { FirstAsked } from './share-finder.ts'

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

/**
 * What all reads of one file share: what is known of it, and the shares found so far.
 *
 * Reads hold it while they run; when the last one lets go, all requests that are still open end.
 *
 * @see allmydata.immutable.downloader.node.DownloadNode
 */
export class FileState extends FileKnowledge {
  readonly decoder: ICodecDecoder
  /** Tells that a share was found, answered, failed, or kept us waiting. */
  readonly changed: Notifier = new Notifier()
  readonly shares: RemoteShare[] = []
  readonly finder: ShareFinder
  #readers = 0

  constructor(cap: ChkVerifierCap, dependencies: DownloadDependencies) {
    super(cap, dependencies)
    const { broker, codec, clock, isSuspect } = dependencies
    const { requiredShares, totalShares, storageIndex } = cap
    this.decoder = codec.createDecoder({ requiredShares, maxShares: totalShares })
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
    if (this.#readers === 0) this.endRequests()
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
