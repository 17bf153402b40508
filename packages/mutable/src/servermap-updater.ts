import { isEncodingError, sameBytes, sskPubkeyFingerprintHash } from '@lafs/crypto'
import type { RsaVerifyingKey } from '@lafs/crypto'
import {
  BadShareError,
  CorruptShareError,
  isFilesystemError,
  type ProgressOptions,
  type ServermapMode,
  type ShareErrorDetails,
} from '@lafs/filesystem-interface'
import {
  isStorageError,
  type IServer,
  type IStorageServer,
  type OperationOptions,
  type ReadVector,
  type ShareNumber,
  StorageError,
  type TestWriteVectors,
} from '@lafs/storage-interface'
import {
  createMutableShareReader,
  type LoadableSection,
  type MutableShareHeader,
  type MutableShareReader,
} from '@lafs/storage-protocol/layout'
import { Cancellation, within } from '@lafs/storage-protocol/waiting'
import type { MutableFile } from './file.ts'
import { decryptSigningKey, leaseSecrets, slotSecrets } from './keys.ts'
import type { ServerMap } from './server-map.ts'
import { ServermapUpdaterStatus } from './servermap-status.ts'
import { type VersionInfo, versionInfoOf } from './version-info.ts'

/** Options of {@link updateServermap}. */
export interface ServermapOptions extends ProgressOptions {
  /** Add or renew a lease on the shares of every server that is asked. Default: no. */
  readonly addLease?: boolean | undefined
}

/** What is assumed of the encoding of a file as long as no share was seen. */
const USUAL_ENCODING = { requiredShares: 3, totalShares: 10 }
/** Questions that are open at once, once the first ones have been asked. */
const OUTSTANDING_MAX = 5
/** Private keys that are asked for at once. */
const KEY_READS_MAX = 2
/** Of a share that is worth nothing, this much is kept for the test of the one who replaces it. */
const BAD_CHECKSTRING_SIZE = 75
const NOTHING = new Uint8Array()
/** A server that takes longer counts as out of reach. */
const PATIENCE_MS = 10_000
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
/** The same where the size of an SDMF file is known. */
const WHOLE_SHARE_MAX = 64 * 1024
/** More than there is in an SDMF share beside its block, whatever the number of shares. */
const SDMF_OVERHEAD = 3000

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
  return map
}

/** What a server says of all its shares of a file. */
interface Answer {
  readonly server: IServer
  readonly storage: IStorageServer
  /** The first `size` bytes of each, or all of them. */
  readonly shares: ReadonlyMap<ShareNumber, Uint8Array>
  readonly size: number
}

/** A share as a server gave it, and how to read more of it. */
interface FoundShare {
  readonly server: IServer
  readonly storage: IStorageServer
  readonly shareNumber: ShareNumber
  /** Its first bytes. */
  readonly bytes: Uint8Array
  /** Whether they are all of it. */
  readonly complete: boolean
  readonly reader: MutableShareReader
}

/** An update under way: each answer leads to more questions, or to the end. */
class Update {
  readonly #file: MutableFile
  readonly #map: ServerMap
  readonly #mode: ServermapMode
  readonly #status: ServermapUpdaterStatus
  readonly #options: ServermapOptions
  readonly #requests: Cancellation
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
  /** Whether signatures of a version are good, by its id. */
  readonly #verified = new Map<string, Promise<boolean>>()
  #publicKey: Promise<RsaVerifyingKey> | undefined
  #needsKey: boolean
  /** Where the private key was not looked for yet, and whether that costs no request. */
  readonly #keySources: { readonly share: FoundShare; readonly held: boolean }[] = []
  /** In how many places it is being looked for. */
  #keyReads = 0
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
    this.#requests = new Cancellation(options.signal)
    this.#servers = file.context.broker.serversForStorageIndex(file.storageIndex)
    this.#epsilon = (file.encoding ?? USUAL_ENCODING).requiredShares
    const writes = this.#mode === 'MODE_WRITE' || this.#mode === 'MODE_REPAIR'
    this.#needsKey = writes && file.writekey !== undefined && file.signingKey === undefined
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
    this.#requests.dispose()
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
    const { size, version, encoding } = this.#file
    if (!generous || version === 1 || this.#mode === 'MODE_CHECK') return READ_SIZE
    if (size === undefined || encoding === undefined) return GENEROUS_READ_SIZE
    // Files that change grow a little: their directories, one entry at a time.
    const whole = SDMF_OVERHEAD + Math.ceil((size * 1.25) / encoding.requiredShares)
    return whole > WHOLE_SHARE_MAX ? READ_SIZE : Math.max(READ_SIZE, whole)
  }

