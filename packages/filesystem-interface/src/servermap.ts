import type { ShareNumber } from '@lafs/storage-interface'

/**
 * How far to look for the shares of a mutable file: `MODE_READ` until the newest version can be
 * read, `MODE_WRITE` until all shares that must be replaced are found, `MODE_ANYTHING` until any
 * version can be read, `MODE_CHECK` everywhere, `MODE_REPAIR` everywhere and for the private key.
 *
 * @see allmydata.mutable.common
 */
export type ServermapMode =
  | 'MODE_READ'
  | 'MODE_WRITE'
  | 'MODE_ANYTHING'
  | 'MODE_CHECK'
  | 'MODE_REPAIR'

/** What tells one version of a mutable file from another. Two with the same `id` are one. */
export interface MutableVersionInfo {
  /** `seq3-abcd`: the sequence number and the first characters of the root hash in base32. */
  readonly summary: string
  /** The whole identity, to compare and to use as the key of a map. */
  readonly id: string
  readonly sequenceNumber: number
  /** 32 bytes. */
  readonly rootHash: Uint8Array
  readonly requiredShares: number
  readonly totalShares: number
  /** Bytes. */
  readonly segmentSize: number
  /** Bytes of the content. */
  readonly size: number
}

/**
 * Which shares of which versions of a mutable file are on which servers: what a reader looks at and
 * what a writer proves that it saw. Servers are named by their ids.
 *
 * @see allmydata.interfaces.IMutableFileNode.get_servermap; allmydata.mutable.servermap.ServerMap
 */
export interface IMutableFileServerMap {
  /** The mode of the last update; undefined before the first. */
  readonly lastUpdateMode: ServermapMode | undefined
  /** When the last update began: milliseconds since the epoch; 0 before the first. */
  readonly lastUpdateMs: number
  /** Those that answered. */
  readonly reachableServers: ReadonlySet<string>
  /** Those that were asked and did not answer. */
  readonly unreachableServers: ReadonlySet<string>
  /** What went wrong, in order. */
  readonly problems: readonly unknown[]
  /** Shares of each server that are worth nothing. */
  readonly badShares: ReadonlyMap<string, ReadonlySet<ShareNumber>>
  /** Every version that was seen, and on which servers each of its shares is. */
  versionMap(): ReadonlyMap<MutableVersionInfo, ReadonlyMap<ShareNumber, ReadonlySet<string>>>
  /** The shares of one server and their versions. */
  sharesOnServer(serverId: string): ReadonlyMap<ShareNumber, MutableVersionInfo>
  /** Those with at least `requiredShares` different shares. */
  recoverableVersions(): readonly MutableVersionInfo[]
  /** Those with fewer. */
  unrecoverableVersions(): readonly MutableVersionInfo[]
  /** The recoverable version with the greatest sequence number, then the greatest root hash. */
  bestRecoverableVersion(): MutableVersionInfo | undefined
  /** Versions with fewer shares than they need that are newer than every recoverable one. */
  unrecoverableNewerVersions(): readonly MutableVersionInfo[]
  /** Whether several recoverable versions have the same sequence number: reading one loses the others. */
  needsMerge(): boolean
}
