// The providers that run on this machine, each instruction set by itself.
import type { CodecProvider } from '@lafs/codec-interface'
import { createNativeCodec, jsCodec, loadWasmCodec } from '@lafs/codec'
import { load, type NativeAddon } from '@lafs/native'

function loadAddon(): NativeAddon | undefined {
  try {
    return load()
  } catch (error) {
    if (process.env['LAFS_REQUIRE_NATIVE'] === '1') throw error
    console.warn(`The native codec is not tested: ${String(error)}`)
    return undefined
  }
}

/** The addon, or undefined where it is not built and `LAFS_REQUIRE_NATIVE` does not ask for it. */
export const addon: NativeAddon | undefined = loadAddon()

/** Uses one kernel of the addon for each operation, whatever ran before. */
function withKernel(native: NativeAddon, kernel: string): CodecProvider {
  const fixed: NativeAddon = {
    ...native,
    kernel,
    kernels: native.kernels,
    hashKernel: native.hashKernel,
    hashKernels: native.hashKernels,
    fecEncode(...args) {
      native.setKernel(kernel)
      return native.fecEncode(...args)
    },
    fecDecode(...args) {
      native.setKernel(kernel)
      return native.fecDecode(...args)
    },
  }
  return createNativeCodec(fixed)
}

export const providers: { name: string; provider: CodecProvider }[] = [
  { name: 'js', provider: jsCodec },
  { name: 'wasm', provider: await loadWasmCodec() },
  ...(addon?.kernels ?? []).map((kernel) => ({
    name: `native ${kernel}`,
    provider: withKernel(addon!, kernel),
  })),
]
