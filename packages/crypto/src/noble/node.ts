import { createRequire } from 'node:module'
import type { Noble } from './portable.ts'

const require = createRequire(import.meta.url)

/**
 * Each is loaded when it is first used: their tables take tens of milliseconds to set up, and every
 * start of a program would wait for them, though Node's own provider needs nearly none.
 */
export const noble: Noble = {
  get blake2b() {
    return (require('@noble/hashes/blake2.js') as typeof import('@noble/hashes/blake2.js')).blake2b
  },
  get ctr() {
    return (require('@noble/ciphers/aes.js') as typeof import('@noble/ciphers/aes.js')).ctr
  },
  get ed25519() {
    return (require('@noble/curves/ed25519.js') as typeof import('@noble/curves/ed25519.js'))
      .ed25519
  },
  get sha1() {
    return (require('@noble/hashes/legacy.js') as typeof import('@noble/hashes/legacy.js')).sha1
  },
  get sha256() {
    return (require('@noble/hashes/sha2.js') as typeof import('@noble/hashes/sha2.js')).sha256
  },
}
