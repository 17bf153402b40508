/** Bytes of a SHA-256d hash. */
export const HASH_SIZE = 32
/** Bytes of the salt of a mutable segment. */
export const SALT_SIZE = 16
/** Version byte of a small mutable file. */
export const SDMF_VERSION = 0
/** Version byte of a medium-size mutable file. */
export const MDMF_VERSION = 1
/** The greatest number of shares of one file: the field has 256 elements. */
export const MAX_BUCKETS = 256
/** Bytes of a storage index. */
export const STORAGE_INDEX_SIZE = 16
/** Bytes of a server's TubID, the seed of lease secrets and write enablers. */
export const NODE_ID_SIZE = 20
/** Bytes of a lease renew or cancel secret. */
export const LEASE_SECRET_SIZE = 32
/** Bytes of the write enabler of a mutable slot. */
export const WRITE_ENABLER_SIZE = 32
/** The longest FURL that upstream's schema lets through, in bytes. */
export const FURL_SIZE_MAX = 1000
/** The longest cap that upstream's schema lets through, in bytes. */
export const URI_SIZE_MAX = 300
/** The longest URI extension block that upstream's schema lets through, in bytes. */
export const URI_EXTENSION_SIZE_MAX = 1000
/** Segment size of immutable files unless the uploader says otherwise, in bytes (128 KiB in 1.9.2). */
export const DEFAULT_IMMUTABLE_MAX_SEGMENT_SIZE: number = 1024 * 1024
/** Segment size of mutable files, in bytes. */
export const DEFAULT_MUTABLE_MAX_SEGMENT_SIZE: number = 128 * 1024
/** How long a lease lasts from its last renewal, in seconds: 31 days. */
export const LEASE_DURATION_SECONDS: number = 31 * 24 * 60 * 60

/** The most bytes of all the shares that one {@link IStorageServer.storeShares} takes. */
export const STORE_SIZE_MAX: number = 1024 * 1024

/** The most bytes that come along with {@link IStorageServer.getBuckets}. */
export const READ_AHEAD_MAX: number = 512 * 1024
