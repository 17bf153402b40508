import type { ByteRange } from '@lafs/storage-interface'
import { decodeCbor, encodeCbor } from '../cbor.ts'
import { expectArray, expectFields, expectUint, wrongShape } from './fields.ts'

/** The answer to a PATCH: what of the share has not been written yet, `end` exclusive. */
export function encodeRequired(required: readonly ByteRange[]): Uint8Array {
  return encodeCbor({ required: required.map(({ begin, end }) => ({ begin, end })) })
}

/** @throws {@link MessageError}. */
export function decodeRequired(bytes: Uint8Array): ByteRange[] {
  const fields = expectFields(decodeCbor(bytes), ['required'], 'write')
  return expectArray(fields.get('required'), Infinity, 'required').map((value, index) => {
    const where = `required[${index}]`
    const range = expectFields(value, ['begin', 'end'], where)
    const begin = expectUint(range.get('begin'), `${where}.begin`)
    const end = expectUint(range.get('end'), `${where}.end`)
    if (end < begin)
      throw wrongShape(where, 'an end that is not before its begin', `${begin}-${end}`)
    return { begin, end }
  })
}
