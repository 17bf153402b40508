// The addon with each of the instruction sets that this machine has.
import type { CodecProvider } from '@lafs/codec-interface'
import { createNativeCodec } from '@lafs/codec'
import { testCodec } from '@lafs/conformance/codec'
import type { NativeAddon } from '@lafs/native'
import { expect, it } from 'vitest'
import { addon, whyNoAddon } from './addon.ts'
import { testZfecVectors } from './zfec-vectors.ts'

/** Uses one kernel for each operation, whatever ran before. */
function withKernel(native: NativeAddon, kernel: string): CodecProvider {
  return createNativeCodec({
    ...native,
    kernel,
    fecEncode(...args) {
      native.setKernel(kernel)
      return native.fecEncode(...args)
    },
    fecDecode(...args) {
      native.setKernel(kernel)
      return native.fecDecode(...args)
    },
  })
}

if (addon !== undefined)
  for (const kernel of addon.kernels) {
    const provider = withKernel(addon, kernel)
    testCodec({ name: `native ${kernel}`, provider })
    testZfecVectors(`native ${kernel}`, provider)
  }

it('has the addon', ({ skip }) => {
  if (addon === undefined) skip(whyNoAddon)
  expect(addon!.kernels).toContain('scalar')
})
