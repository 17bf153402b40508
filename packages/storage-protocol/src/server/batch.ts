import type {
  ReadVector,
  RIStorageServer,
  ShareNumber,
  StorageIndex,
} from '@lafs/storage-interface'
import {
  BATCH_ANSWER_SIZE_MAX,
  type BatchAnswer,
  type BatchOperation,
  type BatchValue,
  decodeBatch,
  encodeBatchAnswers,
  type ListedAndRead,
} from '../messages/index.ts'
import { routes } from '../routes.ts'
import { nextTurn } from '../turn.ts'
import { systemClock } from '../waiting/index.ts'
import type { Call } from './call.ts'
import { cborResponse, checkAccept, readMessage, statusOf } from './responses.ts'
import type { StorageResponse } from './types.ts'

/** How many operations of one batch run at a time: others have their turn between them. */
const SIDE_BY_SIDE = 8
/** When the answer goes out, whatever is missing then: one slow operation must not hold the others up. */
const TIME_MAX_MS = 2000
/** The most bytes that the entry of an answer has around its data. */
const ENTRY_SIZE = 32

/** Serves a batch: each operation as its plain request is served, with an answer of its own. */
export async function batch(call: Call): Promise<StorageResponse> {
  const operations = decodeBatch(await readMessage(call.request, routes.batch))
  checkAccept(call.request)
  return cborResponse(encodeBatchAnswers(await answersTo(operations, call)))
}

/** What came of each operation until there is no room, or no time, left. */
function answersTo(operations: readonly BatchOperation[], call: Call): Promise<BatchAnswer[]> {
  const answers = operations.map((): BatchAnswer => undefined)
  // The head of the array.
  let room = BATCH_ANSWER_SIZE_MAX - operations.length - ENTRY_SIZE
  let over = false
  const queue = operations.entries()
  const work = async (): Promise<void> => {
    for (const [index, operation] of queue) {
      if (over || room <= 0) return
      const answer = await answerTo(operation, call)
      const size = sizeOf(answer)
      if (!over && size <= room) {
        room -= size
        answers[index] = answer
      }
      await nextTurn()
    }
  }
  const workers = Promise.all(Array.from({ length: SIDE_BY_SIDE }, work))
  return new Promise((resolve, reject) => {
    const end = (): void => {
      over = true
      cancelTimer()
      resolve(answers)
    }
    const cancelTimer = systemClock.after(TIME_MAX_MS, end)
    workers.then(end, reject)
  })
}

async function answerTo(operation: BatchOperation, call: Call): Promise<BatchAnswer> {
  try {
    return { value: await perform(operation, call) }
  } catch (error) {
    const status = statusOf(error)
    if (status === 500) call.onFault?.(error)
    return { status }
  }
}

async function perform(operation: BatchOperation, { server, onFault }: Call): Promise<BatchValue> {
  const { name, storageIndex } = operation
  switch (name) {
    case 'list':
      return server.listShares('immutable', storageIndex)
    case 'list-and-read':
      return listAndRead(server, storageIndex, operation.size, onFault)
    case 'read': {
      const { shareNumber, offset, size } = operation
      return readSpan(server, storageIndex, shareNumber, { offset, size })
    }
    case 'slot-read':
      return server.slotReadv(storageIndex, operation.shareNumbers, operation.readVectors)
    case 'slot-read-as-writer': {
      const { secrets, readVectors } = operation
      const nothing = new Map<never, never>()
      const result = await server.slotTestvAndReadvAndWritev(
        storageIndex,
        secrets,
        nothing,
        readVectors,
      )
      return result.data
    }
    case 'add-lease':
      await server.addLease(storageIndex, operation.secrets)
      return null
    case 'cancel-lease':
      await server.cancelLease(storageIndex, operation.shareNumber, operation.cancelSecret)
      return null
  }
}

async function readSpan(
  server: RIStorageServer,
  storageIndex: StorageIndex,
  shareNumber: ShareNumber,
  { offset, size }: ReadVector,
): Promise<Uint8Array> {
  const reader = await server.openShare('immutable', storageIndex, shareNumber)
  try {
    return await reader.read(offset, size)
  } finally {
    await reader.close()
  }
}

/** A share that cannot be read is listed all the same: who reads it later is told why. */
async function listAndRead(
  server: RIStorageServer,
  storageIndex: StorageIndex,
  size: number,
  onFault: Call['onFault'],
): Promise<ListedAndRead> {
  const shareNumbers = await server.listShares('immutable', storageIndex)
  if (shareNumbers.size === 0) return { shareNumbers, data: undefined }
  const lowest = Math.min(...shareNumbers)
  try {
    const data = await readSpan(server, storageIndex, lowest, { offset: 0, size })
    return { shareNumbers, data }
  } catch (error) {
    if (statusOf(error) === 500) onFault?.(error)
    return { shareNumbers, data: undefined }
  }
}

/** No fewer bytes than an entry of the answer has. */
function sizeOf(answer: BatchAnswer): number {
  if (answer === undefined || 'status' in answer || answer.value === null) return ENTRY_SIZE
  const { value } = answer
  if (value instanceof Uint8Array) return ENTRY_SIZE + value.length
  if (value instanceof Set) return ENTRY_SIZE + 2 * value.size
  if ('shareNumbers' in value) {
    return 2 * ENTRY_SIZE + 2 * value.shareNumbers.size + (value.data?.length ?? 0)
  }
  let size = ENTRY_SIZE
  for (const reads of value.values()) {
    size += ENTRY_SIZE
    for (const { length } of reads) size += ENTRY_SIZE + length
  }
  return size
}
