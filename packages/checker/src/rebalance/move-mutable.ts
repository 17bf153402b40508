import { concatBytes, sameBytes, sskWriteEnablerHash } from '@lafs/crypto'
import { CorruptShareError } from '@lafs/filesystem-interface'
import { ServerMap, verifyVersion } from '@lafs/mutable'
import type { MutableFile, VersionInfo } from '@lafs/mutable'
import type { SlotSecrets, TestWriteVectors } from '@lafs/storage-interface'
import { leaseSecretsOf } from '@lafs/storage-protocol'
import { createMutableShareReader, packMutableHeader } from '@lafs/storage-protocol/layout'
import { ask, attempt, COPY_SIZE } from './move.ts'
import type { MovePlace, MoveUnderWay } from './move.ts'

/** The version that is moved, and what it takes to write to its servers. */
export interface MutableMove extends MoveUnderWay {
  readonly file: MutableFile
  readonly version: VersionInfo
  /** 16 bytes, a secret. */
  readonly writekey: Uint8Array
}

const NOTHING = new Uint8Array()

/**
 * Moves one share of a mutable file, whose version stays what it is. What is not good is not copied;
 * the new share is made only where there is none of its number, and the old one is deleted once the
 * new one has been read back and is the same to the byte, if it still is of that version then. It
 * stays beside one that was there before: somebody else may just be about to delete that one, counting
 * on ours.
 *
 * @returns whether the old share is gone.
 * @throws {@link CorruptShareError} where either of the two is not good, {@link StorageError}; the
 *   reason of the signal. The old share stays then.
 */
export async function moveMutableShare(move: MutableMove): Promise<boolean> {
  const { from, to, version, shareNumber } = move
  const share = await readWhole(move, from)
  await assertGood(move, share)
  const isNew = { offset: 0, size: 1, specimen: NOTHING }
  const write = { test: [isNew], write: [{ offset: 0, data: share }] }
  const created = await send(move, to, write)
  if (!sameBytes(await readWhole(move, to), share)) {
    // Where the write was refused, what stands there is somebody else's.
    if (created) await attempt(send(move, to, deletion(version)))
    throw new CorruptShareError(`share ${shareNumber} is not what was written`, {
      serverId: to.server.serverId,
      shareNumber,
    })
  }
  if (!created) return false
  try {
    return await send(move, from, deletion(version))
  } catch {
    move.requests.signal.throwIfAborted()
    return false
  }
}

/** The bytes of the share, as many as its version has; fewer where it is cut short or not there. */
async function readWhole(move: MutableMove, place: MovePlace): Promise<Uint8Array> {
  const { storageIndex, shareNumber, version } = move
  const { shareEnd } = version.header
  const pieces: Uint8Array[] = []
  for (let offset = 0; offset < shareEnd; offset += COPY_SIZE) {
    const span = { offset, size: Math.min(COPY_SIZE, shareEnd - offset) }
    const found = await ask(move, place, (options) =>
      place.storage.slotReadv(storageIndex, [shareNumber], [span], options),
    )
    pieces.push(found.get(shareNumber)?.[0] ?? NOTHING)
  }
  return concatBytes(pieces)
}

/** @throws {@link CorruptShareError} unless these bytes are a good share of the version. */
async function assertGood(move: MutableMove, share: Uint8Array): Promise<void> {
  const { from, file, version, shareNumber, storageIndex, requests, context } = move
  const header = packMutableHeader(version.header)
  if (!sameBytes(share.subarray(0, header.length), header)) {
    throw new CorruptShareError(`share ${shareNumber} is not the one that was there before`, {
      serverId: from.server.serverId,
      shareNumber,
    })
  }
  const map = new ServerMap()
  map.addShare(from.server, shareNumber, version, context.clock.nowMs())
  const held = { server: from.storage, storageIndex, shareNumber }
  const reader = createMutableShareReader({ ...held, prefetched: share, complete: true })
  map.setReader(from.server, shareNumber, reader)
  const [failed] = await requests.run((signal) => verifyVersion(file, map, version, { signal }))
  if (failed !== undefined) throw failed.error
}

function deletion({ header: { checkstring } }: VersionInfo): TestWriteVectors {
  const test = { offset: 0, size: checkstring.length, specimen: checkstring }
  return { test: [test], write: [], newLength: 0 }
}

/** @returns whether the test held. */
async function send(
  move: MutableMove,
  place: MovePlace,
  vectors: TestWriteVectors,
): Promise<boolean> {
  const { storageIndex, shareNumber, writekey, context } = move
  const { leaseSeed } = place.server
  const secrets: SlotSecrets = {
    writeEnabler: sskWriteEnablerHash(writekey, leaseSeed, context.crypto),
    ...leaseSecretsOf(storageIndex, context)(place.server),
  }
  const writes = new Map([[shareNumber, vectors]])
  const { success } = await ask(move, place, (options) =>
    place.storage.slotTestvAndReadvAndWritev(storageIndex, secrets, writes, [], options),
  )
  return success
}
