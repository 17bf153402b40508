import type { CodecProvider } from '@lafs/codec-interface'
import { defaultCrypto, storageIndexHash } from '@lafs/crypto'
import type { CryptoProvider } from '@lafs/crypto'
import type {
  EncodingDefaults,
  EncodingParameters,
  EncodingResult,
  IUploadable,
  IUploadResults,
  OperationHistory,
  Progress,
  ProgressOptions,
} from '@lafs/filesystem-interface'
import type { IStorageBroker } from '@lafs/storage-interface'
import { ChkCap, LitCap } from '@lafs/uri'
import { concatBytes } from '@lafs/crypto'
import { interruptible, systemClock } from '@lafs/storage-protocol/waiting'
import type { Clock } from '@lafs/storage-protocol/waiting'
import { chkAllocatedSize, ChkBucketWriter, planChkLayout } from '@lafs/storage-protocol/layout'
import type { ChkShareShape } from '@lafs/storage-protocol/layout'
import { encryptUploadable } from './encrypt.ts'
import { createEncoder, uriExtensionSize } from './encoder.ts'
import { checkShareCounts, fileGeometry, segmentSizeFor, shareShape } from './geometry.ts'
import { sharesByServer } from './happiness.ts'
import type { ShareMap } from './happiness.ts'
import { deriveKey, sourceChanged } from './key.ts'
import { Resumption, ResumptionError } from './resume/resumption.ts'
import type { UploadJournal, UploadJournalEntry } from './resume/upload-journal.ts'
import { selectServers } from './server-selector.ts'
import type { Selection, SelectionRequest } from './server-selector.ts'
import { UploadStatus } from './status.ts'
import { offerShares } from './whole-shares.ts'
import type { ShareOffer } from './whole-shares.ts'

/** Files of at most this many bytes become LIT caps. @see allmydata.immutable.upload.Uploader */
export const LIT_SIZE_MAX = 55

/** What an uploader knows of its own. */
export interface UploadSecrets {
  /** Mixed into convergent keys; without it keys are random. */
  readonly convergence?: Uint8Array | undefined
  /** The 32 bytes from which the client's lease secrets derive. */
  readonly leaseSecret: Uint8Array
}

/** What a file is uploaded with and how. Without a `crypto` or a `clock` it takes the platform's. */
export interface UploadOptions extends ProgressOptions {
  readonly broker: IStorageBroker
  readonly codec: CodecProvider
  readonly crypto?: CryptoProvider | undefined
  readonly secrets: UploadSecrets
  readonly encoding: EncodingDefaults
  /** Hears of the upload as it begins; its status is live. */
  readonly history?: Pick<OperationHistory, 'addUpload'> | undefined
  readonly clock?: Clock | undefined
  /**
   * Remembers uploads under convergent keys, so that one that is interrupted goes on later without
   * sending again what servers hold. Default: nothing is remembered.
   */
  readonly journal?: UploadJournal | undefined
}

/**
 * Stores an immutable file: in its own cap when it is small, else as CHK shares on the grid.
 *
 * @param uploadable - stays the caller's, who closes it.
 * @throws {@link FilesystemError} `UPLOAD_NO_SERVERS`, `UPLOAD_UNHAPPINESS`, `UPLOAD_SOURCE_CHANGED`;
 *   RangeError for encoding parameters that make no sense; the reason of `signal`. Shares that were
 *   begun are dropped in each case, unless a journal remembers them: then only when the source has
 *   changed, or `signal` was aborted with an {@link UploadCancelledError}.
 * @see allmydata.immutable.upload.Uploader.upload
 */
