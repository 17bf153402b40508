import {
  LEASE_SECRET_SIZE,
  type LeaseSecrets,
  MAX_BUCKETS,
  type OperationOptions,
  READ_AHEAD_MAX,
  type ReadTestWriteResult,
  type ReadVector,
  type ShareNumber,
  type SlotSecrets,
  STORAGE_INDEX_SIZE,
  StorageError,
  type StorageIndex,
  WRITE_ENABLER_SIZE,
} from '@lafs/storage-interface'
import {
  BATCH_ANSWER_SIZE_MAX,
  BATCH_READ_SIZE_MAX,
  type BatchOperation,
  decodeListed,
  decodeListedAndRead,
  decodeNothing,
  decodeReadData,
  decodeSlotData,
  sizeOfVectors,
  VECTOR_COUNT_MAX,
} from '../messages/index.ts'
import type { SmallOperation } from './batches.ts'
import { badWriteEnabler, refusal } from './calls.ts'
import type { ShareBeginning } from './share-beginning.ts'

/** How an operation is done by plain requests. */
type Alone<T> = (options?: OperationOptions) => Promise<T>

/** About what an answer without share data takes. */
const PLAIN_ANSWER_SIZE = 64
/** How many shares of a file a server is thought to hold: what it holds more is asked for again. */
const SHARES_GUESSED = 4

/** The immutable shares that the server holds. */
export interface Listing {
  readonly shareNumbers: ReadonlySet<ShareNumber>
  /** That of the share with the lowest number, where it came along. */
  readonly beginning?: ShareBeginning | undefined
}

/** The immutable shares that the server holds. */
function listing(
  storageIndex: StorageIndex,
  alone: Alone<Set<ShareNumber>>,
): SmallOperation<Listing> {
  return {
    operation: ifIndexed({ name: 'list', storageIndex }),
    answerSize: PLAIN_ANSWER_SIZE,
    requestsAlone: 1,
    alone: async (options) => ({ shareNumbers: await alone(options) }),
    decode: (value) => ({ shareNumbers: decodeListed(value) }),
    refused: refuse,
  }
}

/**
 * The immutable shares that the server holds, and the beginning of one of them if the server can do that.
 *
 * @param readAhead - how many bytes of it; none for less than one.
 */
export function listingAndReading(
  storageIndex: StorageIndex,
  readAhead: number,
  alone: Alone<Set<ShareNumber>>,
): SmallOperation<Listing> {
  const plain = listing(storageIndex, alone)
  const size = Math.min(Math.trunc(readAhead), READ_AHEAD_MAX)
  // NaN is not, either.
  if (!(size > 0)) return plain
  return {
    operation: ifIndexed({ name: 'list-and-read', storageIndex, size }),
    answerSize: PLAIN_ANSWER_SIZE + size,
    requestsAlone: 2,
    alone: plain.alone,
    decode: (value) => {
      const { shareNumbers, data } = decodeListedAndRead(value, size)
      return { shareNumbers, beginning: data && { data, isWhole: data.length < size } }
    },
    refused: refuse,
    instead: plain,
  }
}

/** A span of an immutable share; undefined when there is no such share. */
export function shareRead(
  storageIndex: StorageIndex,
  shareNumber: ShareNumber,
  { offset, size }: ReadVector,
  alone: Alone<Uint8Array | undefined>,
): SmallOperation<Uint8Array | undefined> {
  // Nothing is asked of the server for no bytes.
  const fits = size > 0 && isShareNumber(shareNumber) && areSpans([{ offset, size }])
  const operation = { name: 'read', storageIndex, shareNumber, offset, size } as const
  return {
    operation: fits ? ifIndexed(operation) : undefined,
    answerSize: size,
    requestsAlone: 1,
    alone,
    decode: (value) => decodeReadData(value, size),
    refused: (status) => (status === 404 ? undefined : refuse(status)),
  }
}

/** Spans of shares of a slot. */
export function slotRead(
  storageIndex: StorageIndex,
  shareNumbers: readonly ShareNumber[],
  readVectors: readonly ReadVector[],
  alone: Alone<Map<ShareNumber, Uint8Array[]>>,
): SmallOperation<Map<ShareNumber, Uint8Array[]>> {
  const answerSize = slotAnswerSize(shareNumbers.length, readVectors)
  const fits =
    areSpans(readVectors) &&
    shareNumbers.every(isShareNumber) &&
    answerSize <= BATCH_ANSWER_SIZE_MAX / 2
  const operation = { name: 'slot-read', storageIndex, shareNumbers, readVectors } as const
  return {
    operation: fits ? ifIndexed(operation) : undefined,
    answerSize,
    requestsAlone: shareNumbers.length === 1 && readVectors.length === 1 ? 1 : 2,
    alone,
    decode: (value) => decodeSlotData(value, shareNumbers, readVectors),
    refused: refuse,
  }
}

