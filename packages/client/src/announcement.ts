import { defaultCrypto, fromBase32, LEASE_SEED_SIZE } from '@lafs/crypto'
import type { CryptoProvider } from '@lafs/crypto'
import { StorageError } from '@lafs/storage-interface'
import type { IDisplayableServer, ServerAnnouncement } from '@lafs/storage-interface'

/** A server to know of: its id and what it says of itself. */
export interface ServerDescription {
  /** `v0-` and the base32 of the server's Ed25519 key. */
  readonly serverId: string
  readonly announcement: ServerAnnouncement
}

/** What a client derives from a {@link ServerDescription} before it talks to the server. */
export interface ServerIdentity extends IDisplayableServer {
  readonly serverId: string
  readonly permutationSeed: Uint8Array
  readonly leaseSeed: Uint8Array
}

/** A server id made of a key: 52 characters of base32 are 32 bytes. */
const KEY_SERVER_ID = /^v0-([0-9a-zA-Z]{52})$/

/**
 * The names and seeds of a server.
 *
 * The permutation seed is the announced one; without it the key in the server's id; without that
 * the SHA-256 of the id. The lease seed is the TubID of the anonymous storage FURL, over HTTPS too.
 *
 * @throws {@link StorageError} `STORAGE_BAD_ANNOUNCEMENT`.
 * @see allmydata.storage_client._parse_announcement
 */
export function identifyServer(
  { serverId, announcement }: ServerDescription,
  crypto: CryptoProvider = defaultCrypto,
): ServerIdentity {
  const furl = announcement['anonymous-storage-FURL']
  const tubId = typeof furl === 'string' ? /^pb:\/\/(\w+)@/.exec(furl)?.[1] : undefined
  if (tubId === undefined) {
    throw badAnnouncement(
      serverId,
      'expected a field anonymous-storage-FURL with a TubID, got none',
    )
  }
  const leaseSeed = decode(serverId, 'the TubID of anonymous-storage-FURL', tubId.toLowerCase())
  if (leaseSeed.length !== LEASE_SEED_SIZE) {
    // Lease secrets could not be made of it, and so no upload that considers the server.
    const got = `expected a TubID of ${LEASE_SEED_SIZE} bytes, got ${leaseSeed.length}`
    throw badAnnouncement(serverId, got)
  }
  return {
    serverId,
    nickname: announcement.nickname ?? '',
    name: serverId.replace(/^v0-/, '').slice(0, 8),
    longName: serverId,
    permutationSeed: permutationSeed(serverId, announcement, crypto),
    leaseSeed,
  }
}

function permutationSeed(
  serverId: string,
  announcement: ServerAnnouncement,
  crypto: CryptoProvider,
): Uint8Array {
  const announced = announcement['permutation-seed-base32']
  if (announced !== undefined) return decode(serverId, 'permutation-seed-base32', announced)
  const key = KEY_SERVER_ID.exec(serverId)?.[1]
  if (key !== undefined) return decode(serverId, 'the key of the server id', key)
  return crypto.sha256(new TextEncoder().encode(serverId))
}

function decode(serverId: string, what: string, text: string): Uint8Array {
  try {
    return fromBase32(text)
  } catch (cause) {
    throw badAnnouncement(serverId, `expected base32 as ${what}`, cause)
  }
}

function badAnnouncement(serverId: string, what: string, cause?: unknown): StorageError {
  return new StorageError('STORAGE_BAD_ANNOUNCEMENT', `announcement of ${serverId}: ${what}`, {
    serverId,
    ...(cause === undefined ? {} : { cause }),
  })
}
