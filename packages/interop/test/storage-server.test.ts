import { testStorageServer } from '@lafs/conformance/storage-server'
import {
  describeWithUpstream,
  startUpstreamServer,
  temporaryFolder,
  createResourceStack,
} from '@lafs/interop'
import type { UpstreamServer } from '@lafs/interop'
import { httpsTransport } from '@lafs/transport-https'
import { afterAll, beforeAll } from 'vitest'

// A fresh server for each test would take a second each. One does for all of them: every test uses
// storage indexes that no other one uses.
describeWithUpstream("upstream's storage server", () => {
  const resources = createResourceStack()
  let server: UpstreamServer

  beforeAll(async () => {
    const { path } = resources.use(await temporaryFolder())
    server = resources.use(await startUpstreamServer(path))
  }, 120_000)
  afterAll(() => resources[Symbol.asyncDispose](), 60_000)

  testStorageServer({
    name: "upstream's, over HTTPS",
    capabilities: {
      control: false,
      disconnect: false,
      namesConflicts: true,
      namesBadWriteEnabler: true,
      checksSlotArguments: false,
      cancelsLeases: false,
      openEndedUploads: false,
      storesWholeShares: false,
    },
    create: async () => {
      const connection = await httpsTransport().connect(server.description.announcement)
      return {
        server: connection.storageServer,
        [Symbol.asyncDispose]: () => connection.close(),
      }
    },
  })
})
