import { StorageError } from '@lafs/storage-interface'
import type {
  IServer,
  IStorageServer,
  OperationOptions,
  ShareNumber,
} from '@lafs/storage-interface'
import { Cancellation, within } from '@lafs/storage-protocol/waiting'
import type { CheckerContext } from '../context.ts'
import { READ_TIMEOUT_MS } from '../immutable/timeouts.ts'

/** Bytes of a share that are asked for or sent at a time. */
export const COPY_SIZE: number = 1024 * 1024

/** A server and what it can be asked for. */
export interface MovePlace {
  readonly server: IServer
  readonly storage: IStorageServer
}

/** One share on its way. */
export interface MoveUnderWay {
  readonly storageIndex: Uint8Array
  readonly shareNumber: ShareNumber
  readonly from: MovePlace
  readonly to: MovePlace
  readonly context: CheckerContext
  readonly requests: Cancellation
}

/**
 * The outcome of a request to a server; one that takes too long is given up, and is told so.
 *
 * @param limit.late - gets what a request gives that was given up; its signal is not fired then, so
 *   that the answer comes.
 * @throws {@link StorageError} `STORAGE_TIMEOUT`; the reason of the cancellation; what it throws.
 */
export function ask<T>(
  { context: { clock }, requests }: Pick<MoveUnderWay, 'context' | 'requests'>,
  { server }: Pick<MovePlace, 'server'>,
  request: (options: OperationOptions) => Promise<T>,
  limit: { readonly late?: (value: T) => void } = {},
): Promise<T> {
  return requests.run(async (signal) => {
    const own = new Cancellation(signal)
    const timeout = (): Error => {
      const error = new StorageError('STORAGE_TIMEOUT', `no answer from ${server.name}`)
      own.abort(error)
      return error
    }
    const { late } = limit
    try {
      return await within(request(late === undefined ? { signal: own.signal } : {}), {
        clock,
        delayMs: READ_TIMEOUT_MS,
        timeout,
        signal,
        ...(late && { late }),
      })
    } finally {
      own.dispose()
    }
  })
}

/** Does what is worth a try and no more: that it fails changes nothing. */
export async function attempt(work: Promise<unknown>): Promise<void> {
  await work.catch(() => {})
}
