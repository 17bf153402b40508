import {
  LEASE_SECRET_SIZE,
  type LeaseSecrets,
  READ_AHEAD_MAX,
  type ReadVector,
  type ShareNumber,
  type SlotSecrets,
  STORAGE_INDEX_SIZE,
  type StorageIndex,
  WRITE_ENABLER_SIZE,
} from '@lafs/storage-interface'
import { decodeCbor, encodeCbor } from '../cbor.ts'
import {
  expectArray,
  expectBytes,
  expectFields,
  expectMap,
  expectShareNumber,
  expectShareNumberSet,
  expectUint,
  SHARE_COUNT_MAX,
  wrongShape,
} from './fields.ts'
import { VECTOR_COUNT_MAX } from './read-test-write.ts'

/** The most operations of one batch. */
export const BATCH_COUNT_MAX = 64
/** The most bytes of a batch: more than its operations can have. */
export const BATCH_SIZE_MAX: number = 256 * 1024
/** The most bytes that one operation of a batch may read of one share. */
export const BATCH_READ_SIZE_MAX: number = 64 * 1024
/** The most bytes of the answer to a batch. What does not fit is left unanswered. */
export const BATCH_ANSWER_SIZE_MAX: number = 4 * 1024 * 1024

/** An operation of a batch. What each one does is what the operation of its plain request does. */
export type BatchOperation =
  /** The immutable shares that the server holds. Gives a set of share numbers. */
  | { readonly name: 'list'; readonly storageIndex: StorageIndex }
  /** The same, and the first bytes of the one with the lowest number. Gives both. */
  | {
      readonly name: 'list-and-read'
      readonly storageIndex: StorageIndex
      /** How many bytes of the share, 1 or more. */
      readonly size: number
    }
  /** A span of an immutable share. Gives bytes, fewer at the end of the share. */
  | {
      readonly name: 'read'
      readonly storageIndex: StorageIndex
      readonly shareNumber: ShareNumber
      readonly offset: number
      readonly size: number
    }
  /** Spans of shares of a slot: of these shares, or of all. Gives a map of byte strings. */
  | {
      readonly name: 'slot-read'
      readonly storageIndex: StorageIndex
      readonly shareNumbers: readonly ShareNumber[]
      readonly readVectors: readonly ReadVector[]
    }
  /** The same of all shares, for those who may write them: a test-and-write that neither tests nor writes. */
  | {
      readonly name: 'slot-read-as-writer'
      readonly storageIndex: StorageIndex
      readonly secrets: SlotSecrets
      readonly readVectors: readonly ReadVector[]
    }
  /** Adds or renews a lease on all shares of a file. Gives null. */
  | {
      readonly name: 'add-lease'
      readonly storageIndex: StorageIndex
      readonly secrets: LeaseSecrets
    }
  /** Lets go of a lease on one share. Gives null. */
  | {
      readonly name: 'cancel-lease'
      readonly storageIndex: StorageIndex
      readonly shareNumber: ShareNumber
      readonly cancelSecret: Uint8Array
    }

/** What an operation gives: share numbers, bytes, both, the reads of each share, or null. */
export type BatchValue =
  | Set<ShareNumber>
  | Uint8Array
  | ListedAndRead
  | Map<ShareNumber, Uint8Array[]>
  | null

/** What `list-and-read` gives. */
export interface ListedAndRead {
  readonly shareNumbers: ReadonlySet<ShareNumber>
  /**
   * The beginning of the share with the lowest number, less than was asked for where it ends before;
   * undefined when there is none, or it cannot be read.
   */
  readonly data: Uint8Array | undefined
}

/**
 * The answer to one operation: what it gives, or the status by which its plain request would have been
 * refused. Undefined: it has to be asked for again, as its answer did not fit or took too long.
 */
export type BatchAnswer<Value = BatchValue> =
  | { readonly value: Value }
  | { readonly status: number }
  | undefined

/** The body of a batch. It holds secrets. */
export function encodeBatch(operations: readonly BatchOperation[]): Uint8Array {
  return encodeCbor(operations.map(operationFields))
}

function operationFields(operation: BatchOperation): Record<string, unknown> {
  const { name, storageIndex } = operation
  const common = { operation: name, 'storage-index': storageIndex }
  switch (name) {
    case 'list':
      return common
    case 'list-and-read':
      return { ...common, size: operation.size }
    case 'read': {
      const { shareNumber, offset, size } = operation
      return { ...common, 'share-number': shareNumber, offset, size }
    }
    case 'slot-read':
      return {
        ...common,
        'share-numbers': new Set(operation.shareNumbers),
        'read-vector': operation.readVectors.map(({ offset, size }) => ({ offset, size })),
      }
    case 'slot-read-as-writer':
      return {
        ...common,
        'write-enabler': operation.secrets.writeEnabler,
        ...leaseFields(operation.secrets),
        'read-vector': operation.readVectors.map(({ offset, size }) => ({ offset, size })),
      }
    case 'add-lease':
      return { ...common, ...leaseFields(operation.secrets) }
    case 'cancel-lease':
      return {
        ...common,
        'share-number': operation.shareNumber,
        'cancel-secret': operation.cancelSecret,
      }
  }
}

