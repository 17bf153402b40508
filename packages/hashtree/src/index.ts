export {
  BadHashError,
  HashTreeError,
  NotEnoughHashesError,
  isHashTreeError,
  type HashTreeErrorCode,
} from './errors.ts'
export { HashTree } from './hash-tree.ts'
export { IncompleteHashTree, type NewHashes } from './incomplete-hash-tree.ts'
