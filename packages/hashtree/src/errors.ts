/** The codes of {@link HashTreeError}. */
export type HashTreeErrorCode =
  /** A hash differs from the one that is known or follows from others. */
  | 'HASHTREE_BAD_HASH'
  /** A hash cannot be checked: its sibling is not there. */
  | 'HASHTREE_NOT_ENOUGH_HASHES'
  /** No node or leaf has this index. */
  | 'HASHTREE_BAD_INDEX'

/** Hashes that do not make a tree. Messages may change; codes do not. */
export class HashTreeError extends Error {
  override name = 'HashTreeError'
  readonly code: HashTreeErrorCode

  constructor(code: HashTreeErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** A hash that is wrong, or one below it or beside it is. @see allmydata.hashtree.BadHashError */
export class BadHashError extends HashTreeError {
  override name = 'BadHashError'
  /** The node at which the difference showed. */
  readonly nodeIndex: number

  constructor(nodeIndex: number, message: string) {
    super('HASHTREE_BAD_HASH', message)
    this.nodeIndex = nodeIndex
  }
}

/** A hash that nothing vouches for, for want of its sibling. @see allmydata.hashtree.NotEnoughHashesError */
export class NotEnoughHashesError extends HashTreeError {
  override name = 'NotEnoughHashesError'
  /** The node that is missing. */
  readonly nodeIndex: number

  constructor(nodeIndex: number, message: string) {
    super('HASHTREE_NOT_ENOUGH_HASHES', message)
    this.nodeIndex = nodeIndex
  }
}

const names: ReadonlySet<string> = new Set([
  'HashTreeError',
  'BadHashError',
  'NotEnoughHashesError',
])

/** Whether a thrown value is a {@link HashTreeError}, and of this code where one is given. */
export function isHashTreeError(error: unknown, code?: HashTreeErrorCode): error is HashTreeError {
  if (!(error instanceof Error) || !names.has(error.name)) return false
  return code === undefined || ('code' in error && error.code === code)
}
