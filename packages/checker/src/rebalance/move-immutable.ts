import { CorruptShareError } from '@lafs/filesystem-interface'
import { NoSpaceError, StorageError } from '@lafs/storage-interface'
import type { RIBucketReader, RIBucketWriter } from '@lafs/storage-interface'
import { leaseSecretsOf } from '@lafs/storage-protocol'
import type { ShareVerifier } from '../immutable/share-verifier.ts'
import { ask, attempt, COPY_SIZE } from './move.ts'
import type { MovePlace, MoveUnderWay } from './move.ts'

/**
 * Moves one share of an immutable file. What is not good is not copied, and the old share is let go
 * of once the new one has been read back whole and was good. It stays beside one that was there
 * before: somebody else may just be about to let go of that one, counting on ours.
 *
 * @param verify - of the file.
 * @returns whether the old share is gone.
 * @throws {@link CorruptShareError} where either of the two is not good, {@link StorageError},
 *   {@link NoSpaceError}; the reason of the signal. The old share stays then.
 */
export async function moveImmutableShare(
  move: MoveUnderWay,
  verify: ShareVerifier,
): Promise<boolean> {
  const { from, to } = move
  const source = await bucketOn(move, from)
  const size = await assertGood(move, from, source, verify)
  const created = await copy(move, source, size)
  try {
    await assertGood(move, to, await bucketOn(move, to), verify)
  } catch (error) {
    // What we did not put there is not ours to take away.
    if (created && error instanceof CorruptShareError) await attempt(letGo(move, to))
    throw error
  }
  return created && release(move)
}

async function bucketOn(move: MoveUnderWay, place: MovePlace): Promise<RIBucketReader> {
  const { storageIndex, shareNumber } = move
  const buckets = await ask(move, place, (options) =>
    place.storage.getBuckets(storageIndex, options),
  )
  const bucket = buckets.get(shareNumber)
  if (bucket !== undefined) return bucket
  const { serverId } = place.server
  throw new StorageError('STORAGE_NO_SUCH_SHARE', `share ${shareNumber} is not there`, {
    serverId,
    shareNumber,
  })
}

/**
 * @returns the size of the share.
 * @throws {@link CorruptShareError}, and the server has heard of it; {@link StorageError}.
 */
async function assertGood(
  move: MoveUnderWay,
  place: MovePlace,
  bucket: RIBucketReader,
  verify: ShareVerifier,
): Promise<number> {
  const { shareNumber, requests } = move
  const { serverId } = place.server
  const verdict = await requests.run((signal) => verify(bucket, shareNumber, { signal }))
  if (verdict.kind === 'good') return verdict.size
  const { kind, reason } = verdict
  const message = `share ${shareNumber} is ${kind}: ${reason}`
  if (kind === 'unreachable') {
    throw new StorageError('STORAGE_UNREACHABLE', message, { serverId, shareNumber })
  }
  if (kind === 'corrupt') {
    await attempt(ask(move, place, (options) => bucket.adviseCorruptShare(reason, options)))
  }
  throw new CorruptShareError(message, { serverId, shareNumber })
}

/** @returns false where the server had the share already. */
async function copy(move: MoveUnderWay, source: RIBucketReader, size: number): Promise<boolean> {
  const { from, to, shareNumber } = move
  const writer = await allocate(move, size)
  if (writer === undefined) return false
  try {
    for (let offset = 0; offset < size; offset += COPY_SIZE) {
      const wanted = Math.min(COPY_SIZE, size - offset)
      const bytes = await ask(move, from, (options) => source.read(offset, wanted, options))
      if (bytes.length !== wanted) {
        const message = `share ${shareNumber} ended after ${offset + bytes.length} of ${size} bytes`
        throw new CorruptShareError(message, { serverId: from.server.serverId, shareNumber })
      }
      await ask(move, to, (options) => writer.write(offset, [bytes], options))
    }
    await ask(move, to, (options) => writer.close(options))
  } catch (error) {
    void attempt(writer.abort())
    throw error
  }
  return true
}

/** Undefined where the server has the share already. */
async function allocate(
  move: MoveUnderWay,
  allocatedSize: number,
): Promise<RIBucketWriter | undefined> {
  const { to, storageIndex, shareNumber, context } = move
  const request = {
    ...leaseSecretsOf(storageIndex, context)(to.server),
    shareNumbers: new Set([shareNumber]),
    allocatedSize,
  }
  const { alreadyGot, writers } = await ask(
    move,
    to,
    (options) => to.storage.allocateBuckets(storageIndex, request, options),
    { late: (result) => abortAll(result.writers.values()) },
  )
  const writer = writers.get(shareNumber)
  writers.delete(shareNumber)
  abortAll(writers.values())
  if (writer !== undefined) return writer
  if (alreadyGot.has(shareNumber)) return undefined
  const { serverId } = to.server
  throw new NoSpaceError(`no room for share ${shareNumber}`, { serverId, shareNumber })
}

function abortAll(writers: Iterable<RIBucketWriter>): void {
  for (const writer of writers) void attempt(writer.abort())
}

/** Lets go of our lease on the share, which deletes it where nobody else has one. */
function letGo(move: MoveUnderWay, place: MovePlace): Promise<void> {
  const { storageIndex, shareNumber, context } = move
  const { cancelSecret } = leaseSecretsOf(storageIndex, context)(place.server)
  return ask(move, place, (options) =>
    place.storage.cancelLease(storageIndex, shareNumber, cancelSecret, options),
  )
}

/** Whether the old share is gone once we have let go of it; a server that cannot do that keeps it. */
async function release(move: MoveUnderWay): Promise<boolean> {
  const { from, storageIndex, shareNumber, requests } = move
  try {
    await letGo(move, from)
    const left = await ask(move, from, (options) => from.storage.getBuckets(storageIndex, options))
    return !left.has(shareNumber)
  } catch {
    requests.signal.throwIfAborted()
    return false
  }
}
