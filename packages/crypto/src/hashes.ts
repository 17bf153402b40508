import { defaultCrypto } from '#default-provider'
import { assertSize, concatBytes, utf8 } from './bytes.ts'
import { netstring } from './netstring.ts'
import type { CryptoProvider } from './provider.ts'

/** The size of a key, a storage index and an AES initial counter block, in bytes. */
export const KEY_SIZE = 16

/** The size of a hash and of a lease secret, in bytes. */
export const HASH_SIZE = 32

/** The size of the seed of a server's lease secrets and write enablers (its TubID), in bytes. */
export const LEASE_SEED_SIZE = 20

/** What tells hashes of one purpose from those of another. Text stands for its UTF-8 bytes. */
export type Tag = string | Uint8Array

/** A running tagged hash. */
export interface TaggedHasher {
  /** Takes in bytes; borrowed for the call only. */
  update(data: Uint8Array): this
  /** The hash. Ends this hasher: nothing may be called after it. */
  digest(): Uint8Array
}

/** The netstring of a tag: what every tagged hash starts with. */
function prefixOf(tag: Tag): Uint8Array {
  return netstring(typeof tag === 'string' ? utf8(tag) : tag)
}

function truncate(hash: Uint8Array, size: number | undefined): Uint8Array {
  return size === undefined ? hash : hash.slice(0, size)
}

function hasherOf(prefix: Uint8Array, size: number | undefined, crypto: CryptoProvider) {
  const inner = crypto.createSha256().update(prefix)
  const hasher: TaggedHasher = {
    update: (data) => {
      inner.update(data)
      return hasher
    },
    digest: () => truncate(crypto.sha256(inner.digest()), size),
  }
  return hasher
}

/**
 * The running form of {@link taggedHash}.
 *
 * @see allmydata.util.hashutil.tagged_hasher
 */
export function taggedHasher(
  tag: Tag,
  truncateTo?: number,
  crypto: CryptoProvider = defaultCrypto,
): TaggedHasher {
  return hasherOf(prefixOf(tag), truncateTo, crypto)
}

/**
 * `SHA-256d(netstring(tag) || value)`, cut to its first `truncateTo` bytes where that is given.
 *
 * @see allmydata.util.hashutil.tagged_hash
 */
export function taggedHash(
  tag: Tag,
  value: Uint8Array,
  truncateTo?: number,
  crypto: CryptoProvider = defaultCrypto,
): Uint8Array {
  return truncate(crypto.sha256d(prefixOf(tag), value), truncateTo)
}

/**
 * `SHA-256d(netstring(tag) || netstring(first) || netstring(second))`, cut to its first
 * `truncateTo` bytes where that is given.
 *
 * @see allmydata.util.hashutil.tagged_pair_hash
 */
export function taggedPairHash(
  tag: Tag,
  first: Uint8Array,
  second: Uint8Array,
  truncateTo?: number,
  crypto: CryptoProvider = defaultCrypto,
): Uint8Array {
  return hashPair(prefixOf(tag), first, second, truncateTo, crypto)
}

const comma = utf8(',')
const length16 = utf8('16:')
const length20 = utf8('20:')
const length32 = utf8('32:')

/** `${size}:`, ready for the sizes that keys, seeds and hashes have. */
function lengthPrefix(size: number): Uint8Array {
  if (size === HASH_SIZE) return length32
  if (size === KEY_SIZE) return length16
  if (size === LEASE_SEED_SIZE) return length20
  return utf8(`${size}:`)
}

function hashPair(
  prefix: Uint8Array,
  first: Uint8Array,
  second: Uint8Array,
  truncateTo: number | undefined,
  crypto: CryptoProvider,
): Uint8Array {
  const hash = crypto.sha256d(
    prefix,
    lengthPrefix(first.length),
    first,
    comma,
    lengthPrefix(second.length),
    second,
    comma,
  )
  return truncate(hash, truncateTo)
}

// Immutable files.

const storageIndexPrefix = prefixOf('allmydata_immutable_key_to_storage_index_v1')
const uriExtensionPrefix = prefixOf('allmydata_uri_extension_v1')
const plaintextPrefix = prefixOf('allmydata_plaintext_v1')
const crypttextPrefix = prefixOf('allmydata_crypttext_v1')
const plaintextSegmentPrefix = prefixOf('allmydata_plaintext_segment_v1')
const convergenceTag = utf8('allmydata_immutable_content_to_key_with_added_secret_v1+')