/** Spans of all shares of a slot, for those who may write them: a test-and-write of nothing. */
export function slotReadAsWriter(
  storageIndex: StorageIndex,
  secrets: SlotSecrets,
  readVectors: readonly ReadVector[],
  alone: Alone<ReadTestWriteResult>,
): SmallOperation<ReadTestWriteResult> {
  const fits = areSpans(readVectors) && areSecrets(secrets)
  const isEnabler = secrets.writeEnabler.length === WRITE_ENABLER_SIZE
  const operation = { name: 'slot-read-as-writer', storageIndex, secrets, readVectors } as const
  return {
    operation: fits && isEnabler ? ifIndexed(operation) : undefined,
    answerSize: slotAnswerSize(0, readVectors),
    requestsAlone: 1,
    alone,
    decode: (value) => ({ success: true, data: decodeSlotData(value, [], readVectors) }),
    refused: (status) => {
      throw status === 401 ? badWriteEnabler({ status }) : refusal({ status })
    },
  }
}

/** Adds or renews a lease; whether there is a share to put it on makes no difference. */
export function leaseAdding(
  storageIndex: StorageIndex,
  secrets: LeaseSecrets,
  alone: Alone<void>,
): SmallOperation<void> {
  const operation = { name: 'add-lease', storageIndex, secrets } as const
  return {
    operation: areSecrets(secrets) ? ifIndexed(operation) : undefined,
    answerSize: PLAIN_ANSWER_SIZE,
    requestsAlone: 1,
    alone,
    decode: decodeNothing,
    refused: (status) => (status === 404 ? undefined : refuse(status)),
  }
}

/**
 * Lets go of a lease: what only servers that take batches can do.
 *
 * @throws {@link StorageError} `STORAGE_BAD_STORAGE_INDEX`, `STORAGE_BAD_SHARE_NUMBER`, `STORAGE_BAD_SECRET`.
 */
export function leaseCancelling(
  storageIndex: StorageIndex,
  shareNumber: ShareNumber,
  cancelSecret: Uint8Array,
): SmallOperation<void> {
  const operation = { name: 'cancel-lease', storageIndex, shareNumber, cancelSecret } as const
  if (ifIndexed(operation) === undefined) {
    throw new StorageError('STORAGE_BAD_STORAGE_INDEX', `expected ${STORAGE_INDEX_SIZE} bytes`)
  }
  if (!isShareNumber(shareNumber)) {
    throw new StorageError('STORAGE_BAD_SHARE_NUMBER', `expected a number below ${MAX_BUCKETS}`)
  }
  if (cancelSecret.length !== LEASE_SECRET_SIZE) {
    throw new StorageError('STORAGE_BAD_SECRET', `expected ${LEASE_SECRET_SIZE} bytes`)
  }
  return {
    operation,
    answerSize: PLAIN_ANSWER_SIZE,
    requestsAlone: 0,
    alone: async () => {
      throw new StorageError('STORAGE_NOT_SUPPORTED', 'the server cannot cancel leases')
    },
    decode: decodeNothing,
    refused: (status) => (status === 404 ? undefined : refuse(status)),
  }
}

function refuse(status: number): never {
  throw refusal({ status })
}

/** What does not fit goes alone, and fails there as it should. */
function ifIndexed(operation: BatchOperation): BatchOperation | undefined {
  return operation.storageIndex.length === STORAGE_INDEX_SIZE ? operation : undefined
}

function isShareNumber(shareNumber: ShareNumber): boolean {
  return Number.isInteger(shareNumber) && shareNumber >= 0 && shareNumber < MAX_BUCKETS
}

function areSpans(spans: readonly ReadVector[]): boolean {
  const isCount = (n: number): boolean => Number.isSafeInteger(n) && n >= 0
  return (
    spans.length <= VECTOR_COUNT_MAX &&
    spans.every(({ offset, size }) => isCount(offset) && isCount(size) && isCount(offset + size)) &&
    sizeOfVectors(spans) <= BATCH_READ_SIZE_MAX
  )
}

function areSecrets({ renewSecret, cancelSecret }: LeaseSecrets): boolean {
  return renewSecret.length === LEASE_SECRET_SIZE && cancelSecret.length === LEASE_SECRET_SIZE
}

function slotAnswerSize(shareCount: number, readVectors: readonly ReadVector[]): number {
  const shares = shareCount === 0 ? SHARES_GUESSED : shareCount
  return PLAIN_ANSWER_SIZE + shares * (PLAIN_ANSWER_SIZE + sizeOfVectors(readVectors))
}
