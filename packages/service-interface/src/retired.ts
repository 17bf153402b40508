import type { OperationOptions } from '@lafs/storage-interface'

/** A pair of RSA keys, as DER. */
export interface RsaKeyPair {
  readonly verifyingKey: Uint8Array
  /** A secret. */
  readonly signingKey: Uint8Array
}

/**
 * Makes RSA keys for nodes too slow to do so. Upstream has retired it.
 *
 * @see allmydata.interfaces.RIKeyGenerator
 */
export interface RIKeyGenerator {
  /** @param keySize - bits of the modulus. */
  getRsaKeyPair(keySize: number, options?: OperationOptions): Promise<RsaKeyPair>
}

/**
 * An object without operations, by whose announcement an introducer knew its clients. Upstream has
 * retired it; subscriptions say the same.
 *
 * @see allmydata.interfaces.RIStubClient
 */
export interface RIStubClient {
  readonly [operation: string]: never
}
