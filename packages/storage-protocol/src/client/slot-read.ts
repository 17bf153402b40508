import type {
  OperationOptions,
  ReadVector,
  ShareNumber,
  StorageIndex,
} from '@lafs/storage-interface'
import { onAbort } from '../abort.ts'
import type { MakeCall } from './calls.ts'
import { listShares } from './list-shares.ts'
import { readShareData } from './share-data.ts'

/**
 * Reads spans of shares of a slot by plain requests: one a span, after one for the numbers of the
 * shares where they have to be known.
 */
export async function readSlot(
  makeCall: MakeCall,
  storageIndex: StorageIndex,
  shareNumbers: readonly ShareNumber[],
  readVectors: readonly ReadVector[],
  options?: OperationOptions,
): Promise<Map<ShareNumber, Uint8Array[]>> {
  options?.signal?.throwIfAborted()
  // Reads say which shares are there, if there is one that is not empty.
  const known = shareNumbers.length > 0 && readVectors.some(({ size }) => size > 0)
  const listed = known ? undefined : await listShares(makeCall, 'mutable', storageIndex, options)
  const wanted = shareNumbers.length > 0 ? shareNumbers : [...(listed ?? [])]
  const controller = new AbortController()
  const { signal } = controller
  const outer = options?.signal
  const forget = outer && onAbort(outer, () => controller.abort(outer.reason))
  const readOne = async (shareNumber: ShareNumber): Promise<(Uint8Array | undefined)[]> =>
    Promise.all(
      readVectors.map((span) =>
        readShareData(makeCall, 'mutable', storageIndex, shareNumber, span, { signal }),
      ),
    )
  try {
    const present = wanted.filter((number) => listed === undefined || listed.has(number))
    const reads = await Promise.all(
      present.map(async (number) => [number, await readOne(number)] as const),
    )
    return new Map(
      reads.filter((entry): entry is [number, Uint8Array[]] => !entry[1].includes(undefined)),
    )
  } catch (error) {
    // The other reads are of no use now.
    controller.abort(error)
    throw error
  } finally {
    forget?.()
  }
}
