import type { IPeerSelector } from '@lafs/storage-interface'
import { sharePlacement } from './happiness.ts'

/**
 * Remembers what is known of the servers of an upload, and asks {@link sharePlacement} where the
 * shares are to go.
 *
 * @see allmydata.immutable.upload.PeerSelector
 */
export class PeerSelector implements IPeerSelector {
  readonly #totalShares: number
  readonly #peers = new Set<string>()
  readonly #readonlyPeers = new Set<string>()
  readonly #held = new Map<string, Set<number>>()

  constructor(totalShares: number) {
    this.#totalShares = totalShares
  }

  addPeerWithShare(serverId: string, shareNumber: number): void {
    const shares = this.#held.get(serverId) ?? new Set()
    this.#held.set(serverId, shares.add(shareNumber))
  }

  addPeers(serverIds: Iterable<string>): void {
    for (const id of serverIds) this.#peers.add(id)
  }

  markReadonlyPeer(serverId: string): void {
    this.#readonlyPeers.add(serverId)
    this.#peers.delete(serverId)
  }

  markBadPeer(serverId: string): void {
    this.#peers.delete(serverId)
    this.#readonlyPeers.delete(serverId)
  }

  sharePlacements(): Map<number, string> {
    return sharePlacement({
      peers: this.#peers,
      readonlyPeers: this.#readonlyPeers,
      shareNumbers: Array.from({ length: this.#totalShares }, (_, share) => share),
      peersToShares: this.#held,
    })
  }
}
