import { NotEnoughServersError } from '@lafs/filesystem-interface'
import type {
  IMutableUploadable,
  IPublishStatus,
  ProgressOptions,
} from '@lafs/filesystem-interface'
import type { MutableShareShape } from '@lafs/storage-protocol/layout'
import { deliver } from './delivery.ts'
import type { Delivery } from './delivery.ts'
import type { MutableFile } from '../file.ts'
import { placeHomelessShares } from './placement.ts'
import type { Placement } from './placement.ts'
import { PublishStatus } from './status.ts'
import type { ServerMap } from '../servermap/server-map.ts'
import { buildShares, shapeOfNewVersion, writeAuthority } from './share-builder.ts'
import type { BuildOptions, NewVersion } from './share-builder.ts'

/**
 * Writes a new version of a mutable file, its first one when the map is empty: one sequence number
 * above all that the map knows. Every share that is known, of whatever version, good or bad, is
 * replaced where it is, if it still is what the map says; shares that are nowhere go to the servers
 * with the fewest.
 *
 * A writer that stops at any point leaves each server with its old or its new shares. So the old or
 * the new version can be recovered as long as there are at least `2k - 1` different shares.
 *
 * @param map - made for writing (MODE_WRITE, MODE_CHECK or MODE_REPAIR), or empty for a file that is
 *   not there yet; gets what was written.
 * @throws {@link UncoordinatedWriteError} when there is evidence of another writer;
 *   {@link NotEnoughServersError} when fewer than k different shares found a server;
 *   {@link NotWriteableError}, {@link UploadSourceChangedError}.
 * @see allmydata.mutable.publish.Publish.publish
 */
export async function publish(
  file: MutableFile,
  map: ServerMap,
  contents: IMutableUploadable,
  options: ProgressOptions = {},
): Promise<IPublishStatus> {
  const { context } = file
  const shape = shapeOfNewVersion(file.version, contents.size, file.encoding ?? context.encoding)
  const { totalShares } = shape
  const spareServers = context.broker
    .serversForStorageIndex(file.storageIndex)
    .filter((server) => server.uploadPermitted())
  const goal = currentPlacements(map, totalShares)
  const placed = new Set(goal.map(({ shareNumber }) => shareNumber)).size
  if (placed < totalShares && spareServers.length === 0) {
    throw new NotEnoughServersError('no server takes new shares')
  }
  return runPublication(file, map, shape, options, (build) => ({
    newVersion: buildShares(file, contents, build),
    goal: [...goal, ...placeHomelessShares(goal, spareServers, totalShares)],
    spareServers,
  }))
}

/** Where the map knows of shares that can be replaced, good or bad. */
function currentPlacements(map: ServerMap, totalShares: number): Placement[] {
  return [...map.shares(), ...map.knownBadShares()].filter(
    ({ shareNumber }) => shareNumber < totalShares,
  )
}

/** What a kind of publication decides: what to write, and where. */
export interface PublicationPlan extends Pick<Delivery, 'goal' | 'spareServers'> {
  readonly newVersion: Promise<NewVersion>
}

/** Makes a version and delivers it, and tells of it meanwhile. */
export async function runPublication(
  file: MutableFile,
  map: ServerMap,
  shape: MutableShareShape,
  { signal, onProgress }: ProgressOptions,
  plan: (build: BuildOptions) => PublicationPlan,
): Promise<IPublishStatus> {
  const { clock, history } = file.context
  signal?.throwIfAborted()
  writeAuthority(file)
  if (map.lastUpdateMode === 'MODE_READ' || map.lastUpdateMode === 'MODE_ANYTHING') {
    throw new TypeError(`expected a servermap that was made for writing, got ${map.lastUpdateMode}`)
  }
  const { storageIndex } = file
  const size = shape.dataLength
  const status = new PublishStatus(clock.nowMs(), { ...shape, storageIndex, servermap: map, size })
  history?.addPublish(status)
  onProgress?.({ phase: 'pushing', done: 0, total: size })
  try {
    const sequenceNumber = map.highestSequenceNumber() + 1
    const { newVersion, ...where } = plan({ shape, sequenceNumber, status, signal })
    status.timings.setupMs = clock.nowMs() - status.startedMs
    status.status = 'Encoding'
    const built = await newVersion
    status.status = 'Pushing shares'
    await deliver({ file, map, newVersion: built, ...where, status, onProgress, signal })
    file.size = size
    status.progress = 1
    status.finish('Finished', clock.nowMs())
    onProgress?.({ phase: 'pushing', done: size, total: size })
    return status
  } catch (error) {
    status.finish('Failed', clock.nowMs())
    throw error
  }
}
