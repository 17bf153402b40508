import type { StorageTransport } from '@lafs/storage-interface'
import { httpsTransport } from '@lafs/transport-https'

/** The transports of a client that names none. */
export function defaultTransports(): readonly StorageTransport[] {
  return [httpsTransport()]
}
