import { testStorageServer } from '@lafs/conformance/storage-server'
import { createMemoryStore } from '@lafs/share-store-memory'
import { createStorageServer } from '@lafs/storage-server'
import { faulty } from '@lafs/testing'
import { memoryTransport } from '../src/index.ts'

// Through a fault wrapper that never strikes too: it proves the wrapper.
for (const wrapped of [false, true]) {
  testStorageServer({
    name: wrapped ? 'over memory, faults off' : 'over memory',
    capabilities: {
      control: false,
      disconnect: false,
      namesConflicts: true,
      namesBadWriteEnabler: true,
    },
    async create() {
      const server = createStorageServer({ store: createMemoryStore() })
      const transport = memoryTransport()
      const listener = await transport.serve(server)
      const connection = await transport.connect(listener.announcement)
      const { storageServer } = connection
      return {
        server: wrapped ? faulty(storageServer, { rate: 0 }) : storageServer,
        async [Symbol.asyncDispose]() {
          await connection.close()
          await listener.close()
          await server.close()
        },
      }
    },
  })
}
