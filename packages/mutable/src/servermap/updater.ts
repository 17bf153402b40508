import { sameBytes } from '@lafs/crypto'
import {
  isFilesystemError,
  type ProgressOptions,
  type ServermapMode,
} from '@lafs/filesystem-interface'
import type { IServer } from '@lafs/storage-interface'
import type { MutableShareHeader } from '@lafs/storage-protocol/layout'
import { untilHeard } from '../advice.ts'
import type { MutableFile } from '../file.ts'
import type { FoundShare } from './found-share.ts'
import { PrivateKeySearch } from './private-key-search.ts'
import type { ServerMap } from './server-map.ts'
import { ServerRequests } from './requests.ts'
import { ServermapUpdaterStatus } from './status.ts'
import { VersionChecker } from './version-checker.ts'
import { type VersionInfo, versionInfoOf } from './version-info.ts'

/** Options of {@link updateServermap}. */
export interface ServermapOptions extends ProgressOptions {
  /** Add or renew a lease on the shares of every server that is asked. Default: no. */
  readonly addLease?: boolean | undefined
  /**
   * Work as a check must: let one good signature prove a version for all of its shares, whichever
   * server answers first, and wait until the servers of bad shares have heard of them. Default: shares
   * that come before the one with the good signature count as bad, and nobody waits.
   */
  readonly thorough?: boolean | undefined
  /** Bytes of each share to read at once, or more: who reads on in the share has them already. */
  readonly readSize?: number | undefined
}

/** What is assumed of the encoding of a file as long as no share was seen. */
const USUAL_ENCODING = { requiredShares: 3, totalShares: 10 }
/** Questions that are open at once, once the first ones have been asked. */
const OUTSTANDING_MAX = 5
/** Of a share that is worth nothing, this much is kept for the test of the one who replaces it. */
const BAD_CHECKSTRING_SIZE = 75
/**
 * Bytes of each share that are read at once. An MDMF share has all but its blocks and block hashes
 * within the first 2,167 of them, an SDMF share all that proves its version within the first thousand.
 */
const READ_SIZE = 4000
/**
 * The same for the servers that are likely to hold the first shares: enough for small files as a
 * whole, with the private key, which is at the end of an SDMF share.
 */
const GENEROUS_READ_SIZE = 16 * 1024
/** The same where the size of the file is known. */
const WHOLE_SHARE_MAX = 64 * 1024
/** More than there is in a share of that size beside its blocks, whatever the number of shares. */
const SHARE_OVERHEAD = 3000

/**
 * Finds out where the shares of which versions of a file are, as far as the mode goes, and adds it
 * to the map. Each server is asked once; those that had shares in the map must answer, or be out of
 * reach. What is learnt of the file itself is kept in `file`: its public key, the version, size and
 * encoding of the best recoverable version, and, where a mode that writes finds it, its private key.
 *
 * Servers that fail are noted in the map and are no reason to reject; what a server says once the map
 * is done is ignored.
 *
 * @returns the same map.
 * @throws the reason of the signal, and nothing else; the map keeps what it has got by then.
 * @see allmydata.mutable.servermap.ServermapUpdater
 */
export async function updateServermap(
  file: MutableFile,
  map: ServerMap,
  mode: ServermapMode,
  options: ServermapOptions = {},
): Promise<ServerMap> {
  options.signal?.throwIfAborted()
  const status = new ServermapUpdaterStatus(file, map, mode)
  file.context.history?.addServermapUpdate(status)
  const update = new Update(file, map, status, options)
  const { signal } = options
  await new Promise<void>((resolve, reject) => {
    const onAbort = (): void => {
      update.stop('Stopped')
      reject(signal?.reason)
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    update.start(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    })
  })
  if (options.thorough === true) {
    await untilHeard(update.advice, { clock: file.context.clock, signal })
  }
  return map
}

