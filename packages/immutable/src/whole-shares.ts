import type { EncodingResult, IEncryptedUploadable, Shareholder } from '@lafs/filesystem-interface'
import { isStorageError, StorageError, STORE_SIZE_MAX } from '@lafs/storage-interface'
import type { IServer, IStorageServer, RIBucketWriter, StoreRequest } from '@lafs/storage-interface'
import { leaseSecretsOf } from '@lafs/storage-protocol'
import { ChkBucketWriter } from '@lafs/storage-protocol/layout'
import type { ChkShareShape } from '@lafs/storage-protocol/layout'
import { Cancellation, within } from '@lafs/storage-protocol/waiting'
import { createEncoder } from './encoder.ts'
import type { EncoderDependencies } from './encoder.ts'
import { serversOfHappiness } from './happiness.ts'
import type { ShareMap } from './happiness.ts'
import { PeerSelector } from './peer-selector.ts'
import { askServer } from './server-selector.ts'
import type { SelectionDependencies, SelectionRequest, ServerAnswer } from './server-selector.ts'

/** Shares of up to this many bytes are sent to servers that were not asked before what they hold. */
const UNASKED_SIZE: number = 16 * 1024
/** The most bytes of all shares of a file that are made in memory. */
const ALL_SHARES_SIZE: number = 8 * 1024 * 1024
/** How long a server may take for a small request. */
const QUERY_TIMEOUT_MS = 15_000
/** How long it may take for any. */
const STORE_TIMEOUT_MAX_MS = 120_000
/** A slower line than this, in bytes a millisecond, may not have taken all shares in time. */
const SLOW_LINE = 16

/** What came of offering the shares of a file to servers whole. */
export interface ShareOffer {
  /** What each server said, by its id. Those that are not here have not been asked. */
  readonly answers: ReadonlyMap<string, Promise<ServerAnswer>>
  /** The file's ciphertext, which can be read again. */
  readonly encrypted: IEncryptedUploadable
  /** What encoding the file gave, which stores no shares by itself. */
  readonly encoded: EncodingResult
  /** Where every share was stored; undefined when something is left to do. */
  readonly complete: ShareMap | undefined
}

/** The file whose shares are offered. */
export interface OfferedFile {
  readonly encrypted: IEncryptedUploadable
  readonly shape: ChkShareShape
  readonly encoding: EncoderDependencies
}

/** A server that can be reached. */
interface Candidate {
  readonly server: IServer
  readonly storage: IStorageServer
}

/** A server, and the shares that it is to take. */
interface Taker extends Candidate {
  readonly shareNumbers: readonly number[]
}

/** The bytes of shares, in pieces that follow one another. */
type WholeShares = StoreRequest['shares']

/** What one offer goes by. */
interface OfferContext {
  readonly request: SelectionRequest
  readonly dependencies: SelectionDependencies
  readonly cancellation: Cancellation
}

/**
 * Offers the shares of a small file to servers, each in one request: a server that holds no share of
 * the file stores them at once. The larger ones of these files go only to servers that were asked
 * before, and only when none of those holds a share of the file.
 *
 * What was stored stays there when the upload fails later: another try finds it.
 *
 * @returns undefined for a file, or servers, of another kind. Nothing was stored then.
 */
export async function offerShares(
  request: SelectionRequest,
  file: OfferedFile,
  dependencies: SelectionDependencies,
): Promise<ShareOffer | undefined> {
  const { allocatedSize, totalShares } = request
  if (allocatedSize * totalShares > ALL_SHARES_SIZE) return undefined
  const cancellation = new Cancellation(dependencies.signal)
  const context = { request, dependencies, cancellation }
  const encrypted = kept(file.encrypted)
  try {
    const { candidates, answers } = await reachServers(context)
    const takers = planTakers(candidates, request)
    if (takers === undefined) return undefined
    // The shares are made while the servers think. What fails with them is seen below.
    const making = encodeWhole({ ...file, encrypted }, context)
    making.catch(() => {})
    const fresh = allocatedSize <= UNASKED_SIZE || (await isFresh(candidates, answers, context))
    const { shares, encoded } = await making
    if (!fresh) return { answers, encrypted, encoded, complete: undefined }
    const stored = await storeAll(takers, shares, answers, context)
    const complete = stored.size === totalShares ? stored : undefined
    if (complete !== undefined) reportEnd(file.encrypted.size, context)
    return { answers, encrypted, encoded, complete }
  } finally {
    cancellation.dispose()
  }
}

