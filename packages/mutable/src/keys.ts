import { sskPubkeyFingerprintHash, sskWriteEnablerHash, sskWritekeyHash } from '@lafs/crypto'
import type { CryptoProvider, RsaSigningKey } from '@lafs/crypto'
import { CorruptShareError, NotWriteableError } from '@lafs/filesystem-interface'
import type { IServer, LeaseSecrets, SlotSecrets } from '@lafs/storage-interface'
import { leaseSecretsOf } from '@lafs/storage-protocol'
import type { MutableFile } from './file.ts'

/** What a key pair makes of a mutable file. */
export interface MutableKeys {
  /** 16 bytes, a secret: what a write cap holds. */
  readonly writekey: Uint8Array
  /** DER of the private key, encrypted with the write key: what each share holds. */
  readonly encryptedPrivateKey: Uint8Array
  /** 32 bytes: what every cap holds. */
  readonly fingerprint: Uint8Array
}

/** The keys of the mutable file that a key pair belongs to. @see allmydata.mutable.common.derive_mutable_keys */
export async function deriveMutableKeys(
  signingKey: RsaSigningKey,
  crypto: CryptoProvider,
): Promise<MutableKeys> {
  const writekey = sskWritekeyHash(signingKey.der, crypto)
  const encryptedPrivateKey = Uint8Array.from(signingKey.der)
  await crypto.aesCtrInPlace(writekey, encryptedPrivateKey)
  const fingerprint = sskPubkeyFingerprintHash(signingKey.verifyingKey.der, crypto)
  return { writekey, encryptedPrivateKey, fingerprint }
}

/**
 * The private key that a share holds, checked against the file's write key.
 *
 * @throws {@link CorruptShareError} unless it is the key of this file.
 * @throws {@link NotWriteableError} without write authority.
 * @see allmydata.mutable.servermap.ServermapUpdater._try_to_validate_privkey
 */
export async function decryptSigningKey(
  file: MutableFile,
  encryptedPrivateKey: Uint8Array,
): Promise<RsaSigningKey> {
  const { crypto } = file.context
  const writekey = requireWritekey(file)
  const der = Uint8Array.from(encryptedPrivateKey)
  await crypto.aesCtrInPlace(writekey, der)
  if (!crypto.timingSafeEqual(sskWritekeyHash(der, crypto), writekey)) {
    throw new CorruptShareError('the private key does not fit the write key')
  }
  try {
    return await crypto.importRsaSigningKey(der)
  } catch (cause) {
    throw new CorruptShareError('the private key is not one of RSA-2048', { cause })
  }
}

/** The secrets of the lease on a file's shares on one server. */
export function leaseSecrets(file: MutableFile, server: IServer): LeaseSecrets {
  return leaseSecretsOf(file.storageIndex, file.context)(server)
}

/**
 * What a writer shows one server: the write enabler of the file there, and the secrets of its lease.
 *
 * @throws {@link NotWriteableError} without write authority.
 */
export function slotSecrets(file: MutableFile, server: IServer): SlotSecrets {
  const writekey = requireWritekey(file)
  return {
    writeEnabler: sskWriteEnablerHash(writekey, server.leaseSeed, file.context.crypto),
    ...leaseSecrets(file, server),
  }
}

function requireWritekey({ writekey }: MutableFile): Uint8Array {
  if (writekey !== undefined) return writekey
  throw new NotWriteableError('the cap does not let its holder write')
}
