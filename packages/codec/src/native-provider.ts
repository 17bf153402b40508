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
    encode: ({ requiredShares, maxShares }, blocks, checkNumbers) =>
      addon.fecEncode(requiredShares, maxShares, blocks, checkNumbers),
    decode: ({ requiredShares, maxShares }, blocks, shareNumbers) =>
      addon.fecDecode(requiredShares, maxShares, blocks, shareNumbers),
  })
}
