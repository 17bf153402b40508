import { testStorageServer } from '@lafs/conformance/storage-server'
import { createMemoryStore } from '@lafs/share-store-memory'
import { createStorageServer } from '@lafs/storage-server'
import { createHttpStorageServer } from '../src/client/index.ts'
import { createStorageHandler } from '../src/server/index.ts'
import { sendTo } from './support.ts'

const swissnum = 'swissnum'

testStorageServer({
  name: 'client and handler in one process',
  capabilities: {
    control: false,
    disconnect: false,
    namesConflicts: true,
    namesBadWriteEnabler: true,
  },
  async create() {
    const server = createStorageServer({ store: createMemoryStore() })
    const handler = createStorageHandler(server, { swissnum })
    return {
      server: createHttpStorageServer(sendTo(handler), { swissnum }),
      [Symbol.asyncDispose]: () => server.close(),
    }
  },
})
