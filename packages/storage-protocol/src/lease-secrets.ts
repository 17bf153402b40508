import {
  bucketCancelSecretHash,
  bucketRenewalSecretHash,
  fileCancelSecretHash,
  fileRenewalSecretHash,
  myCancelSecretHash,
  myRenewalSecretHash,
} from '@lafs/crypto'
import type { CryptoProvider } from '@lafs/crypto'
import type { IServer, LeaseSecrets } from '@lafs/storage-interface'

/** What the secrets of a client's leases derive from. */
export interface LeaseSecretsContext {
  readonly crypto: CryptoProvider
  /** The client's 32 bytes. */
  readonly leaseSecret: Uint8Array
}

/**
 * The secrets of a client's lease on the shares of one file: a function of the server.
 *
 * @param storageIndex - 16 bytes.
 * @see allmydata.client.SecretHolder, allmydata.util.hashutil.bucket_renewal_secret_hash
 */
export function leaseSecretsOf(
  storageIndex: Uint8Array,
  { crypto, leaseSecret }: LeaseSecretsContext,
): (server: Pick<IServer, 'leaseSeed'>) => LeaseSecrets {
  const mine = myRenewalSecretHash(leaseSecret, crypto)
  const renewal = fileRenewalSecretHash(mine, storageIndex, crypto)
  const cancel = fileCancelSecretHash(myCancelSecretHash(leaseSecret, crypto), storageIndex, crypto)
  return ({ leaseSeed }) => ({
    renewSecret: bucketRenewalSecretHash(renewal, leaseSeed, crypto),
    cancelSecret: bucketCancelSecretHash(cancel, leaseSeed, crypto),
  })
}
