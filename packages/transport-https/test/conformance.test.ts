import { testStorageServer } from '@lafs/conformance/storage-server'
import { createMemoryStore } from '@lafs/share-store-memory'
import { createStorageServer } from '@lafs/storage-server'
import { httpsTransport } from '../src/index.ts'

testStorageServer({
  name: 'over HTTPS',
  capabilities: {
    control: false,
    disconnect: false,
    namesConflicts: true,
    namesBadWriteEnabler: true,
  },
  async create() {
    const server = createStorageServer({ store: createMemoryStore() })
    const transport = httpsTransport()
    const listener = await transport.serve(server)
    const connection = await transport.connect(listener.announcement)
    return {
      server: connection.storageServer,
      async [Symbol.asyncDispose]() {
        await connection.close()
        await listener.close()
        await server.close()
      },
    }
  },
})
