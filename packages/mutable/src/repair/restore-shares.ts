import {
  CorruptShareError,
  UnableToFetchCriticalDownloadDataError,
} from '@lafs/filesystem-interface'
import type { ProgressOptions } from '@lafs/filesystem-interface'
import type { IServer, ShareNumber } from '@lafs/storage-interface'
import { planMutableShareLayout, SHARE_HASH_ENTRY_SIZE } from '@lafs/storage-protocol/layout'
import type { MutableSection } from '@lafs/storage-protocol/layout'
import { Cancellation } from '@lafs/storage-protocol/waiting'
import type { MutableFile } from '../file.ts'
import { deliver } from '../publish/delivery.ts'
import { placeHomelessShares, placementKey } from '../publish/placement.ts'
import type { Placement } from '../publish/placement.ts'
import { PublishStatus } from '../publish/status.ts'
import { RetrieveStatus } from '../retrieve/status.ts'
import { VersionShares } from '../retrieve/version-shares.ts'
import type { KnownShare, ServerMap } from '../servermap/server-map.ts'
import { versionInfoOf } from '../servermap/version-info.ts'
import type { VersionInfo } from '../servermap/version-info.ts'
import { rebuildShares } from './rebuild-shares.ts'
import type { RebuildSource } from './rebuild-shares.ts'

/** Options of {@link restoreShares}. */
export interface RestoreOptions extends ProgressOptions {
  /**
   * Which good shares of the version are to be replaced as well, since something is wrong with them
   * that does not keep them from being read. Default: none.
   */
  readonly replaces?: ((server: IServer, shareNumber: ShareNumber) => boolean) | undefined
}

/**
 * Brings a version back to all of its shares: makes those that are nowhere anew, and puts the right
 * share in the place of each one that is bad or of another version. The version stays what it is, to
 * the byte; good shares of it are not touched, and nothing is written where nothing is amiss.
 *
 * Each write tests for what the map says of its server. A server that fails is replaced, and what no
 * server takes stays missing: the map tells.
 *
 * @param map - made in MODE_REPAIR; gets what was written, and the shares that were found to be bad.
 *   Those that were to be replaced and were not are bad in the end.
 * @throws {@link FilesystemError} `MUTABLE_UNCOORDINATED_WRITE` where another writer has been at work;
 *   `DOWNLOAD_NOT_ENOUGH_SHARES`, and nothing was written, where too few shares are good;
 *   `DOWNLOAD_CRITICAL_DATA_UNAVAILABLE` where no share has the private key; the reason of the signal.
 */
export async function restoreShares(
  file: MutableFile,
  map: ServerMap,
  version: VersionInfo,
  { replaces = () => false, ...options }: RestoreOptions = {},
): Promise<void> {
  options.signal?.throwIfAborted()
  const spoilt = new Set(
    map.sharesOf(version).filter(({ server, shareNumber }) => replaces(server, shareNumber)),
  )
  const run: Restoration = { file, map, version: soundLayout(file, version), spoilt }
  if (placesToFill(run).length === 0) return
  const { clock, history } = file.context
  const cancellation = new Cancellation(options.signal)
  const reading = new RetrieveStatus(file, version)
  const writing = new PublishStatus(clock.nowMs(), {
    ...version,
    storageIndex: file.storageIndex,
    servermap: map,
  })
  history?.addRetrieve(reading)
  history?.addPublish(writing)
  let outcome: 'Finished' | 'Failed' = 'Failed'
  try {
    const shares = new VersionShares(file, map, version, { status: reading, cancellation })
    const source = await openSource(run, shares, reading)
    const tried = new Set<string>()
    for (;;) {
      // What turned out to be bad meanwhile has a place to fill now.
      const goal = placesToFill(run)
      if (goal.every((place) => tried.has(placementKey(place)))) break
      for (const place of goal) tried.add(placementKey(place))
      await fill(run, source, { goal, status: writing }, options)
    }
    for (const share of map.sharesOf(version).filter((one) => spoilt.has(one))) {
      map.markBadShare(share.server, share.shareNumber, version.header.checkstring)
    }
    await shares.heard()
    writing.progress = 1
    outcome = 'Finished'
  } finally {
    reading.end(outcome)
    writing.finish(outcome, clock.nowMs())
    cancellation.abort(new Error('the repair has ended'))
    cancellation.dispose()
  }
}

/** A restoration under way. */
interface Restoration {
  readonly file: MutableFile
  readonly map: ServerMap
  /** What all shares are to be of. */
  readonly version: VersionInfo
  /** Good shares that are to be replaced; what takes their place in the map is another object. */
  readonly spoilt: ReadonlySet<KnownShare>
}

/**
 * The version with its sections where writers put them, where they cannot be where these shares say:
 * offsets are not signed, and damage to them looks like another version.
 */
