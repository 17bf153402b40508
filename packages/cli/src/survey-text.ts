import type { CycleCounts, ExpirationPolicy } from '@lafs/storage-server'
import { inBothUnits } from './units.ts'

const DAY_SECONDS = 24 * 60 * 60

/** Bytes, and in larger units where they are many. */
export function bytesText(bytes: number): string {
  return bytes > 1000 ? `${bytes} bytes ${inBothUnits(bytes)}` : `${bytes} bytes`
}

/** One of the counts of a look at all shares, with its parts by kind. */
export function countText(space: CycleCounts['space-recovered'], which: string): string {
  const immutable = space[`${which}-immutable`] ?? 0
  const mutable = space[`${which}-mutable`] ?? 0
  return `${space[which] ?? 0} (${immutable} immutable, ${mutable} mutable)`
}

/** When leases end by a policy, and whether anything is deleted then. */
export function policyText({ enabled, mode, immutable, mutable }: ExpirationPolicy): string {
  const kinds =
    immutable && mutable
      ? 'all shares'
      : immutable
        ? 'immutable shares'
        : mutable
          ? 'mutable shares'
          : 'no shares'
  const how =
    mode.kind === 'cutoff-date'
      ? `when they were renewed before ${dayText(mode.cutoffSeconds)}`
      : mode.overrideLeaseDurationSeconds === undefined
        ? 'when they say so'
        : `${mode.overrideLeaseDurationSeconds / DAY_SECONDS} days after they were renewed`
  return `expiration: ${enabled ? 'on' : 'off'}; leases of ${kinds} end ${how}`
}

/** The day of a time, UTC. */
function dayText(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(0, 10)
}

/** The second of a time, UTC. */
export function timeText(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(0, 19).replace('T', ' ')
}

/** Days of an age in seconds. */
export function daysOf(seconds: number): number {
  return Math.trunc(seconds / DAY_SECONDS)
}
