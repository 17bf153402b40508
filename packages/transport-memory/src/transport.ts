import {
  type RIStorageServer,
  type ServerAnnouncement,
  StorageError,
  type StorageTransport,
} from '@lafs/storage-interface'
import { connectTo } from './connection.ts'

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567'
const ANNOUNCEMENT_FIELD = 'anonymous-storage-FURL'

/**
 * A transport within one process: what one of these serves, the same one connects to.
 *
 * Nothing is encoded: operations go straight to the server, and fail like those of any connection
 * when it is closed. Every server gets a TubID of its own, as lease secrets derive from it.
 */
export function memoryTransport(): StorageTransport {
  const served = new Map<unknown, RIStorageServer>()
  return {
    name: 'memory',
    accepts: (announcement) => served.has(announcement[ANNOUNCEMENT_FIELD]),
    async connect(announcement, options) {
      options?.signal?.throwIfAborted()
      const address = announcement[ANNOUNCEMENT_FIELD]
      const server = served.get(address)
      if (server !== undefined) return connectTo(server, () => served.get(address) === server)
      if (!isMemoryAddress(address)) {
        throw new StorageError('STORAGE_BAD_ANNOUNCEMENT', 'not the address of a server in memory')
      }
      throw new StorageError('STORAGE_UNREACHABLE', 'the server is not served any more')
    },
    async serve(server) {
      const address = newAddress()
      served.set(address, server)
      const close = async (): Promise<void> => {
        served.delete(address)
      }
      const announcement: ServerAnnouncement = { [ANNOUNCEMENT_FIELD]: address }
      return { announcement, close, [Symbol.asyncDispose]: close }
    },
  }
}

/** A FURL that nothing but this transport can reach: 20 random bytes of TubID, the hint `memory`. */
function newAddress(): string {
  const random = crypto.getRandomValues(new Uint8Array(64))
  const letters = Array.from(random, (byte) => BASE32[byte & 31]).join('')
  return `pb://${letters.slice(0, 32)}@memory/${letters.slice(32)}`
}

function isMemoryAddress(address: unknown): boolean {
  return typeof address === 'string' && /^pb:\/\/[a-z2-7]{32}@memory\//.test(address)
}