function soundLayout(
  { encryptedPrivateKey, verifyingKey }: MutableFile,
  version: VersionInfo,
): VersionInfo {
  const { header } = version
  if (encryptedPrivateKey === undefined || verifyingKey === undefined) return version
  const sizes = {
    ...header,
    verificationKeySize: verifyingKey.der.length,
    signatureSize: sizeOf(header.sections.signature),
    encryptedPrivateKeySize: encryptedPrivateKey.length,
    shareHashChainSize: Math.ceil(Math.log2(version.totalShares)) * SHARE_HASH_ENTRY_SIZE,
  }
  const isSound =
    sizeOf(header.sections.verificationKey) === sizes.verificationKeySize &&
    sizeOf(header.sections.encryptedPrivateKey) === sizes.encryptedPrivateKeySize &&
    sizeOf(header.sections.shareHashChain) === sizes.shareHashChainSize
  return isSound ? version : versionInfoOf({ ...header, ...planMutableShareLayout(sizes) })
}

function sizeOf({ offset, end }: MutableSection): number {
  return end - offset
}

/** The shares of the version that stay as they are. */
function standingShares({ map, version, spoilt }: Restoration): KnownShare[] {
  return map.sharesOf(version).filter((share) => !spoilt.has(share))
}

/**
 * Where shares of the version are to be put: over those that are bad, old or to be replaced, and on
 * servers for those that are nowhere.
 */
function placesToFill(run: Restoration): Placement[] {
  const { file, map, version, spoilt } = run
  const { totalShares } = version
  const wrong: Placement[] = [...map.shares()].filter(
    (share) => share.version.id !== version.id || spoilt.has(share),
  )
  const taken = [...wrong, ...map.knownBadShares()].filter(
    ({ shareNumber }) => shareNumber < totalShares,
  )
  const standing = [...standingShares(run), ...taken]
  return [...taken, ...placeHomelessShares(standing, spareServers(file), totalShares)]
}

function spareServers({ context, storageIndex }: MutableFile): Delivery['spareServers'] {
  return context.broker
    .serversForStorageIndex(storageIndex)
    .filter((server) => server.uploadPermitted())
}

type Delivery = Parameters<typeof deliver>[0]

/** Makes the shares for some places and puts them there. */
async function fill(
  run: Restoration,
  source: RebuildSource,
  { goal, status }: Pick<Delivery, 'goal' | 'status'>,
  { signal, onProgress }: ProgressOptions,
): Promise<void> {
  const { file, map, version } = run
  const { roots } = source
  const unknown = Array.from({ length: version.totalShares }, (_, number) => number).filter(
    (number) => !roots.has(number),
  )
  const aimedAt = goal.map(({ shareNumber }) => shareNumber)
  const wanted = [...new Set([...unknown, ...aimedAt])].toSorted((a, b) => a - b)
  for await (const shares of rebuildShares(source, wanted)) {
    const isMade = ({ shareNumber }: Placement): boolean => shares.has(shareNumber)
    await deliver({
      file,
      map,
      newVersion: {
        version,
        writes: Array.from({ length: version.totalShares }, (_, number) => {
          const data = shares.get(number)
          return data === undefined ? [] : [{ offset: 0, data }]
        }),
        shareSize: version.header.shareEnd,
      },
      goal: goal.filter(isMade),
      // The others have their turn, or had it.
      standing: [...standingShares(run), ...goal.filter((place) => !isMade(place))],
      spareServers: spareServers(file),
      status,
      onProgress,
      signal,
    })
  }
}

/**
 * What shares are made of besides blocks.
 *
 * @throws as {@link restoreShares} does.
 */
async function openSource(
  { file, version }: Restoration,
  shares: VersionShares,
  status: RetrieveStatus,
): Promise<RebuildSource> {
  const { context, encryptedPrivateKey, verifyingKey } = file
  if (encryptedPrivateKey === undefined || verifyingKey === undefined) {
    throw new UnableToFetchCriticalDownloadDataError(
      'the private key of the file was had from no share',
    )
  }
  const signatures = await shares.gather({
    need: 1,
    size: 0,
    segmentsDone: 0,
    act: async ({ reader }, options) => {
      const signature = await reader.signature(options)
      if (await verifyingKey.verify(signature, version.header.prefix)) return signature
      throw new CorruptShareError('signature is invalid')
    },
  })
  const [signature = new Uint8Array()] = signatures.values()
  const roots = await goodRoots(shares)
  return {
    context,
    version,
    shares,
    status,
    roots,
    verificationKey: verifyingKey.der,
    signature,
    encryptedPrivateKey,
  }
}

/** The roots of the block hash trees of all shares whose hashes some server has right. */
async function goodRoots(shares: VersionShares): Promise<Map<ShareNumber, Uint8Array>> {
  const numbers = new Set(shares.all.map(({ shareNumber }) => shareNumber))
  const roots = new Map<ShareNumber, Uint8Array>()
  await Promise.all(
    [...numbers].map(async (number) => {
      const root = await shares.gatherOne(
        number,
        async (verifier, options) => (await verifier.blockTree(options)).root,
      )
      if (root !== undefined) roots.set(number, root)
    }),
  )
  return roots
}
