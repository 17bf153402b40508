import { testShareStore } from '@lafs/conformance/share-store'
import { createMemoryStore } from '../src/index.ts'

testShareStore({
  name: 'memory',
  capabilities: { persistent: false, knowsSpace: false },
  create: async () => {
    const store = createMemoryStore()
    return { store, [Symbol.asyncDispose]: () => store.close() }
  },
})

testShareStore({
  name: 'memory of a given size',
  capabilities: { persistent: false, knowsSpace: true },
  create: async () => {
    const store = createMemoryStore({ capacity: 100_000 })
    return { store, [Symbol.asyncDispose]: () => store.close() }
  },
})
