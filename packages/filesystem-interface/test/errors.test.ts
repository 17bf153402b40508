import { describe, expect, it } from 'vitest'
import * as contracts from '@lafs/filesystem-interface'
import { FilesystemError, isFilesystemError } from '@lafs/filesystem-interface'

const { InsufficientVersionError } = contracts

/** Every error that needs a message alone, with its name and code. */
const table = [
  [contracts.NotEnoughSharesError, 'NotEnoughSharesError', 'DOWNLOAD_NOT_ENOUGH_SHARES'],
  [contracts.NoSharesError, 'NoSharesError', 'DOWNLOAD_NO_SHARES'],
  [contracts.DownloadStoppedError, 'DownloadStoppedError', 'DOWNLOAD_STOPPED'],
  [
    contracts.UnableToFetchCriticalDownloadDataError,
    'UnableToFetchCriticalDownloadDataError',
    'DOWNLOAD_CRITICAL_DATA_UNAVAILABLE',
  ],
  [contracts.BadCiphertextHashError, 'BadCiphertextHashError', 'DOWNLOAD_BAD_CIPHERTEXT_HASH'],
  [contracts.UploadUnhappinessError, 'UploadUnhappinessError', 'UPLOAD_UNHAPPINESS'],
  [contracts.NoServersError, 'NoServersError', 'UPLOAD_NO_SERVERS'],
  [contracts.UploadCancelledError, 'UploadCancelledError', 'UPLOAD_CANCELLED'],
  [contracts.UploadSourceChangedError, 'UploadSourceChangedError', 'UPLOAD_SOURCE_CHANGED'],
  [contracts.FileTooLargeError, 'FileTooLargeError', 'UPLOAD_FILE_TOO_LARGE'],
  [contracts.NotCapableError, 'NotCapableError', 'NODE_NOT_CAPABLE'],
  [contracts.NotWriteableError, 'NotWriteableError', 'NODE_NOT_WRITEABLE'],
  [contracts.FileProhibitedError, 'FileProhibitedError', 'NODE_PROHIBITED'],
  [contracts.UncoordinatedWriteError, 'UncoordinatedWriteError', 'MUTABLE_UNCOORDINATED_WRITE'],
  [contracts.UnrecoverableFileError, 'UnrecoverableFileError', 'MUTABLE_UNRECOVERABLE'],
  [contracts.NotEnoughServersError, 'NotEnoughServersError', 'MUTABLE_NOT_ENOUGH_SERVERS'],
  [contracts.BadShareError, 'BadShareError', 'SHARE_BAD'],
  [contracts.CorruptShareError, 'CorruptShareError', 'SHARE_CORRUPT'],
  [contracts.UnknownVersionError, 'UnknownVersionError', 'SHARE_UNKNOWN_VERSION'],
  [contracts.ExistingChildError, 'ExistingChildError', 'DIRECTORY_EXISTING_CHILD'],
  [contracts.NoSuchChildError, 'NoSuchChildError', 'DIRECTORY_NO_SUCH_CHILD'],
  [contracts.ChildOfWrongTypeError, 'ChildOfWrongTypeError', 'DIRECTORY_CHILD_OF_WRONG_TYPE'],
  [
    contracts.EmptyPathnameComponentError,
    'EmptyPathnameComponentError',
    'DIRECTORY_EMPTY_PATHNAME_COMPONENT',
  ],
  [contracts.BadChildNameError, 'BadChildNameError', 'DIRECTORY_BAD_CHILD_NAME'],
  [contracts.MalformedDirectoryError, 'MalformedDirectoryError', 'DIRECTORY_MALFORMED'],
  [
    contracts.RepairRequiresWritecapError,
    'RepairRequiresWritecapError',
    'REPAIR_REQUIRES_WRITECAP',
  ],
  [contracts.MustForceRepairError, 'MustForceRepairError', 'REPAIR_MUST_FORCE'],
  [contracts.OperationCancelledError, 'OperationCancelledError', 'OPERATION_CANCELLED'],
  [contracts.MustBeDeepImmutableError, 'MustBeDeepImmutableError', 'URI_MUST_BE_DEEP_IMMUTABLE'],
  [contracts.MustBeReadonlyError, 'MustBeReadonlyError', 'URI_MUST_BE_READONLY'],
  [contracts.MustNotBeUnknownRWError, 'MustNotBeUnknownRWError', 'URI_MUST_NOT_BE_UNKNOWN_RW'],
] as const

