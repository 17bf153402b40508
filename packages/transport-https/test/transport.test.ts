import { testTransport } from '@lafs/conformance/transport'
import { httpsTransport } from '../src/index.ts'

testTransport({
  name: 'https',
  create: async () => ({ transport: httpsTransport(), [Symbol.asyncDispose]: async () => {} }),
})
