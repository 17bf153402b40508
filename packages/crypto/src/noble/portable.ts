import { ctr } from '@noble/ciphers/aes.js'
import { ed25519 } from '@noble/curves/ed25519.js'
import { blake2b } from '@noble/hashes/blake2.js'
import { sha1 } from '@noble/hashes/legacy.js'
import { sha256 } from '@noble/hashes/sha2.js'

/** What is used of the @noble packages. */
export interface Noble {
  readonly blake2b: typeof blake2b
  readonly ctr: typeof ctr
  readonly ed25519: typeof ed25519
  readonly sha1: typeof sha1
  readonly sha256: typeof sha256
}

export const noble: Noble = { blake2b, ctr, ed25519, sha1, sha256 }
