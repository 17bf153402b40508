import type {
  ReadTestWriteResult,
  ReadVector,
  ShareNumber,
  TestVector,
  TestWriteVectors,
  WriteVector,
} from '@lafs/storage-interface'
import { decodeCbor, encodeCbor } from '../cbor.ts'
import {
  expectArray,
  expectBoolean,
  expectBytes,
  expectFields,
  expectMap,
  expectShareNumber,
  expectUint,
  SHARE_COUNT_MAX,
  wrongShape,
} from './fields.ts'

/** How many test vectors a share, and how many read vectors a message may have. */
export const VECTOR_COUNT_MAX = 30

/** What `POST …/read-test-write` asks for. */
export interface ReadTestWriteMessage {
  readonly testWriteVectors: ReadonlyMap<ShareNumber, TestWriteVectors>
  readonly readVectors: readonly ReadVector[]
}

/** The body of the request. Data and specimens are copied into it. */
export function encodeReadTestWrite(message: ReadTestWriteMessage): Uint8Array {
  return encodeCbor({
    'test-write-vectors': new Map(
      [...message.testWriteVectors].map(([shareNumber, vectors]) => [
        shareNumber,
        {
          test: vectors.test.map(({ offset, size, specimen }) => ({ offset, size, specimen })),
          write: vectors.write.map(({ offset, data }) => ({ offset, data })),
          'new-length': vectors.newLength ?? null,
        },
      ]),
    ),
    'read-vector': message.readVectors.map(({ offset, size }) => ({ offset, size })),
  })
}

/** @throws {@link MessageError}. */
export function decodeReadTestWrite(bytes: Uint8Array): ReadTestWriteMessage {
  const fields = expectFields(
    decodeCbor(bytes),
    ['test-write-vectors', 'read-vector'],
    'read-test-write',
  )
  const shares = expectMap(fields.get('test-write-vectors'), 'test-write-vectors')
  checkShareCount(shares, 'test-write-vectors')
  return {
    testWriteVectors: new Map(
      [...shares].map(([key, value]) => {
        const shareNumber = expectShareNumber(key, 'test-write-vectors')
        return [shareNumber, decodeTestWriteVectors(value, `share ${shareNumber}`)]
      }),
    ),
    readVectors: expectArray(fields.get('read-vector'), VECTOR_COUNT_MAX, 'read-vector').map(
      (value, index) => decodeReadVector(value, `read-vector[${index}]`),
    ),
  }
}

function decodeTestWriteVectors(value: unknown, where: string): TestWriteVectors {
  const fields = expectFields(value, ['test', 'write', 'new-length'], where)
  const test = expectArray(fields.get('test'), VECTOR_COUNT_MAX, `${where} test`)
  const write = expectArray(fields.get('write'), Infinity, `${where} write`)
  const newLength = fields.get('new-length')
  return {
    test: test.map((item, index) => decodeTestVector(item, `${where} test[${index}]`)),
    write: write.map((item, index) => decodeWriteVector(item, `${where} write[${index}]`)),
    newLength: newLength === null ? undefined : expectUint(newLength, `${where} new-length`),
  }
}

function decodeReadVector(value: unknown, where: string): ReadVector {
  const fields = expectFields(value, ['offset', 'size'], where)
  return {
    offset: expectUint(fields.get('offset'), `${where}.offset`),
    size: expectUint(fields.get('size'), `${where}.size`),
  }
}

function decodeTestVector(value: unknown, where: string): TestVector {
  const fields = expectFields(value, ['offset', 'size', 'specimen'], where)
  return {
    offset: expectUint(fields.get('offset'), `${where}.offset`),
    size: expectUint(fields.get('size'), `${where}.size`),
    specimen: expectBytes(fields.get('specimen'), `${where}.specimen`),
  }
}

function decodeWriteVector(value: unknown, where: string): WriteVector {
  const fields = expectFields(value, ['offset', 'data'], where)
  return {
    offset: expectUint(fields.get('offset'), `${where}.offset`),
    data: expectBytes(fields.get('data'), `${where}.data`),
  }
}

/** The body of the answer. */
export function encodeReadTestWriteResult(result: ReadTestWriteResult): Uint8Array {
  return encodeCbor({ success: result.success, data: result.data })
}

/** @throws {@link MessageError}. */
export function decodeReadTestWriteResult(bytes: Uint8Array): ReadTestWriteResult {
  const fields = expectFields(decodeCbor(bytes), ['success', 'data'], 'read-test-write result')
  const shares = expectMap(fields.get('data'), 'data')
  checkShareCount(shares, 'data')
  return {
    success: expectBoolean(fields.get('success'), 'success'),
    data: new Map(
      [...shares].map(([key, value]) => {
        const shareNumber = expectShareNumber(key, 'data')
        const where = `data[${shareNumber}]`
        const reads = expectArray(value, Infinity, where).map((item) => expectBytes(item, where))
        return [shareNumber, reads]
      }),
    ),
  }
}

function checkShareCount(shares: ReadonlyMap<unknown, unknown>, where: string): void {
  if (shares.size > SHARE_COUNT_MAX) {
    throw wrongShape(where, `at most ${SHARE_COUNT_MAX} shares`, `${shares.size}`)
  }
}
