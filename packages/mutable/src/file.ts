import type { CodecProvider } from '@lafs/codec-interface'
import type { CryptoProvider, RsaSigningKey, RsaVerifyingKey } from '@lafs/crypto'
import type { OperationHistory } from '@lafs/filesystem-interface'
import type { IStorageBroker } from '@lafs/storage-interface'
import type { Clock } from '@lafs/storage-protocol/waiting'

/** What mutable files are found, read and written with. */
export interface MutableContext {
  readonly broker: IStorageBroker
  readonly codec: CodecProvider
  readonly crypto: CryptoProvider
  readonly clock: Clock
  /** 32 bytes: the secrets of all leases derive from it. */
  readonly leaseSecret: Uint8Array
  /** How new files are encoded. A file that is there keeps its own numbers. */
  readonly encoding: { readonly requiredShares: number; readonly totalShares: number }
  /** Numbers in `[0, 1)` for the wait between two tries. */
  readonly random: () => number
  /** Hears of operations as they begin. */
  readonly history?:
    | Pick<OperationHistory, 'addServermapUpdate' | 'addPublish' | 'addRetrieve'>
    | undefined
}

/**
 * One mutable file: what its cap says, and what operations have learnt of it meanwhile. All
 * operations of one node share one.
 */
export interface MutableFile {
  readonly context: MutableContext
  /** 16 bytes. */
  readonly storageIndex: Uint8Array
  /** 32 bytes: the hash of the public key. */
  readonly fingerprint: Uint8Array
  /** 16 bytes, a secret; undefined for a verify cap. */
  readonly readkey: Uint8Array | undefined
  /** 16 bytes, a secret; undefined without write authority. */
  readonly writekey: Uint8Array | undefined
  /** {@link SDMF_VERSION} or {@link MDMF_VERSION}; undefined until the cap or a share tells. */
  version: number | undefined
  /** How the file is encoded; undefined until a share tells. */
  encoding: { readonly requiredShares: number; readonly totalShares: number } | undefined
  /** Bytes of content as last seen. */
  size: number | undefined
  /** Checked against the fingerprint. */
  verifyingKey: RsaVerifyingKey | undefined
  /** Checked against the write key. */
  signingKey: RsaSigningKey | undefined
  /** The signing key's DER, encrypted with the write key: what each share holds. */
  encryptedPrivateKey: Uint8Array | undefined
}
