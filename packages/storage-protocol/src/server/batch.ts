import type { RIStorageServer } from '@lafs/storage-interface'
import {
  BATCH_ANSWER_SIZE_MAX,
  type BatchAnswer,
  type BatchOperation,
  type BatchValue,
  decodeBatch,
  encodeBatchAnswers,
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
    return { value: await perform(operation, call.server) }
  } catch (error) {
    const status = statusOf(error)
    if (status === 500) call.onFault?.(error)
    return { status }
  }
}

async function perform(operation: BatchOperation, server: RIStorageServer): Promise<BatchValue> {
  const { name, storageIndex } = operation
  switch (name) {
    case 'list':
      return server.listShares('immutable', storageIndex)
    case 'read': {
      const reader = await server.openShare('immutable', storageIndex, operation.shareNumber)
      try {
        return await reader.read(operation.offset, operation.size)
      } finally {
        await reader.close()
      }
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

/** No fewer bytes than an entry of the answer has. */
function sizeOf(answer: BatchAnswer): number {
  if (answer === undefined || 'status' in answer || answer.value === null) return ENTRY_SIZE
  const { value } = answer
  if (value instanceof Uint8Array) return ENTRY_SIZE + value.length
  if (value instanceof Set) return ENTRY_SIZE + 2 * value.size
  let size = ENTRY_SIZE
  for (const reads of value.values()) {
    size += ENTRY_SIZE
    for (const { length } of reads) size += ENTRY_SIZE + length
  }
  return size
}