/** What {@link blockHash} hashes before the block: the prefix for `CryptoProvider.sha256dMany`. */
export const blockHashPrefix: Uint8Array = prefixOf('allmydata_encoded_subshare_v1')

/** What {@link crypttextSegmentHash} hashes before the segment: the prefix for `CryptoProvider.sha256dMany`. */
export const crypttextSegmentHashPrefix: Uint8Array = prefixOf('allmydata_crypttext_segment_v1')

/** The 16-byte storage index of an immutable file, from its 16-byte key. @see allmydata.util.hashutil.storage_index_hash */
export function storageIndexHash(
  key: Uint8Array,
  crypto: CryptoProvider = defaultCrypto,
): Uint8Array {
  return truncate(crypto.sha256d(storageIndexPrefix, key), KEY_SIZE)
}

/** The hash of one block of a share: a leaf of the share's block hash tree. @see allmydata.util.hashutil.block_hash */
export function blockHash(data: Uint8Array, crypto: CryptoProvider = defaultCrypto): Uint8Array {
  return crypto.sha256d(blockHashPrefix, data)
}

/** The running form of {@link blockHash}. */
export function blockHasher(crypto: CryptoProvider = defaultCrypto): TaggedHasher {
  return hasherOf(blockHashPrefix, undefined, crypto)
}

/** The hash of a URI extension block: what a CHK cap holds. @see allmydata.util.hashutil.uri_extension_hash */
export function uriExtensionHash(
  data: Uint8Array,
  crypto: CryptoProvider = defaultCrypto,
): Uint8Array {
  return crypto.sha256d(uriExtensionPrefix, data)
}

/** The running form of {@link uriExtensionHash}. */
export function uriExtensionHasher(crypto: CryptoProvider = defaultCrypto): TaggedHasher {
  return hasherOf(uriExtensionPrefix, undefined, crypto)
}

/** The hash of a whole plaintext. @see allmydata.util.hashutil.plaintext_hash */
export function plaintextHash(
  data: Uint8Array,
  crypto: CryptoProvider = defaultCrypto,
): Uint8Array {
  return crypto.sha256d(plaintextPrefix, data)
}

/** The running form of {@link plaintextHash}. */
export function plaintextHasher(crypto: CryptoProvider = defaultCrypto): TaggedHasher {
  return hasherOf(plaintextPrefix, undefined, crypto)
}

/** The hash of a whole ciphertext. @see allmydata.util.hashutil.crypttext_hash */
export function crypttextHash(
  data: Uint8Array,
  crypto: CryptoProvider = defaultCrypto,
): Uint8Array {
  return crypto.sha256d(crypttextPrefix, data)
}

/** The running form of {@link crypttextHash}. */
export function crypttextHasher(crypto: CryptoProvider = defaultCrypto): TaggedHasher {
  return hasherOf(crypttextPrefix, undefined, crypto)
}

/** The hash of one segment of ciphertext: a leaf of the crypttext hash tree. @see allmydata.util.hashutil.crypttext_segment_hash */
export function crypttextSegmentHash(
  data: Uint8Array,
  crypto: CryptoProvider = defaultCrypto,
): Uint8Array {
  return crypto.sha256d(crypttextSegmentHashPrefix, data)
}

/** The running form of {@link crypttextSegmentHash}. */
export function crypttextSegmentHasher(crypto: CryptoProvider = defaultCrypto): TaggedHasher {
  return hasherOf(crypttextSegmentHashPrefix, undefined, crypto)
}

/** The hash of one segment of plaintext. @see allmydata.util.hashutil.plaintext_segment_hash */
export function plaintextSegmentHash(
  data: Uint8Array,
  crypto: CryptoProvider = defaultCrypto,
): Uint8Array {
  return crypto.sha256d(plaintextSegmentPrefix, data)
}

/** The running form of {@link plaintextSegmentHash}. */
export function plaintextSegmentHasher(crypto: CryptoProvider = defaultCrypto): TaggedHasher {
  return hasherOf(plaintextSegmentPrefix, undefined, crypto)
}

/**
 * The running form of {@link convergenceHash}.
 *
 * @throws RangeError unless `1 <= k <= n <= 256` and `segmentSize` is a safe integer >= 0.
 * @see allmydata.util.hashutil.convergence_hasher
 */