/** An update under way: each answer leads to more questions, or to the end. */
class Update {
  readonly #file: MutableFile
  readonly #map: ServerMap
  readonly #mode: ServermapMode
  readonly #status: ServermapUpdaterStatus
  readonly #options: ServermapOptions
  readonly #requests: ServerRequests
  readonly #checker: VersionChecker
  /** Undefined where nobody needs the private key. */
  readonly #keySearch: PrivateKeySearch | undefined
  /** How many servers without shares, one after the other, mean that there are no more shares. */
  readonly #epsilon: number
  /** Everyone, in the order of the file. */
  readonly #servers: readonly IServer[]
  /** Those that were not asked. */
  #queue: IServer[] = []
  /** Those whose answers are waited for, by id. */
  readonly #outstanding = new Set<string>()
  /** Those of them without whose answers there is no end: they had shares once. */
  readonly #mustAnswer = new Set<string>()
  #completed = 0
  readonly #bad = new Set<string>()
  readonly #empty = new Set<string>()
  readonly #withShares = new Set<string>()
  /** What servers are told of bad shares. */
  readonly advice: Promise<void>[] = []
  /** Shares that do not prove what they say. */
  readonly #unproven: { readonly share: FoundShare; readonly version: VersionInfo }[] = []
  #running = true
  #onDone = (): void => {}

