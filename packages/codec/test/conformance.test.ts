import { testCodec } from '@lafs/conformance/codec'
import { expect, it } from 'vitest'
import { addon, providers } from './providers.ts'

for (const { name, provider } of providers) testCodec({ name, provider })

it('covers the native codec', ({ skip }) => {
  if (addon === undefined) skip('the addon is not built')
  expect(addon!.kernels).toContain('scalar')
})
