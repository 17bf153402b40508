export * from '@lafs/checker'
export * from '@lafs/client'
export * from '@lafs/node-directory'
export * from '@lafs/hashtree'
export * from '@lafs/uri'
export { loadCodec } from '@lafs/codec'
export { defaultCrypto, rsaPrivateKeyFromPem } from '@lafs/crypto'
export type { CodecProvider } from '@lafs/codec-interface'
export type { CryptoProvider } from '@lafs/crypto'
export { DeepStatsCounter, traverse } from '@lafs/dirnode'
export type { TraversalEntry } from '@lafs/dirnode'
export type * from '@lafs/filesystem-interface'
export { uploadableFromBytes } from '@lafs/immutable'
export type { UploadJournal, UploadJournalEntry } from '@lafs/immutable'
export { createUploadJournal, uploadableFromFile, uploadableFromStream } from '@lafs/immutable/node'
export type { KeyPool } from '@lafs/mutable'
export {
  isDirectoryNode,
  isFileNode,
  isFilesystemError,
  isImmutableFileNode,
  isMutableFileNode,
  UploadCancelledError,
} from '@lafs/filesystem-interface'
export { isStorageError, MDMF_VERSION, SDMF_VERSION } from '@lafs/storage-interface'
export type * from '@lafs/storage-interface'
