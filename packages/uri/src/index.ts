export {
  Dir2Cap,
  Dir2ChkCap,
  Dir2ChkVerifierCap,
  Dir2LitCap,
  Dir2MdmfCap,
  Dir2MdmfReadCap,
  Dir2MdmfVerifierCap,
  Dir2ReadCap,
  Dir2VerifierCap,
  DirectoryCap,
  type FileCap,
} from './directory-caps.ts'
export { UriError, isUriError, type UriErrorCode } from './errors.ts'
export { ChkCap, ChkVerifierCap, LitCap, type ChkParameters } from './immutable-caps.ts'
export {
  MdmfCap,
  MdmfReadCap,
  MdmfVerifierCap,
  MutableReadCap,
  MutableVerifierCap,
  MutableWriteCap,
  SskCap,
  SskReadCap,
  SskVerifierCap,
  type MutableParameters,
  type MutableReadParameters,
  type MutableVerifierParameters,
  type MutableWriteParameters,
} from './mutable-caps.ts'
export {
  capTextFromInput,
  hasUriPrefix,
  parseCap,
  parseCapStrict,
  wrapDirnodeCap,
  type Cap,
  type DirectoryCapOfAnyKind,
  type KnownCap,
  type ParseCapOptions,
} from './parse.ts'
export { ALLEGED_IMMUTABLE_PREFIX, ALLEGED_READONLY_PREFIX, UnknownCap } from './unknown-cap.ts'
export { packUriExtension, unpackUriExtension, type UriExtensionValue } from './uri-extension.ts'