function leaseFields({ renewSecret, cancelSecret }: LeaseSecrets): Record<string, Uint8Array> {
  return { 'renew-secret': renewSecret, 'cancel-secret': cancelSecret }
}

/** @throws {@link MessageError}. */
export function decodeBatch(bytes: Uint8Array): BatchOperation[] {
  const items = expectArray(decodeCbor(bytes), BATCH_COUNT_MAX, 'batch')
  if (items.length === 0) throw wrongShape('batch', 'an operation', 'none')
  return items.map((item, index) => decodeOperation(item, `batch[${index}]`))
}

type OperationName = BatchOperation['name']

/** The keys that an operation has besides `operation` and `storage-index`. */
const OPERATION_KEYS: Readonly<Record<OperationName, readonly string[]>> = {
  list: [],
  'list-and-read': ['size'],
  read: ['share-number', 'offset', 'size'],
  'slot-read': ['share-numbers', 'read-vector'],
  'slot-read-as-writer': ['write-enabler', 'renew-secret', 'cancel-secret', 'read-vector'],
  'add-lease': ['renew-secret', 'cancel-secret'],
  'cancel-lease': ['share-number', 'cancel-secret'],
}

function decodeOperation(item: unknown, where: string): BatchOperation {
  const name = operationName(expectMap(item, where).get('operation'), where)
  const fields = expectFields(item, ['operation', 'storage-index', ...OPERATION_KEYS[name]], where)
  const bytes = (key: string, size: number): Uint8Array =>
    expectSizedBytes(fields.get(key), size, `${where} ${key}`)
  const shareNumber = (): ShareNumber =>
    expectShareNumber(fields.get('share-number'), `${where} share-number`)
  const leaseSecrets = (): LeaseSecrets => ({
    renewSecret: bytes('renew-secret', LEASE_SECRET_SIZE),
    cancelSecret: bytes('cancel-secret', LEASE_SECRET_SIZE),
  })
  const readVectors = (): ReadVector[] =>
    decodeReadVectors(fields.get('read-vector'), `${where} read-vector`)
  const storageIndex = bytes('storage-index', STORAGE_INDEX_SIZE)
  switch (name) {
    case 'list':
      return { name, storageIndex }
    case 'list-and-read': {
      const size = expectUint(fields.get('size'), `${where} size`)
      if (size > 0 && size <= READ_AHEAD_MAX) return { name, storageIndex, size }
      throw wrongShape(`${where} size`, `1 to ${READ_AHEAD_MAX}`, 'another')
    }
    case 'read': {
      const offset = expectUint(fields.get('offset'), `${where} offset`)
      const size = expectReadSize(fields.get('size'), `${where} size`)
      return { name, storageIndex, shareNumber: shareNumber(), offset, size }
    }
    case 'slot-read': {
      const wanted = expectShareNumberSet(fields.get('share-numbers'), `${where} share-numbers`)
      return { name, storageIndex, shareNumbers: [...wanted], readVectors: readVectors() }
    }
    case 'slot-read-as-writer': {
      const writeEnabler = bytes('write-enabler', WRITE_ENABLER_SIZE)
      const secrets = { writeEnabler, ...leaseSecrets() }
      return { name, storageIndex, secrets, readVectors: readVectors() }
    }
    case 'add-lease':
      return { name, storageIndex, secrets: leaseSecrets() }
    case 'cancel-lease': {
      const cancelSecret = bytes('cancel-secret', LEASE_SECRET_SIZE)
      return { name, storageIndex, shareNumber: shareNumber(), cancelSecret }
    }
  }
}

function operationName(value: unknown, where: string): OperationName {
  const names = Object.keys(OPERATION_KEYS)
  const known = (name: unknown): name is OperationName =>
    typeof name === 'string' && names.includes(name)
  if (known(value)) return value
  throw wrongShape(`${where} operation`, `one of ${names.join(', ')}`, 'another')
}

function expectSizedBytes(value: unknown, size: number, where: string): Uint8Array {
  const bytes = expectBytes(value, where)
  if (bytes.length !== size) throw wrongShape(where, `${size} bytes`, `${bytes.length}`)
  return bytes
}

function expectReadSize(value: unknown, where: string): number {
  const size = expectUint(value, where)
  if (size > BATCH_READ_SIZE_MAX) throw wrongShape(where, `at most ${BATCH_READ_SIZE_MAX}`, 'more')
  return size
}

