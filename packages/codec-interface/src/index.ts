export type {
  CodecCapabilities,
  CodecOptions,
  CodecParams,
  CodecProvider,
  DecodeOptions,
  EncodeOptions,
  ICodecDecoder,
  ICodecEncoder,
} from './codec.ts'
export { CodecError, isCodecError } from './errors.ts'
export type { CodecErrorCode } from './errors.ts'
