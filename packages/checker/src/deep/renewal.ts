import type { IDirectoryNode, IMonitor } from '@lafs/filesystem-interface'
import type { CheckerContext } from '../context.ts'

/** Options of {@link renewLeases}. */
export interface RenewalOptions {
  /** Where an earlier pass stopped: {@link RenewalStatus.cursor} of then. Default: the beginning. */
  readonly after?: readonly string[] | undefined
}

/** How far a renewal is. */
export interface RenewalStatus {
  /** Objects whose leases were renewed on every server that holds shares of them. */
  readonly objects: number
  /** Leases that were added or renewed: one an object and server. */
  readonly leases: number
  /** What could not be read or renewed. */
  readonly failures: readonly { readonly path: readonly string[]; readonly error: unknown }[]
  /** Everything up to this path, in the order of the walk, is done. Hand it to `after` to go on. */
  readonly cursor: readonly string[] | undefined
}

/**
 * Adds or renews our lease on everything that can be reached from a directory, in one pass with many
 * objects in flight.
 */
export function renewLeases(
  root: IDirectoryNode,
  context: CheckerContext,
  options: RenewalOptions = {},
): IMonitor<RenewalStatus> {
  throw new Error(`not there yet: ${root.uri} ${String(context)} ${String(options)}`)
}