export function convergenceHasher(
  k: number,
  n: number,
  segmentSize: number,
  convergence: Uint8Array,
  crypto: CryptoProvider = defaultCrypto,
): TaggedHasher {
  if (!Number.isInteger(k) || !Number.isInteger(n) || k < 1 || k > n || n > 256) {
    throw new RangeError(`convergence: expected 1 <= k <= n <= 256, got k = ${k}, n = ${n}`)
  }
  if (!Number.isSafeInteger(segmentSize) || segmentSize < 0) {
    throw new RangeError(
      `convergence: expected a segment size that is a safe integer >= 0, got ${segmentSize}`,
    )
  }
  const parameters = netstring(utf8(`${k},${n},${segmentSize}`))
  const tag = concatBytes([convergenceTag, netstring(convergence), parameters])
  return taggedHasher(tag, KEY_SIZE, crypto)
}

/**
 * The 16-byte key that a plaintext, its encoding and a secret give.
 *
 * @param k - shares that are needed.
 * @param n - shares that are made.
 * @param segmentSize - the maximum segment size, in bytes, before it is cut to the file's size.
 * @param convergence - the secret; empty for none.
 * @throws RangeError unless `1 <= k <= n <= 256` and `segmentSize` is a safe integer >= 0.
 * @see allmydata.util.hashutil.convergence_hash
 */
export function convergenceHash(
  k: number,
  n: number,
  segmentSize: number,
  data: Uint8Array,
  convergence: Uint8Array,
  crypto: CryptoProvider = defaultCrypto,
): Uint8Array {
  return convergenceHasher(k, n, segmentSize, convergence, crypto).update(data).digest()
}

/** A fresh 16-byte key. @see allmydata.util.hashutil.random_key */
export function randomKey(crypto: CryptoProvider = defaultCrypto): Uint8Array {
  return crypto.randomBytes(KEY_SIZE)
}

// Lease secrets: client, then file, then server. Each is 32 bytes.

const fileRenewalPrefix = prefixOf('allmydata_file_renewal_secret_v1')
const fileCancelPrefix = prefixOf('allmydata_file_cancel_secret_v1')
const bucketRenewalPrefix = prefixOf('allmydata_bucket_renewal_secret_v1')
const bucketCancelPrefix = prefixOf('allmydata_bucket_cancel_secret_v1')

/**
 * A client's renewal secret, from its lease secret. The secret is the tag and the constant the
 * value: upstream has it so, and changing it would orphan every lease.
 *
 * @see allmydata.util.hashutil.my_renewal_secret_hash
 */
export function myRenewalSecretHash(
  mySecret: Uint8Array,
  crypto: CryptoProvider = defaultCrypto,
): Uint8Array {
  return taggedHash(mySecret, utf8('allmydata_client_renewal_secret_v1'), undefined, crypto)
}

/** A client's cancel secret, in the manner of {@link myRenewalSecretHash}. @see allmydata.util.hashutil.my_cancel_secret_hash */
export function myCancelSecretHash(
  mySecret: Uint8Array,
  crypto: CryptoProvider = defaultCrypto,
): Uint8Array {
  return taggedHash(mySecret, utf8('allmydata_client_cancel_secret_v1'), undefined, crypto)
}

/** The renewal secret of a client and a storage index. @see allmydata.util.hashutil.file_renewal_secret_hash */
export function fileRenewalSecretHash(
  clientRenewalSecret: Uint8Array,
  storageIndex: Uint8Array,
  crypto: CryptoProvider = defaultCrypto,
): Uint8Array {
  return hashPair(fileRenewalPrefix, clientRenewalSecret, storageIndex, undefined, crypto)
}

/** The cancel secret of a client and a storage index. @see allmydata.util.hashutil.file_cancel_secret_hash */
export function fileCancelSecretHash(
  clientCancelSecret: Uint8Array,
  storageIndex: Uint8Array,
  crypto: CryptoProvider = defaultCrypto,
): Uint8Array {
  return hashPair(fileCancelPrefix, clientCancelSecret, storageIndex, undefined, crypto)
}

/**
 * The renewal secret that one server learns.
 *
 * @param leaseSeed - 20 bytes: the TubID that the server announces.
 * @throws RangeError unless `leaseSeed` is 20 bytes.
 * @see allmydata.util.hashutil.bucket_renewal_secret_hash
 */
