import type { CheckOptions, ICheckResults, ProgressOptions } from '@lafs/filesystem-interface'
import { openMutableFile, ServerMap, updateServermap, verifyVersion } from '@lafs/mutable'
import type { FailedShare, MutableFile, OpenedMutableFile } from '@lafs/mutable'
import type { CheckerContext } from '../context.ts'
import type { MutableTarget } from '../target.ts'
import { mutableCheckResults } from './findings.ts'

/** How often a version is left for one that a writer has put in its place meanwhile. */
const REPLACEMENTS_MAX = 2
/** Shares of up to this many bytes are read whole with the first request, where they are verified. */
const SMALL_SHARE_SIZE = 32 * 1024

/**
 * Looks at the health of a mutable file. Every server is asked for its shares; to verify, every byte
 * of the best version's shares is read and checked, up to what the cap can check: that the private
 * key is right can be seen with a write cap alone.
 *
 * @throws the reason of the signal; a server that fails is an outcome.
 * @see allmydata.mutable.checker.MutableChecker
 */
export async function checkMutable(
  target: MutableTarget,
  context: CheckerContext,
  options: CheckOptions = {},
): Promise<ICheckResults> {
  const opened = openMutableFile(target.cap, target.node, context)
  return opened.queue.look(() => checkOpened(target, opened, options), options)
}

async function checkOpened(
  target: MutableTarget,
  { file }: OpenedMutableFile,
  { verify = false, addLease, signal, onProgress }: CheckOptions,
): Promise<ICheckResults> {
  const map = new ServerMap()
  const telling = { ...(signal && { signal }), ...(onProgress && { onProgress }) }
  const readSize = verify ? SMALL_SHARE_SIZE : undefined
  await updateServermap(file, map, 'MODE_CHECK', { ...telling, addLease, thorough: true, readSize })
  const failed = verify ? await verifyBest(file, map, telling) : []
  return mutableCheckResults(target, file.context.broker, map, failed)
}

/**
 * Verifies the best version: the next best one, too, where that turns out to be lost, and a newer one
 * alone, where a writer has put it in its place meanwhile.
 */
async function verifyBest(
  file: MutableFile,
  map: ServerMap,
  options: ProgressOptions,
): Promise<FailedShare[]> {
  let failed: FailedShare[] = []
  const verified = new Set<string>()
  let replacements = 0
  for (;;) {
    const best = map.bestRecoverableVersion()
    if (best === undefined || verified.has(best.id)) return failed
    const found = await verifyVersion(file, map, best, options)
    verified.add(best.id)
    failed.push(...found)
    if (found.length === 0 || replacements === REPLACEMENTS_MAX) continue
    if (await hasNewVersion(file, map, verified, options)) {
      // What failed belongs to the past.
      failed = []
      replacements++
    }
  }
}

/** Whether the best version is one that was not there before; the map then knows it. */
async function hasNewVersion(
  file: MutableFile,
  map: ServerMap,
  verified: ReadonlySet<string>,
  options: ProgressOptions,
): Promise<boolean> {
  const now = new ServerMap()
  await updateServermap(file, now, 'MODE_CHECK', { ...options, thorough: true })
  const best = now.bestRecoverableVersion()
  if (best === undefined || verified.has(best.id)) return false
  await updateServermap(file, map, 'MODE_CHECK', { ...options, thorough: true })
  return true
}
