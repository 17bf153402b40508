import type {
  IMutableFileServerMap,
  MutableVersionInfo,
  ServermapMode,
} from '@lafs/filesystem-interface'
import { toBase32 } from '@lafs/crypto'
import type { IServer, ShareNumber } from '@lafs/storage-interface'
import type { MutableShareReader } from '@lafs/storage-protocol/layout'
import { compareSigned, compareVersions, type VersionInfo } from './version-info.ts'

/** A good share and where it is. */
export interface KnownShare {
  readonly server: IServer
  readonly shareNumber: ShareNumber
  readonly version: VersionInfo
  /** When it was seen or written: milliseconds since the epoch. */
  readonly timestampMs: number
}

/** A share that is worth nothing, and what a test must find to replace it. */
export interface BadShare {
  readonly server: IServer
  readonly shareNumber: ShareNumber
  /** The share's first bytes, whatever they say. */
  readonly checkstring: Uint8Array
  /** It is not as it was written; else it could not be had, and may be good the next time. */
  readonly damaged: boolean
}

/** What is known of one share on one server; it is good or bad, not both. */
interface Entry {
  readonly good?: KnownShare
  readonly bad?: BadShare
  readonly reader?: MutableShareReader
}

/**
 * Which shares of which versions are on which servers. The updater fills it, a retrieval marks
 * shares that turn out to be bad, and a publication tests for what it says and then notes what it
 * wrote.
 *
 * @see allmydata.mutable.servermap.ServerMap
 */
export class ServerMap implements IMutableFileServerMap {
  lastUpdateMode: ServermapMode | undefined
  lastUpdateMs = 0
  readonly reachableServers: Set<string> = new Set()
  readonly unreachableServers: Set<string> = new Set()
  readonly problems: unknown[] = []
  /** By server id, then by share number. */
  readonly #entries = new Map<string, Map<ShareNumber, Entry>>()
  /** The first one that was seen of all that are equal, by id. */
  readonly #versions = new Map<string, VersionInfo>()
  /** What has been told of bad shares. */
  #advised = new Set<string>()

  /**
   * A map that can be changed without changing this one. The readers are shared, and so is what
   * servers have been told.
   */
  copy(): ServerMap {
    const copy = new ServerMap()
    copy.setLastUpdate(this.lastUpdateMode, this.lastUpdateMs)
    for (const id of this.reachableServers) copy.reachableServers.add(id)
    for (const id of this.unreachableServers) copy.unreachableServers.add(id)
    copy.problems.push(...this.problems)
    for (const [id, shares] of this.#entries) copy.#entries.set(id, new Map(shares))
    for (const [id, version] of this.#versions) copy.#versions.set(id, version)
    copy.#advised = this.#advised
    return copy
  }

  /** Notes how and when the map was made, in milliseconds since the epoch. */
  setLastUpdate(mode: ServermapMode | undefined, whenMs: number): void {
    this.lastUpdateMode = mode
    this.lastUpdateMs = whenMs
  }

  /** The server has answered. */
  markReachable(server: IServer): void {
    this.reachableServers.add(server.serverId)
    this.unreachableServers.delete(server.serverId)
  }

  /** The server was asked and has not answered, or not in a way that makes sense. */
  markUnreachable(server: IServer): void {
    this.unreachableServers.add(server.serverId)
    this.reachableServers.delete(server.serverId)
  }

  /** Notes what went wrong. */
  addProblem(error: unknown): void {
    this.problems.push(error)
  }

  /**
   * Notes a good share, in place of what was known of the one with this number on this server: bad
   * before, or of another version. What had been read of that one is forgotten.
   */
  addShare(
    server: IServer,
    shareNumber: ShareNumber,
    version: VersionInfo,
    timestampMs: number,
  ): void {
    const same = this.#versions.get(version.id) ?? version
    this.#versions.set(version.id, same)
    this.#set(server, shareNumber, {
      good: { server, shareNumber, version: same, timestampMs },
    })
  }

  /**
   * Notes that a share is worth nothing, and what its first bytes are.
   *
   * @param damaged - for good; else until a server shows it again. Default: yes.
   */
  markBadShare(
    server: IServer,
    shareNumber: ShareNumber,
    checkstring: Uint8Array,
    damaged = true,
  ): void {
    this.#set(server, shareNumber, { bad: { server, shareNumber, checkstring, damaged } })
  }

  /**
   * Whether the server is to be told now that this share, with these first bytes, is damaged: once for
   * a map and its copies, however often the share is looked at.
   */
  claimAdvice({ serverId }: IServer, shareNumber: ShareNumber, checkstring: Uint8Array): boolean {
    const share = `${shareNumber}@${serverId} ${toBase32(checkstring)}`
    if (this.#advised.has(share)) return false
    this.#advised.add(share)
    return true
  }

  /** The share, good or bad, is not there any more. */
  forgetShare(server: IServer, shareNumber: ShareNumber): void {
    const shares = this.#entries.get(server.serverId)
    shares?.delete(shareNumber)
    if (shares?.size === 0) this.#entries.delete(server.serverId)
  }

  /** The server has no other shares than these any more, good or bad. */
  forgetSharesExcept(server: IServer, present: { has(shareNumber: ShareNumber): boolean }): void {
    for (const shareNumber of this.#entries.get(server.serverId)?.keys() ?? []) {
      if (!present.has(shareNumber)) this.forgetShare(server, shareNumber)
    }
  }

  #set(server: IServer, shareNumber: ShareNumber, entry: Entry): void {
    const shares = this.#entries.get(server.serverId) ?? new Map<ShareNumber, Entry>()
    this.#entries.set(server.serverId, shares.set(shareNumber, entry))
  }