export async function uploadImmutable(
  uploadable: IUploadable,
  options: UploadOptions,
): Promise<IUploadResults> {
  const { crypto = defaultCrypto, clock = systemClock, signal } = options
  signal?.throwIfAborted()
  if (!Number.isSafeInteger(uploadable.size) || uploadable.size < 0) {
    throw new RangeError(`expected a size that is a safe integer >= 0, got ${uploadable.size}`)
  }
  const encoding = encodingParameters(uploadable, options.encoding)
  const status = new UploadStatus(clock.nowMs())
  status.size = uploadable.size
  options.history?.addUpload(status)
  const onProgress = (progress: Progress): void => {
    followUpload(status, progress)
    options.onProgress?.(progress)
  }
  try {
    const results =
      uploadable.size <= LIT_SIZE_MAX
        ? await uploadLit(uploadable, signal)
        : await uploadChk(uploadable, encoding, { ...options, crypto, clock, onProgress }, status)
    status.results = results
    status.status = 'Finished'
    status.progress = { chk: 1, ciphertext: 1, encodeAndPush: 1 }
    return results
  } catch (error) {
    status.status = 'Failed'
    throw error
  } finally {
    status.active = false
  }
}

/**
 * How a file is encoded, given an uploader's defaults and the file's own wishes.
 *
 * @throws RangeError when they make no sense together.
 */
export function encodingParameters(
  uploadable: Pick<IUploadable, 'size' | 'encoding'>,
  defaults: EncodingDefaults,
): EncodingParameters {
  const { requiredShares, happyShares, totalShares, maxSegmentSize } = {
    ...defaults,
    ...uploadable.encoding,
  }
  checkShareCounts(requiredShares, totalShares)
  if (!Number.isInteger(happyShares) || happyShares < 0 || happyShares > totalShares) {
    throw new RangeError(`expected 0 <= happy shares <= ${totalShares}, got ${happyShares}`)
  }
  if (!Number.isSafeInteger(maxSegmentSize) || maxSegmentSize < 1) {
    throw new RangeError(`expected a maximal segment size of at least 1, got ${maxSegmentSize}`)
  }
  const segmentSize = segmentSizeFor(uploadable.size, maxSegmentSize, requiredShares)
  return { requiredShares, happyShares, totalShares, segmentSize }
}

/** Writes into the status of an upload what its progress says. */
export function followUpload(status: UploadStatus, { phase, done, total }: Progress): void {
  // Nothing can be told of a stream until it ends.
  const fraction = total === undefined ? 0 : total === 0 ? 1 : done / total
  if (phase === 'hashing') {
    status.status = 'Hashing the file'
    status.progress = { ...status.progress, chk: fraction }
  } else if (phase === 'placing') {
    status.status = 'Contacting servers'
  } else if (phase === 'pushing') {
    status.status = 'Sending segments'
    status.progress = { chk: 1, ciphertext: 1, encodeAndPush: fraction }
  } else {
    status.status = 'Closing shares'
  }
}

/**
 * The cap that a small file is kept in.
 *
 * @throws {@link FilesystemError} `UPLOAD_SOURCE_CHANGED`; the reason of `signal`.
 */
export async function literalCap(
  uploadable: IUploadable,
  signal: AbortSignal | undefined,
): Promise<LitCap> {
  const pieces: Uint8Array[] = []
  let size = 0
  for await (const piece of interruptible(uploadable.read(signal ? { signal } : {}), signal)) {
    size += piece.length
    if (size > uploadable.size) break
    pieces.push(piece.slice())
  }
  if (size !== uploadable.size) throw sourceChanged(uploadable.size, size)
  return new LitCap(concatBytes(pieces))
}

async function uploadLit(
  uploadable: IUploadable,
  signal: AbortSignal | undefined,
): Promise<IUploadResults> {
  const cap = await literalCap(uploadable, signal)
  return {
    fileSize: cap.size,
    uri: cap.format(),
    ciphertextFetched: 0,
    preexistingShares: 0,
    pushedShares: 0,
    sharemap: new Map(),
    servermap: new Map(),
    timings: {},
    uriExtensionData: undefined,
    uriExtensionHash: undefined,
    verifyCap: undefined,
  }
}

