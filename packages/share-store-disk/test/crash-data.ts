import type { Lease } from '@lafs/storage-interface'

export const enabler: Uint8Array = new Uint8Array(32).fill(9)

export function crashIndex(kind: 'i' | 'm', file: number): Uint8Array {
  const bytes = new Uint8Array(16).fill(kind.charCodeAt(0))
  new DataView(bytes.buffer).setUint32(0, Math.imul(file + 1, 2654435761) >>> 0)
  new DataView(bytes.buffer).setUint32(4, file)
  return bytes
}

export function crashLease(who: string): Lease {
  const secret = new Uint8Array(32).fill(who.charCodeAt(0))
  return { ownerNumber: 1, renewSecret: secret, cancelSecret: secret, expiresAtSeconds: 1e9 }
}

/** Bytes that say to what share they belong, of a size that depends on it. */
export function immutableData(file: number, share: number): Uint8Array {
  const data = new Uint8Array(20_000 + ((file * 7919) % 150_000))
  return data.map((_, i) => (file * 31 + share * 17 + i * 7 + (i >> 8)) & 0xff)
}

/** Bytes that say what version they are, of a size that depends on it. */
export function mutableData(version: number): Uint8Array {
  const data = new Uint8Array(8 + ((version * 7919) % 100_000)).fill(version)
  new DataView(data.buffer).setUint32(0, version)
  return data
}