export function bucketRenewalSecretHash(
  fileRenewalSecret: Uint8Array,
  leaseSeed: Uint8Array,
  crypto: CryptoProvider = defaultCrypto,
): Uint8Array {
  assertSize('lease seed', leaseSeed, LEASE_SEED_SIZE)
  return hashPair(bucketRenewalPrefix, fileRenewalSecret, leaseSeed, undefined, crypto)
}

/**
 * The cancel secret that one server learns.
 *
 * @throws RangeError unless `leaseSeed` is 20 bytes.
 * @see allmydata.util.hashutil.bucket_cancel_secret_hash
 */
export function bucketCancelSecretHash(
  fileCancelSecret: Uint8Array,
  leaseSeed: Uint8Array,
  crypto: CryptoProvider = defaultCrypto,
): Uint8Array {
  assertSize('lease seed', leaseSeed, LEASE_SEED_SIZE)
  return hashPair(bucketCancelPrefix, fileCancelSecret, leaseSeed, undefined, crypto)
}

// Mutable files.

const writekeyPrefix = prefixOf('allmydata_mutable_privkey_to_writekey_v1')
const writeEnablerMasterPrefix = prefixOf('allmydata_mutable_writekey_to_write_enabler_master_v1')
const writeEnablerPrefix = prefixOf(
  'allmydata_mutable_write_enabler_master_and_nodeid_to_write_enabler_v1',
)
const pubkeyPrefix = prefixOf('allmydata_mutable_pubkey_to_fingerprint_v1')
const readkeyPrefix = prefixOf('allmydata_mutable_writekey_to_readkey_v1')
const datakeyPrefix = prefixOf('allmydata_mutable_readkey_to_datakey_v1')
const mutableStorageIndexPrefix = prefixOf('allmydata_mutable_readkey_to_storage_index_v1')

/** The 16-byte write key, from the DER of the private key. @see allmydata.util.hashutil.ssk_writekey_hash */
export function sskWritekeyHash(
  privateKey: Uint8Array,
  crypto: CryptoProvider = defaultCrypto,
): Uint8Array {
  return truncate(crypto.sha256d(writekeyPrefix, privateKey), KEY_SIZE)
}

/** The 32-byte secret that all write enablers of a file come from. @see allmydata.util.hashutil.ssk_write_enabler_master_hash */
export function sskWriteEnablerMasterHash(
  writekey: Uint8Array,
  crypto: CryptoProvider = defaultCrypto,
): Uint8Array {
  return crypto.sha256d(writeEnablerMasterPrefix, writekey)
}

/**
 * The 32-byte write enabler of a file on one server.
 *
 * @param leaseSeed - 20 bytes: the TubID that the server announces.
 * @throws RangeError unless `leaseSeed` is 20 bytes.
 * @see allmydata.util.hashutil.ssk_write_enabler_hash
 */
export function sskWriteEnablerHash(
  writekey: Uint8Array,
  leaseSeed: Uint8Array,
  crypto: CryptoProvider = defaultCrypto,
): Uint8Array {
  assertSize('lease seed', leaseSeed, LEASE_SEED_SIZE)
  const master = sskWriteEnablerMasterHash(writekey, crypto)
  return hashPair(writeEnablerPrefix, master, leaseSeed, undefined, crypto)
}

/** The 32-byte fingerprint in a mutable cap, from the DER of the public key. @see allmydata.util.hashutil.ssk_pubkey_fingerprint_hash */
export function sskPubkeyFingerprintHash(
  publicKey: Uint8Array,
  crypto: CryptoProvider = defaultCrypto,
): Uint8Array {
  return crypto.sha256d(pubkeyPrefix, publicKey)
}

/** The 16-byte read key, from the write key. @see allmydata.util.hashutil.ssk_readkey_hash */
export function sskReadkeyHash(
  writekey: Uint8Array,
  crypto: CryptoProvider = defaultCrypto,
): Uint8Array {
  return truncate(crypto.sha256d(readkeyPrefix, writekey), KEY_SIZE)
}

/** The 16-byte key that one version's data is encrypted with. @see allmydata.util.hashutil.ssk_readkey_data_hash */
export function sskReadkeyDataHash(
  iv: Uint8Array,
  readkey: Uint8Array,
  crypto: CryptoProvider = defaultCrypto,
): Uint8Array {
  return hashPair(datakeyPrefix, iv, readkey, KEY_SIZE, crypto)
}

