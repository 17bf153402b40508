import { concatBytes, sameBytes } from '@lafs/crypto'
import {
  isFilesystemError,
  UnableToFetchCriticalDownloadDataError,
  UnrecoverableFileError,
} from '@lafs/filesystem-interface'
import type {
  IPublishStatus,
  MutableModifier,
  ProgressOptions,
  ServermapMode,
} from '@lafs/filesystem-interface'
import type { OperationOptions } from '@lafs/storage-interface'
import type { Clock } from '@lafs/storage-protocol/waiting'
import type { MutableFile } from './file.ts'
import { publish } from './publish/publish.ts'
import { PublishStatus } from './publish/status.ts'
import { retrieve } from './retrieve/retrieve.ts'
import type { ServerMap } from './servermap/server-map.ts'
import { updateServermap } from './servermap/updater.ts'
import { mutableUploadableFromBytes } from './uploadable.ts'
import type { VersionInfo } from './servermap/version-info.ts'

/** How often an edit is tried that other writers get in the way of. */
const TRIES_MAX = 4

// Of the waits between two tries. @see allmydata.mutable.filenode.BackoffAgent
const FIRST_DELAY_MS = 1000
const DELAY_FACTOR = Math.E
const DELAY_JITTER = 0.119_626_564_92

/**
 * The recoverable version with the greatest sequence number, after an update of the map.
 *
 * @throws {@link UnrecoverableFileError} where there is none;
 *   {@link UnableToFetchCriticalDownloadDataError} where it is to be changed and the private key was
 *   had from no share.
 */
export async function findBestVersion(
  file: MutableFile,
  map: ServerMap,
  mode: ServermapMode,
  options: ProgressOptions,
): Promise<VersionInfo> {
  await updateServermap(file, map, mode, options)
  const version = map.bestRecoverableVersion()
  const errors = map.problems
  if (version === undefined) {
    const [first] = errors
    const found = map.summarizeVersions() || 'none'
    const why = first instanceof Error ? `, first error: ${first.message}` : ''
    const text = `no version of the file has enough shares; found: ${found}${why}`
    throw new UnrecoverableFileError(text, { errors, ...(first !== undefined && { cause: first }) })
  }
  if (mode === 'MODE_WRITE' && file.signingKey === undefined) {
    const text = 'the private key of the file was had from no share'
    throw new UnableToFetchCriticalDownloadDataError(text, { errors })
  }
  return version
}

/**
 * The whole content of the best version, after an update of the map. Where the shares that the map
 * has do not suffice after all, once more after a look at every server.
 */
export async function readBestVersion(
  file: MutableFile,
  map: ServerMap,
  mode: ServermapMode,
  options: ProgressOptions,
): Promise<Uint8Array> {
  const version = await findBestVersion(file, map, mode, options)
  try {
    return await readWhole(file, map, version, options)
  } catch (error) {
    if (mode === 'MODE_CHECK' || !isFilesystemError(error, 'DOWNLOAD_NOT_ENOUGH_SHARES'))
      throw error
    return readBestVersion(file, map, 'MODE_CHECK', options)
  }
}

/** The whole content of one version. */
export async function readWhole(
  file: MutableFile,
  map: ServerMap,
  version: VersionInfo,
  options: ProgressOptions,
): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  for await (const piece of retrieve(file, map, version, options)) pieces.push(piece)
  const [only] = pieces
  return pieces.length === 1 && only !== undefined ? only : concatBytes(pieces)
}

/**
 * Changes the best version of a file and publishes the outcome; after a random wait once more, with
 * what stands then, when another writer came between.
 *
 * @param map - is updated first, and then with what is written.
 * @throws {@link FilesystemError} `MUTABLE_UNCOORDINATED_WRITE` after four tries; what the modifier
 *   throws.
 * @see allmydata.mutable.filenode.MutableFileVersion._modify_and_retry
 */
export async function modifyFile(
  file: MutableFile,
  map: ServerMap,
  modifier: MutableModifier,
  options: ProgressOptions,
): Promise<IPublishStatus> {
  let delayMs = FIRST_DELAY_MS
  for (let tries = 1; ; tries++) {
    const outcome = await tryToModify(file, map, { modifier, firstTime: tries === 1 }, options)
    if ('status' in outcome) return outcome.status
    if (tries === TRIES_MAX) throw outcome.raced
    delayMs = varied(delayMs * DELAY_FACTOR, file.context.random)
    await pause(file.context.clock, delayMs, options)
  }
}

/** What came of one try: how it was published, or the sign of another writer. */
type Outcome = { readonly status: IPublishStatus } | { readonly raced: unknown }

async function tryToModify(
  file: MutableFile,
  map: ServerMap,
  { modifier, firstTime }: { readonly modifier: MutableModifier; readonly firstTime: boolean },
  options: ProgressOptions,
): Promise<Outcome> {
  let old: Uint8Array
  try {
    old = await readBestVersion(file, map, firstTime ? 'MODE_WRITE' : 'MODE_CHECK', options)
  } catch (error) {
    // The other writer may be half done.
    if (!firstTime && isUnreadable(error)) return { raced: error }
    throw error
  }
  const kept = old.slice()
  const wanted = await modifier(old, map, firstTime)
  const unchanged = wanted === undefined || sameBytes(wanted, kept)
  if (unchanged && firstTime) return { status: nothingWritten(file, map, kept.length) }
  try {
    // After a race even what is there already: shares of two versions may stand side by side.
    const contents = mutableUploadableFromBytes(unchanged ? kept : wanted)
    return { status: await publish(file, map, contents, options) }
  } catch (error) {
    if (isFilesystemError(error, 'MUTABLE_UNCOORDINATED_WRITE')) return { raced: error }
    throw error
  }
}

/** Whether too few shares of a version are left, as when another writer replaces them. */
export function isUnreadable(error: unknown): boolean {
  return (
    isFilesystemError(error, 'DOWNLOAD_NOT_ENOUGH_SHARES') ||
    isFilesystemError(error, 'MUTABLE_UNRECOVERABLE')
  )
}

function nothingWritten(file: MutableFile, map: ServerMap, size: number): IPublishStatus {
  const nowMs = file.context.clock.nowMs()
  const { requiredShares, totalShares } = file.encoding ?? file.context.encoding
  const { storageIndex } = file
  const status = new PublishStatus(nowMs, {
    storageIndex,
    servermap: map,
    requiredShares,
    totalShares,
    size,
  })
  status.progress = 1
  status.finish('Nothing to change', nowMs)
  return status
}

/** A number around this one, as far from it as the normal distribution has it. */
function varied(mean: number, random: () => number): number {
  const distance = Math.sqrt(-2 * Math.log(1 - random()))
  const deviation = distance * Math.cos(2 * Math.PI * random())
  return Math.max(0, mean * (1 + DELAY_JITTER * deviation))
}

/** Waits. @throws the reason of the signal. */
function pause(clock: Clock, delayMs: number, { signal }: OperationOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted()
    const onAbort = (): void => {
      cancel()
      reject(signal?.reason)
    }
    const cancel = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    })
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}
