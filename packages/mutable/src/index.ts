export { createMutableFile, type CreateMutableFileOptions } from './create-file.ts'
export type { MutableContext, MutableFile } from './file.ts'
export { createMutableNode, type MutableFileCap } from './filenode.ts'
export { createKeyPool, type KeyPool, type KeyPoolOptions } from './key-pool.ts'
export {
  mutableUploadableFromBytes,
  mutableUploadableFromStream,
  type MutableStreamOptions,
} from './uploadable.ts'
