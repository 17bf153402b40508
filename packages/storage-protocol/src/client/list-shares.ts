import type {
  OperationOptions,
  ShareKind,
  ShareNumber,
  StorageIndex,
} from '@lafs/storage-interface'
import { decodeShareNumbers } from '../messages/index.ts'
import { decodeResponse, expectOk, type MakeCall } from './calls.ts'

/** The shares of one kind that the server holds. */
export async function listShares(
  makeCall: MakeCall,
  kind: ShareKind,
  storageIndex: StorageIndex,
  options?: OperationOptions,
): Promise<Set<ShareNumber>> {
  const route = kind === 'immutable' ? 'listImmutable' : 'listMutable'
  const response = await makeCall({ route, storageIndex }, options)
  return decodeResponse(expectOk(response), decodeShareNumbers)
}
