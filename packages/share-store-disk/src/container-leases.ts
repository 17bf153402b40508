import type { StoredLease } from '@lafs/storage-interface'
import { immutableLeases } from './immutable-container.ts'
import { mutableLeases } from './mutable-container.ts'
import type { ShareBytes } from './share-bytes.ts'
import type { Container } from './share-file.ts'

/** The leases of a share of either kind, in the order in which the container has them. */
export function leasesOf(file: ShareBytes, container: Container): Promise<StoredLease[]> {
  return container.kind === 'mutable'
    ? mutableLeases(file, container.header)
    : immutableLeases(file, container.header)
}
