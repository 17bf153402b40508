import { isFilesystemError } from '@lafs/filesystem-interface'
import type {
  ICheckResults,
  IEncryptedUploadable,
  RepairOptions,
  ShareLocator,
} from '@lafs/filesystem-interface'
import { createEncoder, openCrypttext, shareShape } from '@lafs/immutable'
import type { Crypttext } from '@lafs/immutable'
import {
  chkAllocatedSize,
  ChkBucketWriter,
  planChkLayout,
  WRITE_BATCH_SIZE,
} from '@lafs/storage-protocol/layout'
import { Cancellation } from '@lafs/storage-protocol/waiting'
import type { ChkVerifierCap } from '@lafs/uri'
import type { CheckerContext } from '../context.ts'
import { assertResultsOf } from '../results/check-results.ts'
import type { RepairOutcome } from '../results/check-results.ts'
import { countGoodShares } from './count-shares.ts'
import type { ClaimedShares } from './count-shares.ts'
import { immutableResults } from './findings.ts'
import { missingShares, reserveMissing } from './placement.ts'
import type { Reservation } from './placement.ts'
import { spoiltKey, standingOf } from './standing.ts'
import type { Standing } from './standing.ts'

/** All bytes that the writers of one repair may gather before they send them. */
const GATHERED_SIZE = 32 * 1024 * 1024

/** One repair under way. */
interface Repair {
  readonly cap: ChkVerifierCap
  readonly context: CheckerContext
  readonly options: RepairOptions
  readonly standing: Standing
  readonly crypttext: Crypttext
  readonly requests: Cancellation
}

/**
 * Makes the shares of an immutable file that a check has missed, and stores them where they make the
 * file safest. The shares that are good stay where they are; corrupt ones, which nobody can replace on
 * their servers, stay there too. Whatever a server that fails was to take goes to another one.
 *
 * The ciphertext is decoded from the good shares, or where they are too few from what is good of the
 * corrupt ones, and encoded anew, a few segments at a time. The new shares get the URI extension block
 * of the others byte for byte, and none is closed before its hash trees have proven to belong to it.
 * What a server has taken it is asked for: it counts once its header, its hashes and its last blocks
 * have been read back.
 *
 * Having too few good shares, or servers, is an outcome: the report says why.
 *
 * @throws RangeError for results of another file; the reason of the signal, and shares that were begun
 *   are dropped then.
 * @see allmydata.immutable.repairer.Repairer; allmydata.immutable.filenode.CiphertextFileNode._gather_repair_results
 */
export async function repairImmutable(
  cap: ChkVerifierCap,
  results: ICheckResults,
  context: CheckerContext,
  options: RepairOptions = {},
): Promise<RepairOutcome> {
  assertResultsOf(cap.storageIndex, results)
  options.signal?.throwIfAborted()
  const standing = standingOf(results)
  if (missingShares(cap, standing.sharemap).length === 0) {
    return { successful: true, postRepairResults: results }
  }
  const requests = new Cancellation(options.signal)
  const isSuspect = (serverId: string, share: number): boolean =>
    standing.spoilt.has(spoiltKey(serverId, share))
  const { broker, codec, crypto, clock } = context
  const crypttext = openCrypttext(cap, { broker, codec, crypto, clock, isSuspect })
  try {
    const repair = { cap, context, options, standing, crypttext, requests }
    const failure = await makeMissingShares(repair)
    return outcome(repair, failure)
  } finally {
    crypttext.close()
    requests.abort(new Error('the repair has ended'))
    requests.dispose()
  }
}

/**
 * Makes and stores missing shares, and again those whose servers failed meanwhile, until none is
 * missing or nothing more can be done.
 *
 * @returns why some are missing still, for people; undefined when none is.
 */
async function makeMissingShares(repair: Repair): Promise<string | undefined> {
  const { cap, context, options, standing, crypttext, requests } = repair
  const { signal } = requests
  try {
    const extension = await crypttext.uriExtension(signal)
    const { block, geometry } = extension
    const shape = shareShape(geometry, block.length)
    const allocatedSize = chkAllocatedSize(planChkLayout(shape), block.length)
    const { onProgress } = options
    for (;;) {
      if (missingShares(cap, standing.sharemap).length === 0) return undefined
      const reservations = await reserveMissing({
        cap,
        context,
        allocatedSize,
        standing,
        requests,
        onProgress,
      })
      if (reservations.size === 0) break
      await encode(repair, reservations, extension)
      dropCorrupt(repair)
    }
  } catch (error) {
    signal.throwIfAborted()
    if (!isFilesystemError(error)) throw error
    return error.message
  } finally {
    dropCorrupt(repair)
  }
  const missing = missingShares(cap, standing.sharemap)
  if (missing.length === 0) return undefined
  return `no server takes share ${missing.join(', ')} of ${cap.totalShares}`
}