/** The 16-byte storage index of a mutable file, from its read key. @see allmydata.util.hashutil.ssk_storage_index_hash */
export function sskStorageIndexHash(
  readkey: Uint8Array,
  crypto: CryptoProvider = defaultCrypto,
): Uint8Array {
  return truncate(crypto.sha256d(mutableStorageIndexPrefix, readkey), KEY_SIZE)
}

// Directories.

const childWritecapPrefix = prefixOf(
  'allmydata_mutable_writekey_and_salt_to_dirnode_child_capkey_v1',
)
const childSaltPrefix = prefixOf('allmydata_dirnode_child_rwcap_to_salt_v1')

/** The 16-byte key that a child's write cap is encrypted with. @see allmydata.util.hashutil.mutable_rwcap_key_hash */
export function mutableRwcapKeyHash(
  iv: Uint8Array,
  writekey: Uint8Array,
  crypto: CryptoProvider = defaultCrypto,
): Uint8Array {
  return hashPair(childWritecapPrefix, iv, writekey, KEY_SIZE, crypto)
}

/** The 16-byte salt of a child's write cap. @see allmydata.util.hashutil.mutable_rwcap_salt_hash */
export function mutableRwcapSaltHash(
  writeCap: Uint8Array,
  crypto: CryptoProvider = defaultCrypto,
): Uint8Array {
  return truncate(crypto.sha256d(childSaltPrefix, writeCap), KEY_SIZE)
}

/**
 * The checksum that ends a directory entry's encrypted write cap.
 *
 * It is HMAC but for the key, which is not padded to the hash's block size: it gives other bytes
 * than RFC 2104, and the format has it so.
 *
 * @see allmydata.util.hashutil.hmac
 */
export function hmac(
  tag: Uint8Array,
  data: Uint8Array,
  crypto: CryptoProvider = defaultCrypto,
): Uint8Array {
  const inner = crypto.sha256(
    tag.map((byte) => byte ^ 0x36),
    data,
  )
  return crypto.sha256(
    tag.map((byte) => byte ^ 0x5c),
    inner,
  )
}

// Hash trees, the backup database, servers.

const emptyLeafPrefix = prefixOf('Merkle tree empty leaf')
const pairPrefix = prefixOf('Merkle tree internal node')
const backupdbDirhashPrefix = prefixOf('allmydata_backupdb_dirhash_v1')

/** The leaf that fills a hash tree up at leaf index `index`. @see allmydata.hashtree.empty_leaf_hash */
export function emptyLeafHash(index: number, crypto: CryptoProvider = defaultCrypto): Uint8Array {
  return crypto.sha256d(emptyLeafPrefix, utf8(`${index}`))
}

/** The node of a hash tree over its left and its right child. @see allmydata.hashtree.pair_hash */
export function pairHash(
  left: Uint8Array,
  right: Uint8Array,
  crypto: CryptoProvider = defaultCrypto,
): Uint8Array {
  return hashPair(pairPrefix, left, right, undefined, crypto)
}

/** What the backup database knows a directory's contents by. @see allmydata.util.hashutil.backupdb_dirhash */
export function backupdbDirhash(
  contents: Uint8Array,
  crypto: CryptoProvider = defaultCrypto,
): Uint8Array {
  return crypto.sha256d(backupdbDirhashPrefix, contents)
}

/**
 * Where a server stands in the order of servers for a file: by this, as bytes, from the lowest.
 *
 * @param peerSelectionIndex - the file's storage index.
 * @param serverPermutationSeed - what the server announces as its seed.
 * @returns 20 bytes: SHA-1 of both.
 * @see allmydata.util.hashutil.permute_server_hash
 */
export function permuteServerHash(
  peerSelectionIndex: Uint8Array,
  serverPermutationSeed: Uint8Array,
  crypto: CryptoProvider = defaultCrypto,
): Uint8Array {
  return crypto.sha1(peerSelectionIndex, serverPermutationSeed)
}

/**
 * Whether two secrets are equal, telling nothing by its time of where or by how much they differ,
 * nor of their contents when they differ in length.
 *
 * @see allmydata.util.hashutil.timing_safe_compare
 */
export function timingSafeCompare(
  a: Uint8Array,
  b: Uint8Array,
  crypto: CryptoProvider = defaultCrypto,
): boolean {
  return crypto.timingSafeEqual(crypto.sha256(a), crypto.sha256(b))
}
