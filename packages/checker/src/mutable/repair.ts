import { sameBytes } from '@lafs/crypto'
import {
  isFilesystemError,
  MustForceRepairError,
  RepairRequiresWritecapError,
} from '@lafs/filesystem-interface'
import type { ICheckResults, ProgressOptions, RepairOptions } from '@lafs/filesystem-interface'
import {
  openMutableFile,
  republishVersion,
  restoreShares,
  ServerMap,
  updateServermap,
  verifyVersion,
} from '@lafs/mutable'
import type { FailedShare, KnownShare, MutableFile, VersionInfo } from '@lafs/mutable'
import type { IServer, ShareNumber } from '@lafs/storage-interface'
import type { CheckerContext } from '../context.ts'
import { assertResultsOf } from '../results/check-results.ts'
import type { RepairOutcome } from '../results/check-results.ts'
import type { MutableTarget } from '../target.ts'
import { mutableCheckResults } from './findings.ts'

/** How often a repair looks for another version when the best one turns out to be unreadable. */
const TRIES_MAX = 4

/**
 * Makes a mutable file whole again. The best version stays the version that it is: what is missing
 * of it is made anew, byte for byte, and takes the place of bad shares and of shares of older
 * versions; where nothing is amiss nothing is written.
 *
 * A version that rivals it, recoverable or not, is one that somebody may count on: with a greater
 * sequence number, or with the same one. Then the repair must be forced, and publishes what the best
 * version says under a number above all of them, in the place of all of them.
 *
 * Shares that the check has found to be corrupt are looked at again: they may have been replaced. What
 * was written is asked for in the end: a share counts that its server has kept.
 *
 * @param results - of a check of this file.
 * @throws {@link RepairRequiresWritecapError}, {@link MustForceRepairError};
 *   {@link FilesystemError} `MUTABLE_UNCOORDINATED_WRITE` where another writer gets in the way,
 *   `DOWNLOAD_CRITICAL_DATA_UNAVAILABLE` where no share has the private key; RangeError for results
 *   of another file; the reason of the signal.
 * @see allmydata.mutable.repairer.Repairer
 */
export async function repairMutable(
  target: MutableTarget,
  results: ICheckResults,
  context: CheckerContext,
  options: RepairOptions = {},
): Promise<RepairOutcome> {
  assertResultsOf(target.cap.storageIndex, results)
  if (target.cap.readonly) {
    throw new RepairRequiresWritecapError('a mutable file can be repaired with its write cap alone')
  }
  const { file, queue } = openMutableFile(target.cap, target.node, context)
  const map = new ServerMap()
  const corrupt = await queue.edit(() => repair(file, map, results, options), options)
  const places = new Map(corrupt.map((share) => [placeOf(share), share]))
  const left = [...places.values()].filter(({ server, shareNumber }) =>
    map.badShare(server, shareNumber),
  )
  const postRepairResults = mutableCheckResults(target, file.context.broker, map, left)
  return { successful: postRepairResults.healthy, postRepairResults }
}

/**
 * @param map - empty; gets how things stand in the end.
 * @returns the shares that are as corrupt as the check has said, or were until they were replaced, and
 *   those that are no good though they were replaced; some of them twice.
 */
async function repair(
  file: MutableFile,
  map: ServerMap,
  { healthy, corruptShares }: ICheckResults,
  { force = false, signal, onProgress }: RepairOptions,
): Promise<FailedShare[]> {
  const options = { ...(signal && { signal }), ...(onProgress && { onProgress }) }
  const suspects = new Set(
    corruptShares.map(({ serverId, shareNumber }) => `${shareNumber}@${serverId}`),
  )
  const known: FailedShare[] = []
  for (let tries = 1; ; tries++) {
    await updateServermap(file, map, 'MODE_REPAIR', { ...options, thorough: true })
    const best = map.bestRecoverableVersion()
    if (best === undefined) {
      const versions = map.unrecoverableVersions()
      return [...known, ...(await verifyPlaces(file, map, suspects, { ...options, versions }))]
    }
    const rivals = rivalsOf(map, best)
    if (rivals.length > 0 && !force) {
      // They may be what a writer has half done.
      if (tries === 1) continue
      throw mustForce(map, best, rivals)
    }
    const before = placesIn(map)
    try {
      if (rivals.length > 0) {
        await republishVersion(file, map, best, options)
        return [...known, ...(await lookAgain(file, map, before, options))]
      }
      // Where all that the check missed seems to be there, it must be something in the shares.
      const everything = !healthy && isWhole(map, best)
      const corrupt = await verifyAgain(file, map, best, everything ? undefined : suspects, options)
      known.push(...corrupt)
      const replaced = new Set(corrupt.map(placeOf))
      const replaces = (server: IServer, shareNumber: ShareNumber): boolean =>
        replaced.has(placeOf({ server, shareNumber }))
      await restoreShares(file, map, best, { ...options, replaces })
      return [...known, ...(await lookAgain(file, map, before, options))]
    } catch (error) {
      // Shares of it were worse than they looked, and the map knows that now; or it was replaced.
      const unreadable = isFilesystemError(error, 'DOWNLOAD_NOT_ENOUGH_SHARES')
      if (!unreadable || tries === TRIES_MAX) throw error
    }
  }
}