/** Shares that reading has found to be corrupt count no more. */
function dropCorrupt({ standing, crypttext }: Repair): void {
  for (const { serverId, shareNumber } of crypttext.corruptShares()) {
    standing.spoilt.add(spoiltKey(serverId, shareNumber))
    const servers = standing.sharemap.get(shareNumber)
    servers?.delete(serverId)
    if (servers?.size === 0) standing.sharemap.delete(shareNumber)
  }
}

/**
 * Makes the shares that room was reserved for; notes which are stored, and which servers failed. A
 * share counts once its server has been asked for it and has shown that it is there.
 */
async function encode(
  repair: Repair,
  reservations: ReadonlyMap<number, Reservation>,
  { block, geometry }: Awaited<ReturnType<Crypttext['uriExtension']>>,
): Promise<void> {
  const { cap, context, options, standing, crypttext, requests } = repair
  const shape = shareShape(geometry, block.length)
  const batchSize = Math.min(WRITE_BATCH_SIZE, Math.floor(GATHERED_SIZE / cap.totalShares))
  const shareholders = new Map(
    [...reservations].map(([share, { server, bucket }]) => [
      share,
      { serverId: server.serverId, writer: new ChkBucketWriter(bucket, shape, { batchSize }) },
    ]),
  )
  const { requiredShares, totalShares, segmentSize } = geometry
  const uploadable: IEncryptedUploadable = {
    size: cap.size,
    storageIndex: cap.storageIndex,
    encodingParameters: { requiredShares, happyShares: 0, totalShares, segmentSize },
    readEncrypted: ({ signal = requests.signal } = {}) => crypttext.read(signal),
    close: async () => {},
  }
  const encoder = createEncoder(uploadable, context, { uriExtension: block })
  let stored: ReadonlySet<number> = new Set()
  try {
    const encoded = await encoder.start(shareholders, new Map(), {
      signal: requests.signal,
      onProgress: (progress) =>
        options.onProgress?.(
          progress.phase === 'pushing' ? { ...progress, phase: 'repairing' } : progress,
        ),
    })
    stored = encoded.sharesPlaced
  } catch (error) {
    // Every server failed that was to take something: others may do better.
    if (!isFilesystemError(error, 'UPLOAD_UNHAPPINESS')) throw error
  }
  await countGoodShares(claimsOf(reservations, stored), repair, 'last')
  for (const [share, { server }] of reservations) {
    const isThere = standing.sharemap.get(share)?.has(server.serverId) === true
    if (!isThere) standing.closed.add(server.serverId)
  }
}

/** The shares that servers say they have taken, a claim a server. */
function claimsOf(
  reservations: ReadonlyMap<number, Reservation>,
  stored: ReadonlySet<number>,
): ClaimedShares[] {
  const claims = new Map<string, ClaimedShares>()
  for (const share of [...stored].toSorted((a, b) => a - b)) {
    const reservation = reservations.get(share)
    if (reservation === undefined) continue
    const { server, storage } = reservation
    const others = claims.get(server.serverId)?.shareNumbers ?? []
    claims.set(server.serverId, { server, storage, shareNumbers: [...others, share] })
  }
  return [...claims.values()]
}

function outcome(
  { cap, context, standing, crypttext }: Repair,
  failure: string | undefined,
): RepairOutcome {
  const { sharemap, corruptShares, incompatibleShares, serversResponding, closed } = standing
  const { storageIndex } = cap
  const known = new Set(
    corruptShares.map(({ serverId, shareNumber }) => spoiltKey(serverId, shareNumber)),
  )
  const found: ShareLocator[] = crypttext
    .corruptShares()
    .filter(({ serverId, shareNumber }) => !known.has(spoiltKey(serverId, shareNumber)))
    .map((share) => ({ ...share, storageIndex }))
  const postRepairResults = immutableResults(cap, {
    sharemap,
    corruptShares: [...corruptShares, ...found],
    incompatibleShares,
    serversResponding,
    candidateServers: context.broker
      .serversForStorageIndex(storageIndex, { forUpload: true })
      .map(({ serverId }) => serverId)
      .filter((id) => serversResponding.has(id) && !closed.has(id)),
    summary: (healthy) => (healthy ? 'healthy' : 'not healthy'),
    report: [
      ...standing.report,
      ...(failure === undefined ? [] : [`the repair was not completed: ${failure}`]),
    ],
  })
  return { successful: postRepairResults.healthy, postRepairResults }
}