/** Connects to the servers in the order of the file. Those that fail have given their answer. */
async function reachServers(context: OfferContext): Promise<{
  readonly candidates: readonly Candidate[]
  readonly answers: Map<string, Promise<ServerAnswer>>
}> {
  const { storageIndex, totalShares } = context.request
  const servers = context.dependencies.broker
    .serversForStorageIndex(storageIndex, { forUpload: true })
    .slice(0, 2 * totalShares)
  const answers = new Map<string, Promise<ServerAnswer>>()
  const reached = await Promise.all(
    servers.map(async (server): Promise<Candidate[]> => {
      try {
        const connect = (signal: AbortSignal): Promise<IStorageServer> =>
          server.storageServer({ signal })
        return [{ server, storage: await inTime(connect, QUERY_TIMEOUT_MS, context) }]
      } catch (error) {
        context.cancellation.signal.throwIfAborted()
        answers.set(server.serverId, rejected(error))
        return []
      }
    }),
  )
  return { candidates: reached.flat(), answers }
}

/**
 * Where the shares go if no server holds any. Undefined when that would not make the upload happy, or
 * one of the servers takes no whole shares, or not so many.
 */
function planTakers(
  candidates: readonly Candidate[],
  { totalShares, happyShares, allocatedSize }: SelectionRequest,
): readonly Taker[] | undefined {
  const peers = new PeerSelector(totalShares)
  peers.addPeers(candidates.map(({ server }) => server.serverId))
  const placement = peers.sharePlacements()
  const shareMap = new Map([...placement].map(([share, id]) => [share, new Set([id])]))
  if (placement.size < totalShares || serversOfHappiness(shareMap) < happyShares) return undefined
  const takers = candidates
    .map((candidate) => ({ ...candidate, shareNumbers: sharesOn(candidate.server, placement) }))
    .filter(({ shareNumbers }) => shareNumbers.length > 0)
  const canTake = ({ storage, shareNumbers }: Taker): boolean =>
    storage.storeShares !== undefined && shareNumbers.length * allocatedSize <= STORE_SIZE_MAX
  return takers.every(canTake) ? takers : undefined
}

function sharesOn({ serverId }: IServer, placement: ReadonlyMap<number, string>): number[] {
  return [...placement].filter(([, id]) => id === serverId).map(([share]) => share)
}

/** Asks the servers whether they hold no share of the file, and have room for one. */
async function isFresh(
  candidates: readonly Candidate[],
  answers: Map<string, Promise<ServerAnswer>>,
  context: OfferContext,
): Promise<boolean> {
  const { storageIndex, allocatedSize } = context.request
  const asked = candidates.map(({ server, storage }) => {
    const ask = (signal: AbortSignal): Promise<ServerAnswer> =>
      askServer(storage, { storageIndex, allocatedSize }, { signal })
    const answer = inTime(ask, QUERY_TIMEOUT_MS, context)
    answers.set(server.serverId, answer)
    return answer
  })
  const settled = await Promise.allSettled(asked)
  context.cancellation.signal.throwIfAborted()
  return settled.every((one) => one.status === 'fulfilled' && isEmpty(one.value))
}

const isEmpty = ({ held, isFull }: ServerAnswer): boolean => held.size === 0 && !isFull

/** Sends each server its shares. @returns where they were stored. */
async function storeAll(
  takers: readonly Taker[],
  shares: WholeShares,
  answers: Map<string, Promise<ServerAnswer>>,
  context: OfferContext,
): Promise<ShareMap> {
  const { dependencies, request } = context
  const { totalShares: total } = request
  const secretsOn = leaseSecretsOf(request.storageIndex, dependencies)
  const shareMap: ShareMap = new Map()
  const report = (): void =>
    dependencies.onProgress?.({ phase: 'placing', done: shareMap.size, total })
  report()
  await Promise.all(
    takers.map(async (taker) => {
      const { server, shareNumbers } = taker
      const wanted = new Map([...shares].filter(([share]) => shareNumbers.includes(share)))
      const answer = storeOn(taker, { ...secretsOn(server), shares: wanted }, context)
      try {
        for (const share of (await answer).stored) shareMap.set(share, new Set([server.serverId]))
        answers.set(server.serverId, answer)
        report()
      } catch (error) {
        context.cancellation.signal.throwIfAborted()
        // A server that cannot do this is asked in another way.
        if (isStorageError(error, 'STORAGE_NOT_SUPPORTED')) answers.delete(server.serverId)
        else answers.set(server.serverId, answer)
      }
    }),
  )
  return shareMap
}