  constructor(
    file: MutableFile,
    map: ServerMap,
    status: ServermapUpdaterStatus,
    options: ServermapOptions,
  ) {
    this.#file = file
    this.#map = map
    this.#mode = status.mode
    this.#status = status
    this.#options = options
    this.#requests = new ServerRequests(file, options.signal)
    this.#checker = new VersionChecker(file, this.#requests)
    this.#servers = file.context.broker.serversForStorageIndex(file.storageIndex)
    this.#epsilon = (file.encoding ?? USUAL_ENCODING).requiredShares
    const writes = this.#mode === 'MODE_WRITE' || this.#mode === 'MODE_REPAIR'
    if (!writes || file.writekey === undefined || file.signingKey !== undefined) return
    this.#keySearch = new PrivateKeySearch(file, this.#requests, {
      onFound: ({ serverId }) => {
        status.privateKeyFrom = serverId
      },
      onProblem: (server, problem) => this.#addProblem(server, problem),
      onTried: () => this.#check(),
    })
  }

  /** Asks the first servers. `onDone` is called once, unless {@link stop} is called before. */
  start(onDone: () => void): void {
    this.#onDone = onDone
    const first = this.#firstServers()
    const asked = new Set(first.map(({ serverId }) => serverId))
    this.#queue = this.#servers.filter(({ serverId }) => !asked.has(serverId))
    this.#status.status = `Sending ${first.length} initial queries`
    this.#report()
    for (const [index, server] of first.entries()) this.#ask(server, index < this.#epsilon)
    if (first.length === 0) this.#check()
  }

  /** Nothing is asked any more, and no answer changes the map. */
  stop(status: 'Finished' | 'Stopped'): void {
    this.#running = false
    this.#keySearch?.stop()
    this.#requests.dispose()
    this.#status.timings.cumulativeVerifyMs = this.#checker.verifyMs
    this.#status.finish(status, this.#file.context.clock.nowMs())
  }

  /** Those that are asked at once, and among them those that must answer. */
  #firstServers(): readonly IServer[] {
    if (this.#mode === 'MODE_CHECK' || this.#mode === 'MODE_REPAIR') {
      for (const { serverId } of this.#servers) this.#mustAnswer.add(serverId)
      return this.#servers
    }
    const known = this.#map.servers()
    for (const { serverId } of known) this.#mustAnswer.add(serverId)
    const { requiredShares, totalShares } = this.#file.encoding ?? USUAL_ENCODING
    const wanted = (this.#mode === 'MODE_WRITE' ? totalShares : requiredShares) + this.#epsilon
    const others = this.#servers.filter(({ serverId }) => !this.#mustAnswer.has(serverId))
    return [...known, ...others.slice(0, Math.max(0, wanted - known.length))]
  }

  #readSize(generous: boolean): number {
    const { size, encoding } = this.#file
    const least = Math.max(READ_SIZE, this.#options.readSize ?? 0)
    if (!generous || this.#mode === 'MODE_CHECK') return least
    if (size === undefined || encoding === undefined) return Math.max(least, GENEROUS_READ_SIZE)
    // Files that change grow a little: their directories, one entry at a time.
    const whole = SHARE_OVERHEAD + Math.ceil((size * 1.25) / encoding.requiredShares)
    return whole > WHOLE_SHARE_MAX ? least : Math.max(least, whole)
  }

  #ask(server: IServer, generous = false): void {
    this.#outstanding.add(server.serverId)
    void this.#query(server, this.#readSize(generous))
  }

  /** One server from question to outcome. Never rejects. */
  async #query(server: IServer, size: number): Promise<void> {
    const { clock } = this.#file.context
    const sentMs = clock.nowMs()
    const asWriter = this.#mode === 'MODE_WRITE' && this.#file.writekey !== undefined
    const lease = this.#options.addLease === true ? this.#addLease(server) : undefined
    try {
      const [shares] = await Promise.all([this.#requests.shares(server, size, asWriter), lease])
      if (!this.#running) return
      this.#status.addAnswer(server, clock.nowMs() - sentMs)
      await this.#takeAnswer(server, shares)
    } catch (error) {
      this.#fail(server, error)
    }
    if (!this.#running) return
    this.#outstanding.delete(server.serverId)
    this.#mustAnswer.delete(server.serverId)
    this.#completed += 1
    this.#report()
    this.#check()
  }

  /** A lease that cannot be had is no reason to distrust a server. Never rejects. */
  async #addLease(server: IServer): Promise<void> {
    try {
      await this.#requests.addLease(server)
    } catch (error) {
      this.#status.addProblem(server, error)
    }
  }

  #addProblem(server: IServer, problem: unknown): void {
    this.#status.addProblem(server, problem)
    this.#map.addProblem(problem)
  }

  #fail(server: IServer, error: unknown): void {
    if (!this.#running) return
    this.#bad.add(server.serverId)
    this.#addProblem(server, error)
    this.#map.markUnreachable(server)
  }

  async #takeAnswer(server: IServer, shares: readonly FoundShare[]): Promise<void> {
    this.#map.markReachable(server)
    const present = new Set(shares.map(({ shareNumber }) => shareNumber))
    this.#map.forgetSharesExcept(server, present)
    if (shares.length === 0) {
      this.#empty.add(server.serverId)
      return
    }
    await Promise.all(shares.map((share) => this.#takeShare(share)))
    if (!this.#withShares.has(server.serverId)) this.#bad.add(server.serverId)
  }

  /** A share from its bytes into the map, among the good ones or the bad ones. */
  async #takeShare(share: FoundShare): Promise<void> {
    const { server, shareNumber, bytes, reader } = share
    let header: MutableShareHeader | undefined
    try {
      header = await this.#requests.within(server, (options) => reader.header(options))
      this.#keySearch?.offer(share, header)
      const version = await this.#checker.check(share, header)
      if (!this.#running) return
      const bad = this.#map.badShare(server, shareNumber)
      // Somebody found out before that the rest of it is worth nothing.
      if (bad?.damaged === true && startsWith(bytes, bad.checkstring)) return
      this.#takeGoodShare(share, version)
    } catch (error) {
      if (!isFilesystemError(error)) {
        this.#fail(server, error)
        return
      }
      const isNew = this.#map.badShare(server, shareNumber) === undefined
      if (header !== undefined && isNew && isFilesystemError(error, 'SHARE_CORRUPT')) {
        this.#unproven.push({ share, version: versionInfoOf(header) })
      }
      this.#takeBadShare(share, error)
    }
  }

  #takeGoodShare({ server, shareNumber, reader }: FoundShare, version: VersionInfo): void {
    this.#map.addShare(server, shareNumber, version, this.#file.context.clock.nowMs())
    this.#map.setReader(server, shareNumber, reader)
    this.#withShares.add(server.serverId)
  }

  /** What came before the share that had a good signature is as good as what came after it. */
  #takeProvenShares(): void {
    if (this.#options.thorough !== true) return
    for (const { share, version } of this.#unproven) {
      const bad = this.#map.badShare(share.server, share.shareNumber)
      if (bad !== undefined && this.#map.sharesOf(version).length > 0) {
        this.#takeGoodShare(share, version)
      }
    }
  }

  /** A share that is worth nothing makes its server one to rely on no more. */
  #takeBadShare(share: FoundShare, error: Error): void {
    if (!this.#running) return
    const { server, shareNumber, bytes } = share
    this.#bad.add(server.serverId)
    this.#addProblem(server, error)
    const checkstring = bytes.slice(0, BAD_CHECKSTRING_SIZE)
    this.#map.markBadShare(server, shareNumber, checkstring)
    if (!this.#map.claimAdvice(server, shareNumber, checkstring)) return
    this.advice.push(this.#requests.advise(share, error.message))
  }

  /** Ends the update, or asks more servers, or does nothing: then more answers are waited for. */
  #check(): void {
    if (!this.#running || this.#mustAnswer.size > 0) return
    if (this.#outstanding.size === 0 && this.#queue.length === 0) {
      if (this.#keySearch?.underWay !== true) this.#done()
      return
    }
    const wanted = this.#wanted()
    if (wanted === undefined) this.#done()
    else this.#askMore(wanted)
  }

  /** How many answers are to be waited for at once; undefined where what is known suffices. */
  #wanted(): number | undefined {
    const recoverable = this.#map.recoverableVersions()
    switch (this.#mode) {
      case 'MODE_ANYTHING':
        return recoverable.length > 0 ? undefined : OUTSTANDING_MAX
      case 'MODE_READ': {
        // Twice as many as are needed have answered.
        const enough = this.#completed >= 2 * this.#epsilon
        return enough && this.#hasNewest(recoverable) ? undefined : OUTSTANDING_MAX
      }
      case 'MODE_WRITE':
        return this.#hasNewest(recoverable) ? this.#wantedToWrite() : OUTSTANDING_MAX
      case 'MODE_CHECK':
      case 'MODE_REPAIR':
        return 0
    }
  }

  /** Whether there is a version to read, and nobody knows of anything newer. */
  #hasNewest(recoverable: readonly VersionInfo[]): boolean {
    return recoverable.length > 0 && this.#map.unrecoverableNewerVersions().length === 0
  }

  /**
   * Shares stop where, after the last server with one, as many have none as a reader needs shares:
   * then only answers of servers before those are of interest.
   */
  #wantedToWrite(): number | undefined {
    let found = false
    let missing = 0
    let unanswered = 0
    for (const { serverId } of this.#servers) {
      if (this.#bad.has(serverId)) continue
      if (this.#empty.has(serverId)) {
        if (!found) continue
        missing += 1
        if (missing < this.#epsilon) continue
        if (unanswered > 0) return unanswered
        if (this.#keySearch?.wanted !== true) return undefined
        return this.#keySearch.underWay ? 0 : OUTSTANDING_MAX
      }
      if (this.#withShares.has(serverId)) {
        found = true
        missing = 0
      } else unanswered += 1
    }
    return OUTSTANDING_MAX
  }

  #askMore(wanted: number): void {
    while (this.#outstanding.size < wanted) {
      const server = this.#queue.shift()
      if (server === undefined) return
      this.#ask(server)
    }
  }

  #report(): void {
    const shares = this.#withShares.size
    this.#options.onProgress?.({ phase: 'locating', done: shares, total: undefined })
  }

  #done(): void {
    this.stop('Finished')
    this.#takeProvenShares()
    this.#map.setLastUpdate(this.#mode, this.#status.startedMs)
    const best = this.#map.bestRecoverableVersion()
    if (best !== undefined) {
      const { requiredShares, totalShares, size, header } = best
      this.#file.version = header.version
      this.#file.encoding = { requiredShares, totalShares }
      this.#file.size = size
    }
    this.#onDone()
  }
}

function startsWith(bytes: Uint8Array, start: Uint8Array): boolean {
  return sameBytes(bytes.subarray(0, start.length), start)
}
