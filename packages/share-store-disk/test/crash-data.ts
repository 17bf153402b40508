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

/** How long the data are that are changed in spans, and where the spans begin. */
export const PATCHED_SIZE = 300_000
const PATCHES = [0, 7_000, 123_456, 299_000] as const

/** What one version writes of them: each span says its version throughout. */
export function patches(version: number): { offset: number; data: Uint8Array }[] {
  return PATCHES.map((offset) => {
    const data = new Uint8Array(1000)
    const view = new DataView(data.buffer)
    for (let at = 0; at < data.length; at += 4) view.setUint32(at, version)
    return { offset, data }
  })
}

/** The version that the spans have in common; undefined where they have none. */
export function patchedVersion(data: Uint8Array): number | undefined {
  const version = new DataView(data.buffer, data.byteOffset).getUint32(0)
  const whole = patches(version).every(({ offset, data: span }) =>
    span.every((byte, index) => byte === data[offset + index]),
  )
  return whole ? version : undefined
}

/** Bytes that say what version they are, of a size that depends on it. */
export function mutableData(version: number): Uint8Array {
  const data = new Uint8Array(8 + ((version * 7919) % 100_000)).fill(version)
  new DataView(data.buffer).setUint32(0, version)
  return data
}
