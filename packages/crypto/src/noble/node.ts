import { createRequire } from 'node:module'
import type { Noble } from './portable.ts'

const require = createRequire(import.meta.url)

function load<Name extends keyof Noble>(name: Name, path: string): Noble[Name] {
  return (require(path) as Pick<Noble, Name>)[name]
}

/**
 * Each is loaded when it is first used: together they take tens of milliseconds to set up, and every
 * start of a program would wait for them, though Node's own provider needs nearly none.
 */
export const noble: Noble = {
  get blake2b() {
    return load('blake2b', '@noble/hashes/blake2.js')
  },
  get ctr() {
    return load('ctr', '@noble/ciphers/aes.js')
  },
  get ed25519() {
    return load('ed25519', '@noble/curves/ed25519.js')
  },
  get sha1() {
    return load('sha1', '@noble/hashes/legacy.js')
  },
  get sha256() {
    return load('sha256', '@noble/hashes/sha2.js')
  },
}