/** All has gone out with the offer. */
function reportEnd(size: number, { request, dependencies: { onProgress } }: OfferContext): void {
  const { totalShares: total } = request
  onProgress?.({ phase: 'pushing', done: size, total: size })
  onProgress?.({ phase: 'closing', done: total, total })
}

async function storeOn(
  { storage }: Taker,
  shares: StoreRequest,
  context: OfferContext,
): Promise<ServerAnswer> {
  const { storageIndex, allocatedSize, totalShares } = context.request
  const delayMs = QUERY_TIMEOUT_MS + (allocatedSize * totalShares) / SLOW_LINE
  const { alreadyGot, stored } = await inTime(
    async (signal) => {
      const storing = storage.storeShares?.(storageIndex, shares, { signal })
      if (storing !== undefined) return storing
      // Another upload has found that out since the server was chosen.
      throw new StorageError('STORAGE_NOT_SUPPORTED', 'the server stores no whole shares')
    },
    Math.min(delayMs, STORE_TIMEOUT_MAX_MS),
    context,
  )
  const held = new Set([...alreadyGot, ...stored])
  return { storage, held, stored, isFull: held.size === 0 }
}

/** Makes the shares of a file in memory, each in pieces. */
async function encodeWhole(
  { encrypted, shape, encoding }: OfferedFile,
  { request: { totalShares }, cancellation: { signal } }: OfferContext,
): Promise<{ readonly shares: WholeShares; readonly encoded: EncodingResult }> {
  const shares = new Map<number, readonly Uint8Array[]>()
  const shareholders = new Map<number, Shareholder>()
  for (let share = 0; share < totalShares; share++) {
    const bucket = inMemory((pieces) => shares.set(share, pieces))
    // Everything is gathered for one write. Until then no segment's memory is used again.
    const writer = new ChkBucketWriter(bucket, shape, { batchSize: Infinity })
    shareholders.set(share, { serverId: `memory-${share}`, writer })
  }
  const servermap = new Map(
    [...shareholders].map(([share, { serverId }]) => [share, new Set([serverId])]),
  )
  const encoder = createEncoder(encrypted, encoding)
  const encoded = await encoder.start(shareholders, servermap, { signal })
  return { shares, encoded: { ...encoded, sharesPlaced: new Set() } }
}

/** A bucket that keeps what the one write to it brings. */
function inMemory(keep: (pieces: readonly Uint8Array[]) => void): RIBucketWriter {
  return {
    write: async (_offset, pieces) => keep(pieces),
    async close() {},
    async abort() {},
  }
}

/** Ciphertext that is read once, and kept for those who read it again. The encoder leaves it as it is. */
function kept(encrypted: IEncryptedUploadable): IEncryptedUploadable {
  let known: readonly Uint8Array[] | undefined
  return {
    ...encrypted,
    async *readEncrypted(options) {
      if (known !== undefined) {
        for (const piece of known) yield piece.slice()
        return
      }
      const pieces: Uint8Array[] = []
      for await (const piece of encrypted.readEncrypted(options)) {
        pieces.push(piece)
        yield piece
      }
      known = pieces
    },
  }
}

/** A promise that fails, and whose failure may be looked at later. */
function rejected(error: unknown): Promise<never> {
  const promise = Promise.reject(error)
  promise.catch(() => {})
  return promise
}

function inTime<T>(
  work: (signal: AbortSignal) => Promise<T>,
  delayMs: number,
  { dependencies: { clock }, cancellation }: OfferContext,
): Promise<T> {
  return cancellation.run((signal) =>
    within(work(signal), {
      clock,
      delayMs,
      timeout: () => new Error(`no answer within ${Math.round(delayMs / 1000)} seconds`),
      signal,
    }),
  )
}
