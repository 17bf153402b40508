/** The 16 bytes under which all shares of one file are stored. */
export type StorageIndex = Uint8Array

/** The number of a share within its file, an integer in `[0, 256)`. */
export type ShareNumber = number

/** Whether a share is of an immutable or a mutable file. */
export type ShareKind = 'immutable' | 'mutable'

/** The two secrets of a lease, 32 bytes each. Renewing needs the first, cancelling the second. */
export interface LeaseSecrets {
  readonly renewSecret: Uint8Array
  readonly cancelSecret: Uint8Array
}

/** The secrets of a write to a mutable slot: its write enabler and a lease to add or renew. */
export interface SlotSecrets extends LeaseSecrets {
  readonly writeEnabler: Uint8Array
}

/** A span of a share: `size` bytes from `offset` on. */
export interface ReadVector {
  readonly offset: number
  readonly size: number
}

/** A condition: the `size` bytes at `offset` (fewer at the end of the share) equal `specimen`. */
export interface TestVector {
  readonly offset: number
  readonly size: number
  readonly specimen: Uint8Array
}

/** Bytes to put at `offset`. A gap before them is filled with zeros. */
export interface WriteVector {
  readonly offset: number
  readonly data: Uint8Array
}

/**
 * What to test and to write in one share. `newLength` truncates the share's data (never extends
 * it); 0 deletes the share; undefined leaves its length alone.
 */
export interface TestWriteVectors {
  readonly test: readonly TestVector[]
  readonly write: readonly WriteVector[]
  readonly newLength?: number | undefined
}

/**
 * The outcome of a test-and-write over a slot. `data` holds, for every share that stood *before*
 * the write, one byte string a read vector. When any test failed nothing was written.
 */
export interface ReadTestWriteResult {
  readonly success: boolean
  readonly data: Map<ShareNumber, Uint8Array[]>
}

/** What a server says of itself. Sizes are bytes. @see allmydata.interfaces.RIStorageServer.get_version */
export interface ServerVersion {
  readonly maximumImmutableShareSize: number
  readonly maximumMutableShareSize: number
  readonly availableSpace: number
  /** Over Foolscap only; an HTTP server does all of them and says nothing. */
  readonly toleratesImmutableReadOverrun: boolean
  readonly deleteMutableSharesWithZeroLengthWritev: boolean
  readonly fillsHolesWithZeroBytes: boolean
  readonly preventsReadPastEndOfShareData: boolean
  /** Free text that names the software, such as `tahoe-lafs/1.20.0`. */
  readonly applicationVersion: string
}

/** Options of every operation that does I/O. */
export interface OperationOptions {
  /** Rejects the operation with its reason. */
  readonly signal?: AbortSignal
}
