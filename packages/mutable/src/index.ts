export { createMutableFile, type CreateMutableFileOptions } from './create-file.ts'
export type { MutableContext, MutableFile } from './file.ts'
export {
  createMutableNode,
  openMutableFile,
  type MutableFileCap,
  type OpenedMutableFile,
} from './filenode.ts'
export { createKeyPool, type KeyPool, type KeyPoolOptions } from './key-pool.ts'
export {
  mutableUploadableFromBytes,
  mutableUploadableFromStream,
  type MutableStreamOptions,
} from './uploadable.ts'
export { republishVersion } from './repair/republish-version.ts'
export { restoreShares, type RestoreOptions } from './repair/restore-shares.ts'
export { verifyVersion, type FailedShare, type VerifyOptions } from './retrieve/verify-version.ts'
export { ServerMap, type BadShare, type KnownShare } from './servermap/server-map.ts'
export { updateServermap, type ServermapOptions } from './servermap/updater.ts'
export type { VersionInfo } from './servermap/version-info.ts'
