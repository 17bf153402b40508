import type { StorageTransport } from '@lafs/storage-interface'

/** A browser cannot check the key of a server that it connects to: the caller names transports. */
export function defaultTransports(): readonly StorageTransport[] {
  return []
}
