import { concatBytes, defaultCrypto, randomKey, storageIndexHash } from '@lafs/crypto'
import type { CryptoProvider } from '@lafs/crypto'
import { isFilesystemError } from '@lafs/filesystem-interface'
import type { IUploadable, IUploadResults, Progress } from '@lafs/filesystem-interface'
import { isStorageError } from '@lafs/storage-interface'
import type { OperationOptions } from '@lafs/storage-interface'
import { OpenEndedChkWriter } from '@lafs/storage-protocol/layout'
import { systemClock } from '@lafs/storage-protocol/waiting'
import type { Clock } from '@lafs/storage-protocol/waiting'
import { encryptUploadable } from '../encrypt.ts'
import { encodeEndless, uriExtensionSize } from '../encoder.ts'
import { shareShape } from '../geometry.ts'
import { selectServers } from '../server-selector.ts'
import type { Selection } from '../server-selector.ts'
import { UploadStatus } from '../status.ts'
import {
  chkResults,
  encodingParameters,
  followUpload,
  holders,
  uploadImmutable,
} from '../upload.ts'
import type { UploadOptions } from '../upload.ts'
import { uploadableFromBytes } from '../uploadable.ts'
import { ReplayedStream } from './replayed-stream.ts'

/** Bytes that each share is allocated with; it grows as need be. */
const FIRST_ALLOCATION = 16 * 1024 * 1024

/** What a stream is uploaded with and how. */
export interface UploadStreamOptions extends Omit<UploadOptions, 'journal'> {
  /**
   * Reads a stream to its end and keeps it somewhere, with a random key: for a stream that too few
   * servers can take as it comes. The uploadable is closed after use.
   */
  readonly putAside: (
    stream: AsyncIterable<Uint8Array>,
    options: OperationOptions,
  ) => Promise<IUploadable>
}

/**
 * Stores a stream of unknown size as an immutable file with a random key.
 *
 * A stream that ends within the first segment is an upload like any other. A longer one goes to
 * servers that take shares of unknown size, and is put aside if those are too few: that is decided
 * before more than a segment of it has been read.
 *
 * @throws as {@link uploadImmutable}; what the stream throws.
 */
export async function uploadStream(
  stream: AsyncIterable<Uint8Array>,
  options: UploadStreamOptions,
): Promise<IUploadResults> {
  const { signal, crypto = defaultCrypto, clock = systemClock } = options
  signal?.throwIfAborted()
  const endless = { size: Number.MAX_SAFE_INTEGER, encoding: undefined }
  const { segmentSize } = encodingParameters(endless, options.encoding)
  const replayed = new ReplayedStream(stream)
  try {
    const early = await replayed.readAhead(segmentSize + 1, signal)
    if (replayed.hasEnded) {
      const whole = uploadableFromBytes(concatBytes(early), { encryptionKey: 'random' })
      return await uploadImmutable(whole, options)
    }
    const results = await pushStream(replayed, { ...options, crypto, clock })
    if (results !== undefined) return results
    const aside = await options.putAside(replayed.read(), signal === undefined ? {} : { signal })
    try {
      return await uploadImmutable({ ...aside, encryptionKey: 'random' }, options)
    } finally {
      await aside.close()
    }
  } finally {
    await replayed.close()
  }
}

type PushOptions = UploadStreamOptions & { readonly crypto: CryptoProvider; readonly clock: Clock }

/** Uploads a stream as it comes. Undefined, with nothing read, when too few servers can take it. */
async function pushStream(
  stream: ReplayedStream,
  options: PushOptions,
): Promise<IUploadResults | undefined> {
  const { codec, crypto, clock, signal } = options
  const status = new UploadStatus(clock.nowMs())
  const onProgress = (progress: Progress): void => {
    followUpload(status, progress)
    options.onProgress?.(progress)
  }
  const startedMs = clock.nowMs()
  const endless = { size: Number.MAX_SAFE_INTEGER, encoding: undefined }
  const parameters = encodingParameters(endless, options.encoding)
  const key = randomKey(crypto)
  const storageIndex = storageIndexHash(key, crypto)
  status.storageIndex = storageIndex
  const writers = new Map<unknown, OpenEndedChkWriter>()
  const selection = await selectOpenEnded(storageIndex, { ...options, onProgress }, writers)
  if (selection === undefined) return undefined
  options.history?.addUpload(status)
  const selectedMs = clock.nowMs()
  const plain = {
    size: endless.size,
    read: () => stream.read(),
    close: async () => {},
  }
  const encrypted = encryptUploadable(plain, key, parameters, crypto)
  try {
    const encoded = await encodeEndless(
      encrypted,
      { codec, crypto, clock },
      {
        shareholders: selection.shareholders,
        servermap: holders(selection, selection.shareholders.keys()),
        settle: async (writer, geometry, settling) => {
          await writers
            .get(writer)
            ?.settle(shareShape(geometry, uriExtensionSize(geometry)), settling)
        },
        onProgress,
        ...(signal && { signal }),
      },
    )
    const size = encoded.uriExtensionData.size
    status.size = size
    const times = { startedMs, keyedMs: startedMs, selectedMs }
    const results = chkResults({ key, size, parameters, selection, encoded, times, crypto, clock })
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

/** Finds servers for shares of unknown size. Undefined when others might have taken known ones. */
async function selectOpenEnded(
  storageIndex: Uint8Array,
  options: PushOptions,
  writers: Map<unknown, OpenEndedChkWriter>,
): Promise<Selection | undefined> {
  const { requiredShares, happyShares, totalShares } = options.encoding
  try {
    return await selectServers(
      {
        storageIndex,
        requiredShares,
        happyShares,
        totalShares,
        allocatedSize: FIRST_ALLOCATION,
        isOpenEnded: true,
        makeWriter: (bucket, batches) => {
          const allocatedSize = FIRST_ALLOCATION
          const writer = new OpenEndedChkWriter(bucket, { ...batches, allocatedSize })
          writers.set(writer, writer)
          return writer
        },
      },
      { ...options, leaseSecret: options.secrets.leaseSecret },
    )
  } catch (error) {
    if (!isFilesystemError(error, 'UPLOAD_UNHAPPINESS')) throw error
    const refusals = error.errors.filter((one) => isStorageError(one, 'STORAGE_NOT_SUPPORTED'))
    if (refusals.length === 0) throw error
    return undefined
  }
}
