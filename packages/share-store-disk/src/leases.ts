import { defaultCrypto } from '@lafs/crypto'
import type { Lease, StoredLease } from '@lafs/storage-interface'

/** The version of a container: it says how the secrets of its leases are stored. */
export type ContainerVersion = 1 | 2

/** A lease secret as a container holds it: itself in version 1, its BLAKE2b-256 in version 2. */
export function storedSecret(version: ContainerVersion, secret: Uint8Array): Uint8Array {
  return version === 1 ? secret : defaultCrypto.blake2b256(secret)
}

/** Whether a stored secret is that of a lease, in constant time. */
export function isStoredSecret(stored: Uint8Array, candidate: Uint8Array): boolean {
  return defaultCrypto.timingSafeEqual(stored, candidate)
}

/** A lease as those see it who may not see its secrets. */
export function storedLease(
  version: ContainerVersion,
  ownerNumber: number,
  expiresAtSeconds: number,
  storedCancelSecret: Uint8Array,
): StoredLease {
  return {
    ownerNumber,
    expiresAtSeconds,
    cancelSecretMatches: (secret) =>
      isStoredSecret(storedCancelSecret, storedSecret(version, secret)),
  }
}

/** The end of a lease as its 32-bit field holds it. */
export function expiryField({ expiresAtSeconds }: Pick<Lease, 'expiresAtSeconds'>): number {
  return Math.min(Math.floor(expiresAtSeconds), 0xffff_ffff)
}
