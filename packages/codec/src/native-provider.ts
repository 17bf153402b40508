import type { CodecProvider } from '@lafs/codec-interface'
import type { NativeAddon } from '@lafs/native'
import { createCodecProvider } from './provider.ts'

/** The erasure code of the native addon, on libuv's thread pool. */
export function createNativeCodec(addon: NativeAddon): CodecProvider {
  const capabilities = {
    threaded: true,
    get kernel(): string {
      return addon.kernel
    },
  }
  return createCodecProvider('native', capabilities, {
    encode: ({ requiredShares, maxShares }, blocks, checkNumbers, into) =>
      addon.fecEncode(requiredShares, maxShares, blocks, checkNumbers, into),
    decode: ({ requiredShares, maxShares }, blocks, shareNumbers, _missing, into) =>
      addon.fecDecode(requiredShares, maxShares, blocks, shareNumbers, into),
  })
}
