import type { ExpirationPolicy } from '../src/index.ts'

/** How far the clock of the workers is ahead: leases of "long ago" were made without it. */
export const AHEAD_MS: number = 40 * 86_400_000

/** Leases end after 31 days, so that those of "long ago" have ended. */
export const killPolicy: ExpirationPolicy = {
  enabled: true,
  mode: { kind: 'age' },
  immutable: true,
  mutable: true,
}

/** `k` are kept, `o` are old, `r` are old and are renewed, `m` are mutable. */
export function killIndex(kind: string, file: number): Uint8Array {
  const bytes = new Uint8Array(16).fill(kind.charCodeAt(0))
  new DataView(bytes.buffer).setUint32(0, Math.imul(file + 1, 2_654_435_761) >>> 0)
  new DataView(bytes.buffer).setUint32(4, file)
  return bytes
}

export const killSecrets = (
  who: number,
): { renewSecret: Uint8Array; cancelSecret: Uint8Array } => ({
  renewSecret: new Uint8Array(32).fill(who),
  cancelSecret: new Uint8Array(32).fill(who + 100),
})

/** Bytes that say to what share they belong, of a size that depends on it. */
export function killData(file: number): Uint8Array {
  const data = new Uint8Array(500 + ((file * 7919) % 80_000))
  return data.map((_, i) => (file * 31 + i * 7 + (i >> 8)) & 0xff)
}

/** Bytes that say what version they are. */
export function versionData(version: number): Uint8Array {
  const data = new Uint8Array(8 + ((version * 7919) % 90_000)).fill(version)
  new DataView(data.buffer).setUint32(0, version)
  return data
}