/** What a map knew before something was written. */
interface KnownPlaces {
  readonly shares: ReadonlySet<KnownShare>
  /** Those of good shares and of bad ones; see {@link placeOf}. */
  readonly places: ReadonlySet<string>
}

function placesIn(map: ServerMap): KnownPlaces {
  const shares = new Set(map.shares())
  return { shares, places: new Set([...shares, ...map.knownBadShares()].map(placeOf)) }
}

/**
 * Asks servers for what they hold once something was written: the map forgets what a server has taken
 * and does not show. Where another share stood, that may have been one of the same version, and what
 * stands there now is read.
 *
 * @returns those that are no good.
 */
async function lookAgain(
  file: MutableFile,
  map: ServerMap,
  before: KnownPlaces,
  options: ProgressOptions,
): Promise<FailedShare[]> {
  const written = [...map.shares()].filter((share) => !before.shares.has(share))
  if (written.length === 0) return []
  await updateServermap(file, map, 'MODE_CHECK', { ...options, thorough: true })
  for (const { server, shareNumber } of written) {
    if (!map.reachableServers.has(server.serverId)) map.forgetShare(server, shareNumber)
  }
  const replaced = written.filter((share) => before.places.has(placeOf(share)))
  return verifyPlaces(file, map, new Set(replaced.map(placeOf)), {
    ...options,
    versions: new Set(replaced.map(({ version }) => version)),
  })
}

/** Looks at the shares of some versions in some places; the map hears of those that are no good. */
async function verifyPlaces(
  file: MutableFile,
  map: ServerMap,
  places: ReadonlySet<string>,
  { versions, ...options }: ProgressOptions & { readonly versions: Iterable<VersionInfo> },
): Promise<FailedShare[]> {
  const failed: FailedShare[] = []
  for (const version of places.size === 0 ? [] : versions) {
    const only = (server: IServer, shareNumber: ShareNumber): boolean =>
      places.has(placeOf({ server, shareNumber }))
    failed.push(...(await verifyVersion(file, map, version, { ...options, only })))
  }
  return failed
}

/** Names a share on a server. */
function placeOf({ server, shareNumber }: Pick<KnownShare, 'server' | 'shareNumber'>): string {
  return `${shareNumber}@${server.serverId}`
}

/** Whether every share of a version is somewhere, and nothing else is anywhere. */
function isWhole(map: ServerMap, version: VersionInfo): boolean {
  const numbers = new Set(map.sharesOf(version).map(({ shareNumber }) => shareNumber))
  if (numbers.size < version.totalShares) return false
  return map.versionMap().size === 1 && map.badShares.size === 0
}

/**
 * Looks at the shares of a version that were corrupt when somebody looked before, or at all of them.
 * The map does not hear of it: a share whose private key alone is wrong is good enough to read.
 */
async function verifyAgain(
  file: MutableFile,
  map: ServerMap,
  version: VersionInfo,
  suspects: ReadonlySet<string> | undefined,
  options: ProgressOptions,
): Promise<FailedShare[]> {
  if (suspects?.size === 0) return []
  return verifyVersion(file, map.copy(), version, {
    ...options,
    only: (server, shareNumber) => suspects?.has(placeOf({ server, shareNumber })) ?? true,
  })
}

/**
 * The versions that somebody may have meant to stand in the place of this one. Shares that differ
 * from it in nothing that is signed are of this version, with damage to where their parts are.
 */
function rivalsOf(map: ServerMap, best: VersionInfo): VersionInfo[] {
  return map
    .versionsSeen()
    .filter(
      ({ sequenceNumber, header }) =>
        sequenceNumber >= best.sequenceNumber && !sameBytes(header.prefix, best.header.prefix),
    )
}

function mustForce(
  map: ServerMap,
  best: VersionInfo,
  rivals: readonly VersionInfo[],
): MustForceRepairError {
  const what = rivals.some(({ sequenceNumber }) => sequenceNumber > best.sequenceNumber)
    ? 'There were unrecoverable newer versions'
    : map.needsMerge()
      ? 'There were multiple recoverable versions with identical seqnums'
      : 'There were versions with identical seqnums, some of them unrecoverable'
  return new MustForceRepairError(`${what}, so force=True must be passed to the repair() operation`)
}
