import { decodeCbor, encodeCbor } from '../cbor.ts'
import { expectBoolean, expectFields, expectUint } from './fields.ts'

/** What `PUT /lafs/v1/immutable/:storageIndex/:shareNumber/size` asks for. */
export interface ResizeMessage {
  /** Bytes of the share. */
  readonly size: number
  /** Whether they are those of the whole share. */
  readonly final: boolean
}

/** The body of the request. */
export function encodeResize({ size, final }: ResizeMessage): Uint8Array {
  return encodeCbor({ size, final })
}

/** @throws {@link MessageError}. */
export function decodeResize(bytes: Uint8Array): ResizeMessage {
  const fields = expectFields(decodeCbor(bytes), ['size', 'final'], 'resize')
  return {
    size: expectUint(fields.get('size'), 'size'),
    final: expectBoolean(fields.get('final'), 'final'),
  }
}