describe('the errors of the file store', () => {
  it.each(table)('%o has its name, its code and the errors of servers', (Failure, name, code) => {
    const cause = new Error('deeper')
    const errors = [new Error('one server'), new Error('another')]
    const error = new Failure('it went wrong', { cause, errors })
    expect(error).toBeInstanceOf(FilesystemError)
    expect(error).toMatchObject({
      name,
      code,
      message: 'it went wrong',
      cause,
      errors,
    })
    expect(isFilesystemError(error)).toBe(true)
    expect(isFilesystemError(error, code)).toBe(true)
    expect(isFilesystemError(error, 'SERVICE_INSUFFICIENT_VERSION')).toBe(false)
  })

  it.each(table)('%o has no cause and no errors of its own', (Failure) => {
    const error = new Failure('it went wrong')
    expect('cause' in error).toBe(false)
    expect(error.errors).toEqual([])
  })

  it('are all in this table', () => {
    const bases = ['FilesystemError', 'CapConstraintError', 'InsufficientVersionError']
    const classes = Object.keys(contracts).filter((name) => name.endsWith('Error'))
    const others = classes.filter((name) => !name.startsWith('is') && !bases.includes(name))
    expect(others.toSorted()).toEqual(table.map(([, name]) => name).toSorted())
  })

  it('carry facts beside the message', () => {
    expect(
      new contracts.NotEnoughSharesError('2 of 3', { sharesFound: 2, requiredShares: 3 }),
    ).toMatchObject({ sharesFound: 2, requiredShares: 3 })
    expect(
      new contracts.UploadUnhappinessError('no', { happiness: 4, happyShares: 7 }),
    ).toMatchObject({ happiness: 4, happyShares: 7 })
    expect(
      new contracts.CorruptShareError('bad hash', { serverId: 'v0-aaaa', shareNumber: 5 }),
    ).toMatchObject({ serverId: 'v0-aaaa', shareNumber: 5 })
    expect(new contracts.MustBeReadonlyError('no', { childName: 'ä' })).toMatchObject({
      childName: 'ä',
    })
    expect(
      new InsufficientVersionError('too old', { needed: 'v2', got: ['v0', 'v1'] }),
    ).toMatchObject({ code: 'SERVICE_INSUFFICIENT_VERSION', needed: 'v2', got: ['v0', 'v1'] })
  })

  it.each([
    [new Error('other')],
    [Object.assign(new Error('other'), { code: 'STORAGE_CLOSED' })],
    [Object.assign(new Error('other'), { code: 'URI_MALFORMED' })],
    [{ code: 'UPLOAD_UNHAPPINESS' }],
    [undefined],
  ])('are not %o', (value) => {
    expect(isFilesystemError(value)).toBe(false)
  })
})

describe('the guards of nodes', () => {
  it.each([
    ['immutable-file', true, false, false],
    ['mutable-file', false, true, false],
    ['directory', false, false, true],
    ['unknown', false, false, false],
  ] as const)('know %s by its kind', (kind, immutableFile, mutableFile, directory) => {
    const node: contracts.IFilesystemNode = Object.create({ kind })
    expect(contracts.isImmutableFileNode(node)).toBe(immutableFile)
    expect(contracts.isMutableFileNode(node)).toBe(mutableFile)
    expect(contracts.isDirectoryNode(node)).toBe(directory)
  })
})
