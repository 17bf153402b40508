import { MAX_BUCKETS, type ShareNumber } from '@lafs/storage-interface'
import { MessageError } from '../errors.ts'

/** How many entries the sets and maps of share numbers may have. */
export const SHARE_COUNT_MAX: number = MAX_BUCKETS

/** A failed expectation, at a place within a message such as `test[3].offset`. */
export function wrongShape(where: string, expected: string, got: string): MessageError {
  return new MessageError('MESSAGE_WRONG_SHAPE', `${where}: expected ${expected}, got ${got}`)
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (value === undefined) return 'nothing'
  if (value instanceof Uint8Array) return 'bytes'
  if (value instanceof Map) return 'a map'
  if (value instanceof Set) return 'a set'
  if (Array.isArray(value)) return 'an array'
  return `a ${typeof value}`
}

/** A map that has exactly these text keys. */
export function expectFields(
  value: unknown,
  keys: readonly string[],
  where: string,
): Map<unknown, unknown> {
  const map = expectMap(value, where)
  for (const key of keys) {
    if (!map.has(key)) throw wrongShape(where, `the key "${key}"`, 'none')
  }
  if (map.size !== keys.length) {
    throw wrongShape(where, `${keys.length} keys`, `${map.size}`)
  }
  return map
}

export function expectMap(value: unknown, where: string): Map<unknown, unknown> {
  if (!(value instanceof Map)) throw wrongShape(where, 'a map', kindOf(value))
  return value
}

export function expectArray(value: unknown, countMax: number, where: string): unknown[] {
  if (!Array.isArray(value)) throw wrongShape(where, 'an array', kindOf(value))
  if (value.length > countMax) {
    throw wrongShape(where, `at most ${countMax} entries`, `${value.length}`)
  }
  return value
}

export function expectBytes(value: unknown, where: string): Uint8Array {
  if (!(value instanceof Uint8Array)) throw wrongShape(where, 'bytes', kindOf(value))
  return value
}

export function expectBoolean(value: unknown, where: string): boolean {
  if (typeof value !== 'boolean') throw wrongShape(where, 'a boolean', kindOf(value))
  return value
}

/** Where greater numbers are held: an offset and a size of it together are a safe integer still. */
const UINT_MAX: number = 2 ** 52 - 1

/**
 * An unsigned integer of up to 64 bits. One of 2^52 or more is held below it: no share is as big, so that as
 * an offset or a size it means the same.
 */
export function expectUint(value: unknown, where: string): number {
  if (typeof value === 'bigint') {
    if (value >= 0n) return UINT_MAX
  } else if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) {
    return Math.min(value, UINT_MAX)
  }
  throw wrongShape(where, 'an unsigned integer', kindOf(value))
}

export function expectShareNumber(value: unknown, where: string): ShareNumber {
  const number = expectUint(value, where)
  if (number >= MAX_BUCKETS)
    throw wrongShape(where, `a number below ${MAX_BUCKETS}`, 'a greater one')
  return number
}

export function expectShareNumberSet(value: unknown, where: string): Set<ShareNumber> {
  if (!(value instanceof Set)) throw wrongShape(where, 'a set (tag 258)', kindOf(value))
  if (value.size > SHARE_COUNT_MAX) {
    throw wrongShape(where, `at most ${SHARE_COUNT_MAX} share numbers`, `${value.size}`)
  }
  return new Set([...value].map((number) => expectShareNumber(number, where)))
}