/** What one CHK upload is made of. */
interface ChkUpload {
  readonly uploadable: IUploadable
  readonly parameters: EncodingParameters
  /** 16 bytes. */
  readonly key: Uint8Array
  readonly storageIndex: Uint8Array
  readonly options: UploadOptions & { readonly crypto: CryptoProvider; readonly clock: Clock }
  readonly startedMs: number
  /** When the key was known. */
  readonly keyedMs: number
}

async function uploadChk(
  uploadable: IUploadable,
  parameters: EncodingParameters,
  options: ChkUpload['options'],
  status: UploadStatus,
): Promise<IUploadResults> {
  const { crypto, clock, secrets } = options
  const startedMs = clock.nowMs()
  const { convergence } = secrets
  const key = await deriveKey(uploadable, parameters, { ...options, convergence })
  const storageIndex = storageIndexHash(key, crypto)
  status.storageIndex = storageIndex
  const keyedMs = clock.nowMs()
  const upload = { uploadable, parameters, key, storageIndex, options, startedMs, keyedMs }
  // What goes in one request each is not worth remembering.
  const offer = await offerWhole(upload)
  if (offer?.complete !== undefined) return storeShares(upload, { offer })
  // Only of a convergent key does the storage index say what the shares hold.
  const isConvergent = (uploadable.encryptionKey ?? 'convergent') === 'convergent'
  const entry =
    isConvergent && convergence !== undefined ? await openEntry(storageIndex, options) : undefined
  return entry === undefined
    ? storeShares(upload, { offer })
    : storeRemembered(upload, entry, offer)
}

/** A journal that does not work is no reason not to upload. */
async function openEntry(
  storageIndex: Uint8Array,
  { journal, signal }: UploadOptions,
): Promise<UploadJournalEntry | undefined> {
  try {
    return await journal?.open(storageIndex, signal && { signal })
  } catch {
    signal?.throwIfAborted()
    return undefined
  }
}

/** Goes on with what an interrupted upload has left, and leaves this one so if it is interrupted. */
async function storeRemembered(
  upload: ChkUpload,
  entry: UploadJournalEntry,
  offer: ShareOffer | undefined,
): Promise<IUploadResults> {
  const { uploadable, parameters, options } = upload
  const geometry = fileGeometry({ ...parameters, size: uploadable.size })
  const layout = planChkLayout(shareShape(geometry, uriExtensionSize(geometry)))
  let outcome: 'keep' | 'drop' = 'keep'
  try {
    for (let isFirst = true; ; isFirst = false) {
      const resumption = new Resumption(entry, layout, geometry, options)
      try {
        const results = await storeShares(upload, { resumption, offer })
        outcome = 'drop'
        return results
      } catch (error) {
        resumption.end()
        outcome = resumption.keeps(error) ? 'keep' : 'drop'
        if (!isFirst || !(error instanceof ResumptionError)) throw error
        await entry.renew()
      }
    }
  } finally {
    await entry.close(outcome).catch(() => {})
  }
}

/** Offers the shares of a small file to servers that take them whole. */
async function offerWhole(upload: ChkUpload): Promise<ShareOffer | undefined> {
  const { uploadable, parameters, key, options } = upload
  const { codec, crypto, clock, secrets } = options
  const encrypted = encryptUploadable(uploadable, key, parameters, crypto)
  const shape = shapeOf(upload)
  return offerShares(
    selectionRequest(upload),
    { encrypted, shape, encoding: { codec, crypto, clock } },
    { ...options, leaseSecret: secrets.leaseSecret },
  )
}

function shapeOf({ uploadable, parameters }: ChkUpload): ChkShareShape {
  const geometry = fileGeometry({ ...parameters, size: uploadable.size })
  return shareShape(geometry, uriExtensionSize(geometry))
}

