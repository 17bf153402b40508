import { createSigningKeypair, defaultCrypto, serverIdFromVerifyingKey } from '@lafs/crypto'
import type { EncodingDefaults } from '@lafs/filesystem-interface'
import { createMemoryStore } from '@lafs/share-store-memory'
import { createStorageServer } from '@lafs/storage-server'
import { memoryTransport } from '@lafs/transport-memory'
import type { ServerDescription } from '../src/announcement.ts'
import { createClient } from '../src/client.ts'
import type { Client, ClientOptions } from '../src/client.ts'

/** Storage servers in memory; all of its clients have the same secrets. */
export interface MemoryGrid {
  createClient(overrides?: Partial<ClientOptions>): Promise<Client>
}

/** A grid of some storage servers in memory. */
export async function createMemoryGrid(
  count: number,
  encoding: Partial<EncodingDefaults>,
): Promise<MemoryGrid> {
  const transport = memoryTransport()
  const servers: ServerDescription[] = await Promise.all(
    Array.from({ length: count }, async () => {
      const store = createMemoryStore()
      const { announcement } = await transport.serve(createStorageServer({ store }))
      return { serverId: serverIdFromVerifyingKey(createSigningKeypair().publicKey), announcement }
    }),
  )
  const secrets = {
    convergence: defaultCrypto.randomBytes(32),
    leaseSecret: defaultCrypto.randomBytes(32),
  }
  const options = { servers, transports: [transport], encoding, ...secrets }
  return { createClient: (overrides = {}) => createClient({ ...options, ...overrides }) }
}
