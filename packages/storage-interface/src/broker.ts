import type { IStorageServer } from './storage-server.ts'
import type { OperationOptions } from './types.ts'

/**
 * What a server says of itself to the grid, as parsed from an introducer's message or from
 * `private/servers.yaml`. Field names are upstream's, letter for letter, and unknown fields stay.
 */
export interface ServerAnnouncement {
  readonly 'service-name'?: string
  readonly nickname?: string
  /** Holds the TubID that seeds lease secrets and write enablers, whatever the transport. */
  readonly 'anonymous-storage-FURL'?: string
  readonly 'anonymous-storage-NURLs'?: readonly string[]
  /** Base32. Orders this server in {@link IStorageBroker.serversForStorageIndex}. */
  readonly 'permutation-seed-base32'?: string
  readonly [field: string]: unknown
}

/** How things stand with one connection. @see allmydata.interfaces.IConnectionStatus */
export interface IConnectionStatus {
  readonly connected: boolean
  /** One line for people: never a FURL, a NURL or a swissnum. */
  readonly summary: string
  /** When the connection was made: milliseconds since the epoch. */
  readonly lastConnectionTimeMs?: number
  /** When the server was last heard of: milliseconds since the epoch. */
  readonly lastReceivedTimeMs?: number
  /** The tries that have led to no connection (yet), each with how it stands: for status pages. */
  readonly nonConnectedStatuses?: ReadonlyMap<string, string>
}

/** The names of a server. @see allmydata.interfaces.IDisplayableServer */
export interface IDisplayableServer {
  /** What its operator calls it; empty where it has no name. */
  readonly nickname: string
  /** Short printable id, such as `v0-abcdefgh`: for logs and messages. */
  readonly name: string
  /** The whole printable id. */
  readonly longName: string
}

/** One server of the grid, connected or not. @see allmydata.interfaces.IServer */
export interface IServer extends IDisplayableServer {
  /** The server's id: `v0-` and the base32 of its Ed25519 key. Two servers with one id are one. */
  readonly serverId: string
  /** 20 bytes or more that order this server among others. */
  readonly permutationSeed: Uint8Array
  /** The 20 bytes of the server's TubID: lease secrets and write enablers derive from it. */
  readonly leaseSeed: Uint8Array
  readonly connectionStatus: IConnectionStatus
  /** Whether new shares may go there; a grid manager may say no. Reading is always permitted. */
  uploadPermitted(): boolean
  /**
   * The server's operations, connecting first where need be.
   *
   * @throws {@link StorageError} `STORAGE_UNREACHABLE`.
   */
  storageServer(options?: OperationOptions): Promise<IStorageServer>
}

/** Knows the servers of a grid. @see allmydata.interfaces.IStorageBroker */
export interface IStorageBroker {
  /** Every server that was announced, connected or not. */
  knownServers(): readonly IServer[]
  /** The servers that can be talked to now. */
  connectedServers(): readonly IServer[]
  /**
   * The servers in the order of this file: by SHA-1 of the storage index and each one's permutation
   * seed, preferred ones first. Servers that are known to be out of reach are left out.
   *
   * @param options.forUpload - leave out servers that take no new shares.
   */
  serversForStorageIndex(
    storageIndex: Uint8Array,
    options?: { readonly forUpload?: boolean },
  ): readonly IServer[]
  /** The ids of {@link knownServers}. */
  serverIds(): ReadonlySet<string>
  nicknameFor(serverId: string): string | undefined
}

/**
 * Decides which server holds which share, so that the servers of happiness are as many as can be.
 *
 * @see allmydata.interfaces.IPeerSelector
 */
export interface IPeerSelector {
  /** Notes a share that a server was found to hold. */
  addPeerWithShare(serverId: string, shareNumber: number): void
  /** Adds servers that shares could go to. */
  addPeers(serverIds: Iterable<string>): void
  /** No new shares go there; those that it holds still count. */
  markReadonlyPeer(serverId: string): void
  /** No new shares go there, and those that it holds do not count. */
  markBadPeer(serverId: string): void
  /** Which server each share goes to (or stays on). */
  sharePlacements(): Map<number, string>
}
