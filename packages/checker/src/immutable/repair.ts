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
import type { RepairOutcome } from '../results/check-results.ts'
import { addHolder, immutableResults } from './findings.ts'
import { missingShares, reserveMissing, spoiltKey } from './placement.ts'
import type { Reservation, Standing } from './placement.ts'

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
 *
 * Having too few good shares, or servers, is an outcome: the report says why.
 *
 * @throws the reason of the signal; shares that were begun are dropped then.
 * @see allmydata.immutable.repairer.Repairer; allmydata.immutable.filenode.CiphertextFileNode._gather_repair_results
 */
export async function repairImmutable(
  cap: ChkVerifierCap,
  results: ICheckResults,
  context: CheckerContext,
  options: RepairOptions = {},
): Promise<RepairOutcome> {
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
    return outcome(repair, results, failure)
  } finally {
    crypttext.close()
    requests.abort(new Error('the repair has ended'))
    requests.dispose()
  }
}

function standingOf(results: ICheckResults): Standing {
  const sharemap: Standing['sharemap'] = new Map()
  for (const [share, servers] of results.sharemap) {
    if (typeof share === 'number') sharemap.set(share, new Set(servers))
  }
  const bad = [...results.corruptShares, ...results.incompatibleShares]
  return {
    sharemap,
    serversResponding: new Set(results.serversResponding),
    spoilt: new Set(bad.map(({ serverId, shareNumber }) => spoiltKey(serverId, shareNumber))),
    closed: new Set(),
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

/** Makes the shares that room was reserved for; notes which are stored, and which servers failed. */
async function encode(
  { cap, context, options, standing, crypttext, requests }: Repair,
  reservations: ReadonlyMap<number, Reservation>,
  { block, geometry }: Awaited<ReturnType<Crypttext['uriExtension']>>,
): Promise<void> {
  const shape = shareShape(geometry, block.length)
  const batchSize = Math.min(WRITE_BATCH_SIZE, Math.floor(GATHERED_SIZE / cap.totalShares))
  const shareholders = new Map(
    [...reservations].map(([share, { serverId, bucket }]) => [
      share,
      { serverId, writer: new ChkBucketWriter(bucket, shape, { batchSize }) },
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
  for (const [share, { serverId }] of reservations) {
    if (stored.has(share)) addHolder(standing.sharemap, share, serverId)
    else standing.closed.add(serverId)
  }
}

function outcome(
  { cap, context, standing, crypttext }: Repair,
  before: ICheckResults,
  failure: string | undefined,
): RepairOutcome {
  const { sharemap, serversResponding, closed } = standing
  const { storageIndex } = cap
  const known = new Set(
    before.corruptShares.map(({ serverId, shareNumber }) => spoiltKey(serverId, shareNumber)),
  )
  const found: ShareLocator[] = crypttext
    .corruptShares()
    .filter(({ serverId, shareNumber }) => !known.has(spoiltKey(serverId, shareNumber)))
    .map((share) => ({ ...share, storageIndex }))
  const postRepairResults = immutableResults(cap, {
    sharemap,
    corruptShares: [...before.corruptShares, ...found],
    incompatibleShares: before.incompatibleShares,
    serversResponding,
    candidateServers: context.broker
      .serversForStorageIndex(storageIndex, { forUpload: true })
      .map(({ serverId }) => serverId)
      .filter((id) => serversResponding.has(id) && !closed.has(id)),
    summary: (healthy) => (healthy ? 'healthy' : 'not healthy'),
    report: failure === undefined ? [] : [`the repair was not completed: ${failure}`],
  })
  return { successful: postRepairResults.healthy, postRepairResults }
}
