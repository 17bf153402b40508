import type { ShareNumber } from '@lafs/storage-interface'
import { decodeCbor, encodeCbor } from '../cbor.ts'
import { expectFields, expectShareNumberSet, expectUint } from './fields.ts'

/** What `POST /immutable/:storageIndex` asks for. */
export interface AllocateMessage {
  readonly shareNumbers: ReadonlySet<ShareNumber>
  /** Bytes of each share. */
  readonly allocatedSize: number
}

/** What it answers. A share in neither set found no room, or is being uploaded by somebody. */
export interface AllocatedMessage {
  readonly alreadyHave: ReadonlySet<ShareNumber>
  readonly allocated: ReadonlySet<ShareNumber>
}

/** The body of the request. */
export function encodeAllocate(message: AllocateMessage): Uint8Array {
  return encodeCbor({
    'share-numbers': new Set(message.shareNumbers),
    'allocated-size': message.allocatedSize,
  })
}

/** @throws {@link MessageError}. */
export function decodeAllocate(bytes: Uint8Array): AllocateMessage {
  const fields = expectFields(decodeCbor(bytes), ['share-numbers', 'allocated-size'], 'allocate')
  return {
    shareNumbers: expectShareNumberSet(fields.get('share-numbers'), 'share-numbers'),
    allocatedSize: expectUint(fields.get('allocated-size'), 'allocated-size'),
  }
}

/** The body of the answer. */
export function encodeAllocated(message: AllocatedMessage): Uint8Array {
  return encodeCbor({
    'already-have': new Set(message.alreadyHave),
    allocated: new Set(message.allocated),
  })
}

/** @throws {@link MessageError}. */
export function decodeAllocated(bytes: Uint8Array): AllocatedMessage {
  const fields = expectFields(decodeCbor(bytes), ['already-have', 'allocated'], 'allocated')
  return {
    alreadyHave: expectShareNumberSet(fields.get('already-have'), 'already-have'),
    allocated: expectShareNumberSet(fields.get('allocated'), 'allocated'),
  }
}
