export * from './compute-cap.ts'
export { createEncoder, type EncoderDependencies } from './encoder.ts'
export { encryptUploadable } from './encrypt.ts'
export * from './geometry.ts'
export * from './happiness.ts'
export { deriveKey } from './key.ts'
export * from './upload.ts'
export {
  STREAM_MEMORY_LIMIT,
  uploadableFromBytes,
  uploadableFromStream,
  type StreamUploadableOptions,
  type UploadablePreferences,
} from './uploadable.ts'
export {
  isUriExtensionOf,
  validateUriExtension,
  type ValidatedUriExtension,
} from './download/uri-extension.ts'
export { createImmutableNode, type ImmutableNodeOptions } from './filenode.ts'