  #get(server: IServer, shareNumber: ShareNumber): Entry | undefined {
    return this.#entries.get(server.serverId)?.get(shareNumber)
  }

  /** The good shares. */
  *shares(): IterableIterator<KnownShare> {
    for (const shares of this.#entries.values()) {
      for (const { good } of shares.values()) if (good !== undefined) yield good
    }
  }

  /** The good shares of one version. */
  sharesOf(version: MutableVersionInfo): KnownShare[] {
    return [...this.shares()].filter((share) => share.version.id === version.id)
  }

  /** The bad shares. {@link badShares} has their numbers alone. */
  *knownBadShares(): IterableIterator<BadShare> {
    for (const shares of this.#entries.values()) {
      for (const { bad } of shares.values()) if (bad !== undefined) yield bad
    }
  }

  /** The servers with good shares. */
  servers(): IServer[] {
    return [...new Map([...this.shares()].map(({ server }) => [server.serverId, server])).values()]
  }

  /** The share, if it is one of those that are worth nothing. */
  badShare(server: IServer, shareNumber: ShareNumber): BadShare | undefined {
    return this.#get(server, shareNumber)?.bad
  }

  /** The version of a good share. */
  versionOn(server: IServer, shareNumber: ShareNumber): VersionInfo | undefined {
    return this.#get(server, shareNumber)?.good?.version
  }

  /**
   * What the share on this server, good or bad, begins with: a writer that finds anything else there
   * has met another one. Undefined where no share is known, and none must be found.
   */
  checkstringOn(server: IServer, shareNumber: ShareNumber): Uint8Array | undefined {
    const entry = this.#get(server, shareNumber)
    return entry?.good?.version.header.checkstring ?? entry?.bad?.checkstring
  }

  /** Reads a good share, with what has been read of it already; undefined for any other. */
  readerFor(server: IServer, shareNumber: ShareNumber): MutableShareReader | undefined {
    return this.#get(server, shareNumber)?.reader
  }

  /** Keeps the reader of a good share, until something new is known of that share. */
  setReader(server: IServer, shareNumber: ShareNumber, reader: MutableShareReader): void {
    const entry = this.#get(server, shareNumber)
    if (entry?.good !== undefined) this.#set(server, shareNumber, { ...entry, reader })
  }

  get badShares(): ReadonlyMap<string, ReadonlySet<ShareNumber>> {
    const bad = new Map<string, Set<ShareNumber>>()
    for (const { server, shareNumber } of this.knownBadShares()) {
      bad.set(server.serverId, (bad.get(server.serverId) ?? new Set()).add(shareNumber))
    }
    return bad
  }

  versionMap(): ReadonlyMap<VersionInfo, ReadonlyMap<ShareNumber, ReadonlySet<string>>> {
    const versions = new Map<VersionInfo, Map<ShareNumber, Set<string>>>()
    for (const { server, shareNumber, version } of this.shares()) {
      const shares = versions.get(version) ?? new Map<ShareNumber, Set<string>>()
      versions.set(version, shares)
      shares.set(shareNumber, (shares.get(shareNumber) ?? new Set()).add(server.serverId))
    }
    return versions
  }

  sharesOnServer(serverId: string): ReadonlyMap<ShareNumber, VersionInfo> {
    const versions = new Map<ShareNumber, VersionInfo>()
    for (const [shareNumber, { good }] of this.#entries.get(serverId) ?? []) {
      if (good !== undefined) versions.set(shareNumber, good.version)
    }
    return versions
  }

  /** The best one first. */
  recoverableVersions(): readonly VersionInfo[] {
    return this.#versionsWith((found, required) => found >= required)
  }

  /** The newest one first. */
  unrecoverableVersions(): readonly VersionInfo[] {
    return this.#versionsWith((found, required) => found < required)
  }

  /**
   * Of two that differ in nothing that is signed, the one that more servers have comes first: one
   * server alone could say that the parts of its shares are elsewhere.
   */
  #versionsWith(fits: (found: number, required: number) => boolean): VersionInfo[] {
    return [...this.versionMap()]
      .filter(([version, shares]) => fits(shares.size, version.requiredShares))
      .map(([version, shares]) => ({
        version,
        serverCount: new Set([...shares.values()].flatMap((ids) => [...ids])).size,
      }))
      .toSorted(
        (a, b) =>
          compareSigned(b.version, a.version) ||
          b.serverCount - a.serverCount ||
          compareVersions(b.version, a.version),
      )
      .map(({ version }) => version)
  }

  bestRecoverableVersion(): VersionInfo | undefined {
    return this.recoverableVersions()[0]
  }

  unrecoverableNewerVersions(): readonly VersionInfo[] {
    const best = this.bestRecoverableVersion()?.sequenceNumber ?? -1
    return this.unrecoverableVersions().filter(({ sequenceNumber }) => sequenceNumber > best)
  }

  needsMerge(): boolean {
    const numbers = this.recoverableVersions().map(({ sequenceNumber }) => sequenceNumber)
    return new Set(numbers).size < numbers.length
  }

  /** Every version that a good share was ever known of, though none may be left. */
  versionsSeen(): readonly VersionInfo[] {
    return [...this.#versions.values()]
  }

  /** The greatest sequence number of any version that was ever seen; 0 where there is none. */
  highestSequenceNumber(): number {
    return Math.max(0, ...this.versionsSeen().map((version) => version.sequenceNumber))
  }

  /** How many shares of which versions are known, such as `3*seq1-abcd/10*seq2-efgh`. */
  summarizeVersions(): string {
    return [...this.versionMap()]
      .toSorted(([a], [b]) => compareVersions(a, b))
      .map(([{ summary }, shares]) => `${shares.size}*${summary}`)
      .join('/')
  }
}