function selectionRequest(upload: ChkUpload): SelectionRequest {
  const { parameters, storageIndex } = upload
  const shape = shapeOf(upload)
  return {
    ...parameters,
    storageIndex,
    allocatedSize: chkAllocatedSize(planChkLayout(shape), shape.uriExtensionSize),
    makeWriter: (bucket, batches) => new ChkBucketWriter(bucket, shape, batches),
  }
}

/** Stores what has not been stored by an offer. */
async function storeShares(
  upload: ChkUpload,
  {
    resumption,
    offer,
  }: { readonly resumption?: Resumption; readonly offer: ShareOffer | undefined },
): Promise<IUploadResults> {
  const { uploadable, parameters, key, options, startedMs, keyedMs } = upload
  const { codec, crypto, clock, secrets } = options
  const selection: Selection =
    offer?.complete === undefined
      ? await selectServers(selectionRequest(upload), {
          ...options,
          leaseSecret: secrets.leaseSecret,
          resumption,
          answers: offer?.answers,
        })
      : { shareholders: new Map(), preexisting: new Map(), stored: offer.complete }
  const { shareholders } = selection
  await resumption?.place(shareholders)
  const selectedMs = clock.nowMs()

  const encrypted = offer?.encrypted ?? encryptUploadable(uploadable, key, parameters, crypto)
  const encoder = createEncoder(
    encrypted,
    { codec, crypto, clock },
    resumption && {
      beforeSending: (segment, hash) => resumption.check(segment, hash),
      keepsShares: (error) => resumption.keeps(error),
    },
  )
  const planned = holders(selection, shareholders.keys())
  const encoded =
    (shareholders.size === 0 ? offer?.encoded : undefined) ??
    (await encoder.start(shareholders, planned, options))
  const times = { startedMs, keyedMs, selectedMs }
  const { size } = uploadable
  return chkResults({ key, size, parameters, selection, encoded, times, crypto, clock })
}

/** What came of a CHK upload that has succeeded. */
export function chkResults(done: {
  readonly key: Uint8Array
  readonly size: number
  readonly parameters: EncodingParameters
  readonly selection: Selection
  readonly encoded: EncodingResult
  /** When the upload began, knew its key, and had its servers. */
  readonly times: {
    readonly startedMs: number
    readonly keyedMs: number
    readonly selectedMs: number
  }
  readonly crypto: CryptoProvider
  readonly clock: Clock
}): IUploadResults {
  const { key, size, parameters, selection, encoded, times, crypto, clock } = done
  const { requiredShares, totalShares } = parameters
  const sharemap = holders(selection, encoded.sharesPlaced)
  const pushed = new Set([...selection.stored.keys(), ...encoded.sharesPlaced])
  const { uriExtensionHash, uriExtensionData, verifyCap, timings } = encoded
  const cap = new ChkCap({ key, uriExtensionHash, requiredShares, totalShares, size }, crypto)
  return {
    fileSize: size,
    uri: cap.format(),
    ciphertextFetched: 0,
    preexistingShares: selection.preexisting.size,
    pushedShares: pushed.size,
    sharemap,
    servermap: sharesByServer(sharemap),
    timings: {
      totalMs: clock.nowMs() - times.startedMs,
      storageIndexMs: times.keyedMs - times.startedMs,
      peerSelectionMs: times.selectedMs - times.keyedMs,
      ...timings,
    },
    uriExtensionData,
    uriExtensionHash,
    verifyCap: verifyCap.format(),
  }
}

/** Which servers hold each share: those that had it, and those that take these. */
export function holders(
  { preexisting, stored, shareholders }: Selection,
  shares: Iterable<number>,
): ShareMap {
  const shareMap: ShareMap = new Map()
  for (const [share, servers] of [...preexisting, ...stored]) {
    shareMap.set(share, new Set([...(shareMap.get(share) ?? []), ...servers]))
  }
  for (const share of shares) {
    const holder = shareholders.get(share)
    const servers = shareMap.get(share) ?? new Set()
    if (holder !== undefined) shareMap.set(share, servers.add(holder.serverId))
  }
  return shareMap
}
