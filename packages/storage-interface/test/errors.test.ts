import { describe, expect, it } from 'vitest'
import {
  BadWriteEnablerError,
  ConflictingWriteError,
  DataTooLargeError,
  isStorageError,
  NoSpaceError,
  StorageError,
} from '@lafs/storage-interface'

describe('the errors of storage', () => {
  it.each([
    ['NoSpaceError', 'STORAGE_NO_SPACE', new NoSpaceError('full')],
    ['DataTooLargeError', 'STORAGE_DATA_TOO_LARGE', new DataTooLargeError('too large')],
    [
      'ConflictingWriteError',
      'STORAGE_CONFLICTING_WRITE',
      new ConflictingWriteError('other bytes'),
    ],
    ['BadWriteEnablerError', 'STORAGE_BAD_WRITE_ENABLER', new BadWriteEnablerError('wrong one')],
    ['StorageError', 'STORAGE_TIMEOUT', new StorageError('STORAGE_TIMEOUT', 'no answer')],
  ] as const)('%s has its name and the code %s', (name, code, error) => {
    expect(error).toBeInstanceOf(StorageError)
    expect(error).toMatchObject({ name, code })
    expect(isStorageError(error)).toBe(true)
    expect(isStorageError(error, code)).toBe(true)
    expect(isStorageError(error, 'STORAGE_CLOSED')).toBe(false)
  })

  it('carry the facts and the cause that they are given', () => {
    const cause = new Error('reset')
    const facts = { serverId: 'v0-aaaa', shareNumber: 3, status: 500 }
    const error = new StorageError('STORAGE_BAD_RESPONSE', 'no', { ...facts, cause })
    expect(error).toMatchObject({ ...facts, cause })
    expect('cause' in new StorageError('STORAGE_CLOSED', 'closed')).toBe(false)
  })

  it.each([
    [new Error('other')],
    [Object.assign(new Error('other'), { code: 'ENOENT' })],
    [Object.assign(new Error('other'), { code: 7 })],
    [{ code: 'STORAGE_CLOSED' }],
    [undefined],
  ])('are not %o', (value) => {
    expect(isStorageError(value)).toBe(false)
  })
})
