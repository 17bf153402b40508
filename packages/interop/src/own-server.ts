import type { ServerDescription } from '@lafs/client'
import { serverIdFromVerifyingKey } from '@lafs/crypto'
import { createDiskStore } from '@lafs/share-store-disk'
import { createStorageServer } from '@lafs/storage-server'
import { httpsTransport } from '@lafs/transport-https'

/** A storage server of ours that runs in this process. */
export interface OwnServer extends AsyncDisposable {
  /** Where its shares are, in upstream's disk layout. */
  readonly storage: string
  readonly description: ServerDescription
  stop(): Promise<void>
}

/** How a server of ours differs from the usual. */
export interface OwnServerOptions {
  /** The 20 bytes that mutable shares name as their server. */
  readonly nodeId?: Uint8Array
  /** Every write to a mutable slot waits for this. */
  readonly beforeSlotWrite?: () => Promise<void>
}

/** Starts a storage server of ours over HTTPS on loopback. */
export async function startOwnServer(
  storage: string,
  { nodeId, beforeSlotWrite }: OwnServerOptions = {},
): Promise<OwnServer> {
  const store = await createDiskStore({ folder: storage, ...(nodeId && { nodeId }) })
  const server = createStorageServer({ store })
  if (beforeSlotWrite !== undefined) {
    const write = server.slotTestvAndReadvAndWritev.bind(server)
    server.slotTestvAndReadvAndWritev = async (storageIndex, secrets, vectors, ...rest) => {
      // Clients of ours also read with this request, and then write nothing.
      if (vectors.size > 0) await beforeSlotWrite()
      return write(storageIndex, secrets, vectors, ...rest)
    }
  }
  const listener = await httpsTransport().serve(server)
  const stop = async (): Promise<void> => {
    await listener.close()
    await server.close()
  }
  // Nobody checks that a static server holds the key that its id is made of.
  const serverId = serverIdFromVerifyingKey(globalThis.crypto.getRandomValues(new Uint8Array(32)))
  const announcement = { nickname: 'own', ...listener.announcement }
  return { storage, stop, [Symbol.asyncDispose]: stop, description: { serverId, announcement } }
}
