import { testTransport } from '@lafs/conformance/transport'
import { memoryTransport } from '../src/index.ts'

testTransport({
  name: 'memory',
  create: async () => ({ transport: memoryTransport(), [Symbol.asyncDispose]: async () => {} }),
})