function decodeReadVectors(value: unknown, where: string): ReadVector[] {
  const vectors = expectArray(value, VECTOR_COUNT_MAX, where).map((item, index) => {
    const fields = expectFields(item, ['offset', 'size'], `${where}[${index}]`)
    return {
      offset: expectUint(fields.get('offset'), `${where}[${index}].offset`),
      size: expectUint(fields.get('size'), `${where}[${index}].size`),
    }
  })
  expectReadSize(sizeOfVectors(vectors), where)
  return vectors
}

/** How many bytes of a share read vectors ask for. */
export function sizeOfVectors(readVectors: readonly ReadVector[]): number {
  return readVectors.reduce((sum, { size }) => sum + size, 0)
}

/** The body of the answer: one entry an operation, in their order. */
export function encodeBatchAnswers(answers: readonly BatchAnswer[]): Uint8Array {
  return encodeCbor(
    answers.map((answer) => {
      if (answer === undefined) return null
      return 'value' in answer ? { value: valueItem(answer.value) } : { status: answer.status }
    }),
  )
}

function valueItem(value: BatchValue): unknown {
  if (value === null || !('shareNumbers' in value)) return value
  const { shareNumbers, data } = value
  return { 'share-numbers': new Set(shareNumbers), data: data ?? null }
}

/**
 * The entries of an answer. What an operation gives is looked at by one of the functions below.
 *
 * @param count - of the operations.
 * @throws {@link MessageError}.
 */
export function decodeBatchAnswers(bytes: Uint8Array, count: number): BatchAnswer<unknown>[] {
  const items = expectArray(decodeCbor(bytes), count, 'batch answers')
  if (items.length < count) throw wrongShape('batch answers', `${count} entries`, `${items.length}`)
  return items.map((item, index) => {
    if (item === null) return undefined
    const where = `batch answers[${index}]`
    if (expectMap(item, where).has('value')) {
      return { value: expectFields(item, ['value'], where).get('value') }
    }
    const status = expectUint(expectFields(item, ['status'], where).get('status'), where)
    if (status < 400 || status > 599) throw wrongShape(where, 'a status of 400 to 599', 'another')
    return { status }
  })
}

/** What `list` gives. @throws {@link MessageError}. */
export function decodeListed(value: unknown): Set<ShareNumber> {
  return expectShareNumberSet(value, 'list')
}

/** What `list-and-read` gives. @throws {@link MessageError}, for more bytes than were asked for too. */
export function decodeListedAndRead(value: unknown, sizeMax: number): ListedAndRead {
  const fields = expectFields(value, ['share-numbers', 'data'], 'list-and-read')
  const shareNumbers = expectShareNumberSet(fields.get('share-numbers'), 'share-numbers')
  const item = fields.get('data')
  const data = item === null ? undefined : decodeReadData(item, sizeMax)
  if (data !== undefined && shareNumbers.size === 0) {
    throw wrongShape('list-and-read', 'no bytes where there is no share', 'some')
  }
  return { shareNumbers, data }
}

/** What `read` gives. @throws {@link MessageError}, for more bytes than were asked for too. */
export function decodeReadData(value: unknown, sizeMax: number): Uint8Array {
  const bytes = expectBytes(value, 'read')
  if (bytes.length > sizeMax) throw wrongShape('read', `at most ${sizeMax} bytes`, 'more')
  return bytes
}

/**
 * What `slot-read` and `slot-read-as-writer` give.
 *
 * @param shareNumbers - those that were asked for; empty means all.
 * @throws {@link MessageError}, for shares and for bytes that were not asked for too.
 */
export function decodeSlotData(
  value: unknown,
  shareNumbers: readonly ShareNumber[],
  readVectors: readonly ReadVector[],
): Map<ShareNumber, Uint8Array[]> {
  const shares = expectMap(value, 'slot-read')
  if (shares.size > SHARE_COUNT_MAX) throw wrongShape('slot-read', 'fewer shares', 'too many')
  return new Map(
    [...shares].map(([key, item]) => {
      const number = expectShareNumber(key, 'slot-read')
      if (shareNumbers.length > 0 && !shareNumbers.includes(number)) {
        throw wrongShape('slot-read', 'shares that were asked for', 'another')
      }
      const where = `slot-read[${number}]`
      const reads = expectArray(item, readVectors.length, where)
      const data = readVectors.map(({ size }, index) => decodeReadData(reads[index], size))
      return [number, data]
    }),
  )
}

/** Expects the null that operations on leases give. @throws {@link MessageError}. */
export function decodeNothing(value: unknown): void {
  if (value !== null) throw wrongShape('lease', 'null', 'something')
}
