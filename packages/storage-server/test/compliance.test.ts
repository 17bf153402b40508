import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { testStorageServer, type StorageServerFixture } from '@lafs/conformance/storage-server'
import { createDiskStore } from '@lafs/share-store-disk'
import { createMemoryStore } from '@lafs/share-store-memory'
import type { IShareStore } from '@lafs/storage-interface'
import { createStorageServer } from '../src/index.ts'
import { TestClock } from './clock.ts'
import { directClient } from './direct-client.ts'

function fixtureOver(store: IShareStore, cleanUp: () => Promise<void>): StorageServerFixture {
  const clock = new TestClock()
  const server = createStorageServer({ store, ...clock.options })
  return {
    server: directClient(server),
    control: {
      leases: async (storageIndex) => {
        const [first] = [...(await store.shares(storageIndex)).keys()].toSorted((a, b) => a - b)
        return first === undefined ? [] : store.leases(storageIndex, first)
      },
      nowSeconds: () => clock.ms / 1000,
      advance: async (seconds) => {
        clock.advance(seconds)
      },
    },
    [Symbol.asyncDispose]: async () => {
      await server.close()
      await cleanUp()
    },
  }
}

const capabilities = {
  control: true,
  disconnect: false,
  namesConflicts: true,
  namesBadWriteEnabler: true,
  // That is for whoever knows the secrets: the way to the server.
  resumesUploads: false,
}

testStorageServer({
  name: 'in one process, over the memory store',
  capabilities,
  create: async () => fixtureOver(createMemoryStore(), async () => {}),
})

testStorageServer({
  name: 'in one process, over the disk store',
  capabilities,
  create: async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lafs-storage-server-'))
    const store = await createDiskStore({ folder })
    return fixtureOver(store, () => rm(folder, { recursive: true }))
  },
})
