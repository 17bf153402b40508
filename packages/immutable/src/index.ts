export * from './compute-cap.ts'
export * from './crypttext.ts'
export { createEncoder, type EncoderDependencies, type EncoderOptions } from './encoder.ts'
export { encryptUploadable } from './encrypt.ts'
export * from './geometry.ts'
export * from './happiness.ts'
export { deriveKey } from './key.ts'
export type { PlacedShares, UploadJournal, UploadJournalEntry } from './resume/upload-journal.ts'
export { uploadStream, type UploadStreamOptions } from './stream/upload-stream.ts'
export {
  encodingParameters,
  LIT_SIZE_MAX,
  uploadImmutable,
  type UploadOptions,
  type UploadSecrets,
} from './upload.ts'
export {
  STREAM_MEMORY_LIMIT,
  uploadableFromBytes,
  uploadableFromStream,
  type StreamUploadableOptions,
  type UploadablePreferences,
} from './uploadable.ts'
export type { DownloadDependencies } from './download/file-state.ts'
export {
  isUriExtensionOf,
  validateUriExtension,
  type ValidatedUriExtension,
} from './download/uri-extension.ts'
export { createImmutableNode, type ImmutableNodeOptions } from './filenode.ts'