  #ask(server: IServer, generous = false): void {
    this.#outstanding.add(server.serverId)
    void this.#query(server, this.#readSize(generous))
  }

  /** One server from question to outcome. Never rejects. */
  async #query(server: IServer, size: number): Promise<void> {
    const { clock } = this.#file.context
    const sentMs = clock.nowMs()
    try {
      const answer = await this.#fetch(server, size)
      if (!this.#running) return
      this.#status.addAnswer(server, clock.nowMs() - sentMs)
      await this.#takeAnswer(answer)
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

  async #fetch(server: IServer, size: number): Promise<Answer> {
    const lease = this.#options.addLease === true ? this.#addLease(server) : undefined
    const answer = this.#within(server, async (options) => {
      const storage = await server.storageServer(options)
      const read = await this.#readAll(server, storage, { offset: 0, size }, options)
      const shares = new Map([...read].map(([number, [bytes = NOTHING]]) => [number, bytes]))
      return { server, storage, shares, size }
    })
    const [found] = await Promise.all([answer, lease])
    return found
  }

  /**
   * The beginnings of all shares that a server has. Over HTTP a read of shares whose numbers are not
   * known takes two requests, one after the other, and a test-and-write that neither tests nor writes
   * takes one. Only those who write anyhow show their write enabler for it.
   */
  async #readAll(
    server: IServer,
    storage: IStorageServer,
    span: ReadVector,
    options: OperationOptions,
  ): Promise<Map<ShareNumber, Uint8Array[]>> {
    const { storageIndex, writekey } = this.#file
    if (this.#mode === 'MODE_WRITE' && writekey !== undefined) {
      const secrets = slotSecrets(this.#file, server)
      try {
        const nothing = new Map<ShareNumber, TestWriteVectors>()
        const { data } = await storage.slotTestvAndReadvAndWritev(
          storageIndex,
          secrets,
          nothing,
          [span],
          options,
        )
        return data
      } catch (error) {
        // A server that knows another write enabler can still be read.
        if (!isStorageError(error, 'STORAGE_BAD_WRITE_ENABLER')) throw error
      }
    }
    return storage.slotReadv(storageIndex, [], [span], options)
  }

  /** A lease that cannot be had is no reason to distrust a server. Never rejects. */
  async #addLease(server: IServer): Promise<void> {
    try {
      const secrets = leaseSecrets(this.#file, server)
      await this.#within(server, async (options) => {
        const storage = await server.storageServer(options)
        await storage.addLease(this.#file.storageIndex, secrets, options)
      })
    } catch (error) {
      this.#status.addProblem(server, error)
    }
  }

  /** A request to one server, unless it takes too long. */
  #within<T>(server: IServer, request: (options: OperationOptions) => Promise<T>): Promise<T> {
    return this.#requests.run(async (signal) => {
      const own = new Cancellation(signal)
      const timeout = (): Error => {
        const error = new StorageError('STORAGE_TIMEOUT', `${server.name} did not answer in time`)
        own.abort(error)
        return error
      }
      const { clock } = this.#file.context
      try {
        const work = request({ signal: own.signal })
        return await within(work, { clock, delayMs: PATIENCE_MS, timeout, signal })
      } finally {
        own.dispose()
      }
    })
  }

  #fail(server: IServer, error: unknown): void {
    if (!this.#running) return
    this.#bad.add(server.serverId)
    this.#status.addProblem(server, error)
    this.#map.addProblem(error)
    this.#map.markUnreachable(server)
  }

  async #takeAnswer({ server, storage, shares, size }: Answer): Promise<void> {
    this.#map.markReachable(server)
    this.#map.forgetSharesExcept(server, shares)
    if (shares.size === 0) {
      this.#empty.add(server.serverId)
      return
    }
    const { storageIndex } = this.#file
    await Promise.all(
      [...shares].map(([shareNumber, bytes]) => {
        const complete = bytes.length < size
        const prefetched = { prefetched: bytes, complete }
        const where = { server: storage, storageIndex, shareNumber }
        const reader = createMutableShareReader({ ...where, ...prefetched })
        return this.#takeShare({ server, storage, shareNumber, bytes, complete, reader })
      }),
    )
    if (!this.#withShares.has(server.serverId)) this.#bad.add(server.serverId)
  }

  /** A share from its bytes into the map, among the good ones or the bad ones. */
  async #takeShare(share: FoundShare): Promise<void> {
    const { server, shareNumber, bytes, reader } = share
    try {
      const version = await this.#validVersion(share)
      if (!this.#running) return
      const bad = this.#map.badShare(server, shareNumber)
      // Somebody found out before that the rest of it is worth nothing.
      if (bad !== undefined && startsWith(bytes, bad.checkstring)) return
      this.#map.addShare(server, shareNumber, version, this.#file.context.clock.nowMs())
      this.#map.setReader(server, shareNumber, reader)
      this.#withShares.add(server.serverId)
    } catch (error) {
      if (isFilesystemError(error)) this.#takeBadShare(share, error)
      else this.#fail(server, error)
    }
  }

  /** A share that is worth nothing makes its server one to rely on no more. */
  #takeBadShare({ server, storage, shareNumber, bytes }: FoundShare, error: Error): void {
    if (!this.#running) return
    this.#bad.add(server.serverId)
    this.#status.addProblem(server, error)
    this.#map.markBadShare(server, shareNumber, bytes.slice(0, BAD_CHECKSTRING_SIZE))
    this.#map.addProblem(error)
    const { storageIndex } = this.#file
    const advise = this.#within(server, (options) =>
      storage.adviseCorruptShare('mutable', storageIndex, shareNumber, error.message, options),
    )
    advise.catch(() => {})
  }

  /**
   * The version of a share, if the owner of the file signed it. Mostly everything that this needs has
   * been read, and no request is made.
   *
   * @throws {@link BadShareError}
   */
  async #validVersion(share: FoundShare): Promise<VersionInfo> {
    const { server, shareNumber, reader } = share
    const details = { serverId: server.serverId, shareNumber }
    const header = await this.#within(server, (options) => reader.header(options))
    this.#offerKey(share, header)
    const version = versionInfoOf(header)
    if (shareNumber >= version.totalShares) {
      throw new BadShareError(`expected a share below ${version.totalShares}`, details)
    }
    const needed = ['signature'] as LoadableSection[]
    if (this.#file.verifyingKey === undefined) needed.push('verificationKey')
    await this.#within(server, (options) => reader.load(needed, options))
    this.#file.verifyingKey ??= await this.#importPublicKey(await reader.verificationKey(), details)
    if (!(await this.#isSigned(version, await reader.signature(), this.#file.verifyingKey))) {
      throw new CorruptShareError('the signature is invalid', details)
    }
    return version
  }

  async #importPublicKey(der: Uint8Array, details: ShareErrorDetails): Promise<RsaVerifyingKey> {
    const { crypto } = this.#file.context
    if (!crypto.timingSafeEqual(sskPubkeyFingerprintHash(der, crypto), this.#file.fingerprint)) {
      throw new CorruptShareError('the public key does not fit the fingerprint', details)
    }
    this.#publicKey ??= crypto.importRsaVerifyingKey(der)
    try {
      return await this.#publicKey
    } catch (cause) {
      if (!isEncodingError(cause)) throw cause
      throw new CorruptShareError('the public key is not one of RSA-2048', { ...details, cause })
    }
  }

  async #isSigned(
    { id, header }: VersionInfo,
    signature: Uint8Array,
    key: RsaVerifyingKey,
  ): Promise<boolean> {
    const known = this.#verified.get(id)
    if (known !== undefined && (await known)) return true
    const { clock } = this.#file.context
    const beginMs = clock.nowMs()
    const verified = key.verify(signature, header.prefix)
    this.#verified.set(id, verified)
    const good = await verified
    this.#status.timings.cumulativeVerifyMs += clock.nowMs() - beginMs
    return good
  }

  /** The private key may be had from here, whatever the version is worth. */
  #offerKey(share: FoundShare, header: MutableShareHeader): void {
    if (!this.#needsKey) return
    const held = share.complete || header.sections.encryptedPrivateKey.end <= share.bytes.length
    if (held) this.#keySources.unshift({ share, held })
    else this.#keySources.push({ share, held })
    this.#seekKey()
  }

  /** Looks for the private key: in what has been read, one share at a time, and else at servers. */
  #seekKey(): void {
    while (this.#running && this.#needsKey) {
      const [source] = this.#keySources
      if (source === undefined || this.#keyReads >= (source.held ? 1 : KEY_READS_MAX)) return
      this.#keySources.shift()
      this.#keyReads += 1
      void this.#tryKey(source.share)
    }
  }

  /** Never rejects. */
  async #tryKey({ server, reader }: FoundShare): Promise<void> {
    try {
      const encrypted = await this.#within(server, (options) => reader.encryptedPrivateKey(options))
      const key = await decryptSigningKey(this.#file, encrypted)
      if (this.#running && this.#needsKey) {
        this.#file.signingKey = key
        this.#file.encryptedPrivateKey = encrypted.slice()
        this.#needsKey = false
        this.#status.privateKeyFrom = server.serverId
      }
    } catch (error) {
      if (this.#running) this.#status.addProblem(server, error)
      if (this.#running) this.#map.addProblem(error)
    }
    this.#keyReads -= 1
    this.#seekKey()
    this.#check()
  }

  /** Whether a private key that is needed may still come from a share that was found. */
  get #awaitsKey(): boolean {
    return this.#needsKey && this.#keyReads > 0
  }

  /** Ends the update, or asks more servers, or does nothing: then more answers are waited for. */
  #check(): void {
    if (!this.#running || this.#mustAnswer.size > 0) return
    if (this.#outstanding.size === 0 && this.#queue.length === 0) {
      if (!this.#awaitsKey) this.#done()
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
        // Twice as many as are needed have answered, and nobody knows of anything newer.
        const enough = this.#completed >= 2 * this.#epsilon && recoverable.length > 0
        const newer = this.#map.unrecoverableNewerVersions()
        return enough && newer.length === 0 ? undefined : OUTSTANDING_MAX
      }
      case 'MODE_WRITE':
        return recoverable.length > 0 ? this.#wantedToWrite() : OUTSTANDING_MAX
      case 'MODE_CHECK':
      case 'MODE_REPAIR':
        return 0
    }
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
        if (!this.#needsKey) return undefined
        return this.#awaitsKey ? 0 : OUTSTANDING_MAX
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
