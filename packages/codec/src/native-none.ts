import { CodecError, type CodecProvider } from '@lafs/codec-interface'

/** The side of `#native` for environments that load no addons. */
export async function loadNativeCodec(): Promise<CodecProvider> {
  const cause = Object.assign(new Error('no addons outside Node'), { code: 'NATIVE_ABSENT' })
  throw new CodecError('CODEC_UNAVAILABLE', 'the native addon runs in Node alone', { cause })
}

/** Nothing can be broken that is never there. */
export function warn(): void {}
