import { sameBytes, sskPubkeyFingerprintHash } from '@lafs/crypto'
import { CorruptShareError, isFilesystemError } from '@lafs/filesystem-interface'
import type { ProgressOptions } from '@lafs/filesystem-interface'
import type { IServer, OperationOptions } from '@lafs/storage-interface'
import { numberOfSegments } from '@lafs/storage-protocol/layout'
import { Cancellation } from '@lafs/storage-protocol/waiting'
import type { MutableFile } from '../file.ts'
import { decryptSigningKey } from '../keys.ts'
import { RetrieveStatus } from './status.ts'
import type { ServerMap } from '../servermap/server-map.ts'
import type { ShareVerifier } from './share-verifier.ts'
import type { VersionInfo } from '../servermap/version-info.ts'
import { isDamage, overdueMs, VersionShares } from './version-shares.ts'
import type { VersionShare } from './version-shares.ts'

/** Bytes of blocks to read in one request. */
const RUN_SIZE = 256 * 1024
/** Shares that are verified at once. */
const SHARES_IN_FLIGHT = 16

/** A share that did not stand the test. */
export interface FailedShare {
  readonly server: IServer
  readonly shareNumber: number
  /** What is wrong with it, or why it could not be read. */
  readonly error: unknown
  /** Whether it is not as it was written; else it could not be read. */
  readonly damaged: boolean
}

/** Options of {@link verifyVersion}. */
export interface VerifyOptions extends ProgressOptions {
  /** Which of the shares to look at. Default: all. */
  readonly only?: ((server: IServer, shareNumber: number) => boolean) | undefined
}

/**
 * Reads every share of a version that the servermap knows, all of it, and checks it: keys, signature,
 * hashes and every block; with a write key whether the private key is the right one. Nothing is decoded, and no more
 * authority is needed than a verify cap gives.
 *
 * @returns the shares that are damaged or could not be read; they are marked as bad in the servermap,
 *   and the servers of damaged ones have been told.
 * @throws the reason of the signal.
 * @see allmydata.mutable.retrieve.Retrieve, with `verify`
 */
export async function verifyVersion(
  file: MutableFile,
  map: ServerMap,
  version: VersionInfo,
  { signal, onProgress, only = () => true }: VerifyOptions = {},
): Promise<FailedShare[]> {
  signal?.throwIfAborted()
  const cancellation = new Cancellation(signal)
  const status = new RetrieveStatus(file, version)
  file.context.history?.addRetrieve(status)
  let outcome: Parameters<RetrieveStatus['end']>[0] = 'Failed'
  try {
    const shares = new VersionShares(file, map, version, { status, cancellation })
    const wanted = shares.all.filter(({ server, shareNumber }) => only(server, shareNumber))
    const total = wanted.length
    const left = wanted.values()
    let done = 0
    onProgress?.({ phase: 'verifying', done, total })
    const verifySome = async (): Promise<void> => {
      for (const share of left) {
        await verifyShare(file, version, shares, share)
        cancellation.signal.throwIfAborted()
        done += 1
        status.progress = done / total
        onProgress?.({ phase: 'verifying', done, total })
      }
    }
    await Promise.all(Array.from({ length: SHARES_IN_FLIGHT }, verifySome))
    await shares.heard()
    outcome = 'Finished'
    return shares.all
      .filter(({ failure }) => failure !== undefined)
      .map(({ server, shareNumber, failure }) => ({
        server,
        shareNumber,
        error: failure,
        damaged: isDamage(failure),
      }))
  } finally {
    status.end(outcome)
    cancellation.abort(new Error('the verification has ended'))
    cancellation.dispose()
  }
}

/** Checks one share. It is marked as bad where that fails. */
async function verifyShare(
  file: MutableFile,
  version: VersionInfo,
  shares: VersionShares,
  share: VersionShare,
): Promise<void> {
  const segmentCount = numberOfSegments(version.header)
  const blockSize = Math.max(1, version.segmentSize / version.requiredShares)
  const perRun = Math.max(1, Math.floor(RUN_SIZE / blockSize))
  const limitMs = overdueMs(perRun * blockSize * SHARES_IN_FLIGHT)
  await shares.attempt(
    share,
    (verifier, options) => checkKeys(file, version, verifier, options),
    limitMs,
  )
  for (let first = 0; first < segmentCount && share.failure === undefined; first += perRun) {
    const last = Math.min(segmentCount, first + perRun) - 1
    await shares.attempt(
      share,
      (verifier, options) => verifier.blocks(first, last, options),
      limitMs,
    )
  }
}

/** Checks all that a share holds besides its blocks. */
async function checkKeys(
  file: MutableFile,
  version: VersionInfo,
  verifier: ShareVerifier,
  options: OperationOptions,
): Promise<true> {
  const { reader } = verifier
  const { crypto } = file.context
  const { prefix } = version.header
  await reader.load(
    ['verificationKey', 'signature', 'shareHashChain', 'blockHashTree', 'encryptedPrivateKey'],
    options,
  )
  await verifier.blockTree(options)
  const der = await reader.verificationKey(options)
  if (!sameBytes(sskPubkeyFingerprintHash(der, crypto), file.fingerprint)) {
    throw new CorruptShareError("pubkey doesn't match fingerprint")
  }
  const verifyingKey = file.verifyingKey ?? (await crypto.importRsaVerifyingKey(der))
  if (!(await verifyingKey.verify(await reader.signature(options), prefix))) {
    throw new CorruptShareError('signature is invalid')
  }
  await checkPrivateKey(file, await reader.encryptedPrivateKey(options))
  return true
}

/** Without a write key nobody can tell more than that there is one. */
async function checkPrivateKey(file: MutableFile, encrypted: Uint8Array): Promise<void> {
  if (file.writekey === undefined) return
  if (file.encryptedPrivateKey !== undefined) {
    if (sameBytes(encrypted, file.encryptedPrivateKey)) return
    throw new CorruptShareError('invalid privkey')
  }
  try {
    const signingKey = await decryptSigningKey(file, encrypted)
    file.signingKey ??= signingKey
    file.encryptedPrivateKey ??= encrypted.slice()
  } catch (cause) {
    if (!isFilesystemError(cause, 'SHARE_CORRUPT')) throw cause
    throw new CorruptShareError('invalid privkey', { cause })
  }
}
