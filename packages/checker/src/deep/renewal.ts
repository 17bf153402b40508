import { monitored, placeInWalk, traverse } from '@lafs/dirnode'
import type { TraversalEntry } from '@lafs/dirnode'
import { NoSharesError } from '@lafs/filesystem-interface'
import type { IDirectoryNode, IFilesystemNode, IMonitor } from '@lafs/filesystem-interface'
import type { CheckerContext } from '../context.ts'
import { inOrder } from './in-order.ts'
import { renewLease, ServerPatience } from './renew-lease.ts'
import type { RenewedServer } from './renew-lease.ts'

/** Objects whose leases are renewed at one time. */
const RENEWALS_MAX = 64

/** So many failures are listed; all are counted. */
const FAILURES_LISTED_MAX = 1000

/** Options of {@link renewLeases}. */
export interface RenewalOptions {
  /** Where an earlier pass stopped: {@link RenewalStatus.cursor} of then. Default: the beginning. */
  readonly after?: readonly string[] | undefined
}

/** A directory that could not be read, or an object that could not be renewed on a server. */
export interface RenewalFailure {
  readonly path: readonly string[]
  /** Undefined where it is not one server that failed. */
  readonly serverId: string | undefined
  readonly error: unknown
}

/** How a server has fared in a renewal. */
export interface ServerRenewals {
  /** Leases that were added or renewed there. */
  readonly leases: number
  /** Objects of which it is not known whether they have a lease there. */
  readonly failures: number
  /** Objects of which it was not asked, because it was known to be out of reach. */
  readonly notAsked: number
  /** What went wrong last. */
  readonly lastError: unknown
}

/** How far a renewal is. */
export interface RenewalStatus {
  /** Objects whose leases were renewed on every server in reach that holds shares of them. */
  readonly objects: number
  /** Leases that were added or renewed: one an object and server. */
  readonly leases: number
  /**
   * Directories that could not be read, objects for which a server failed, and objects of which no
   * server has a share.
   */
  readonly failureCount: number
  /** What could not be read or renewed: the first thousand. */
  readonly failures: readonly RenewalFailure[]
  /** By the ids of the servers. */
  readonly servers: ReadonlyMap<string, ServerRenewals>
  /**
   * Everything up to this place in the walk is done, or told as failed. Hand it to `after` to go on.
   * It is the path of a file, or of a directory with an empty name at its end.
   */
  readonly cursor: readonly string[] | undefined
}

/**
 * Adds or renews our lease on everything that can be reached from a directory, in one pass with many
 * objects in flight. A server that has stopped answering is soon left out, and tried again now and
 * then; it holds up little.
 *
 * A pass that was interrupted goes on at its cursor: what was renewed before is not asked for again,
 * except for the directories on the way down and what stands in several places. What is moved from
 * behind the cursor to a place before it in the meantime waits for the next pass.
 */
export function renewLeases(
  root: IDirectoryNode,
  context: CheckerContext,
  { after }: RenewalOptions = {},
): IMonitor<RenewalStatus> {
  return monitored(root.storageIndex, async (monitor) => {
    const { signal } = monitor
    const patience = new ServerPatience(context.clock)
    const tally = new Tally(after)
    monitor.setStatus(tally.status())
    const steps = inOrder(
      (own) => traverse(root, { signal: own, after }),
      async (found, own) => ({ found, renewed: await renew(found, context, patience, own) }),
      { atOnce: RENEWALS_MAX, signal },
    )
    for await (const { found, renewed } of steps) {
      tally.add(found, renewed)
      monitor.setStatus(tally.status())
    }
    return tally.status()
  })
}

/** Undefined where nothing is stored, and for what is unknown. */
async function renew(
  found: TraversalEntry,
  context: CheckerContext,
  patience: ServerPatience,
  signal: AbortSignal,
): Promise<readonly RenewedServer[] | undefined> {
  if (found.type !== 'object') return undefined
  const { storageIndex, mutable } = found.node
  if (storageIndex === undefined) return undefined
  return renewLease({ storageIndex, mutable }, context, patience, signal)
}

/** Counts what a renewal has done. */
class Tally {
  readonly #after: readonly string[]
  #objects = 0
  #leases = 0
  #failureCount = 0
  readonly #failures: RenewalFailure[] = []
  readonly #servers = new Map<string, ServerRenewals>()
  #cursor: readonly string[] | undefined

  constructor(after: readonly string[] | undefined) {
    this.#after = after ?? []
    this.#cursor = after
  }

  status(): RenewalStatus {
    return {
      objects: this.#objects,
      leases: this.#leases,
      failureCount: this.#failureCount,
      failures: this.#failures,
      servers: this.#servers,
      cursor: this.#cursor,
    }
  }

  add(found: TraversalEntry, renewed: readonly RenewedServer[] | undefined): void {
    const { path } = found
    if (found.type === 'failure') {
      this.#failureCount++
      this.#list({ path, serverId: undefined, error: found.error })
    }
    if (renewed !== undefined) this.#addObject(path, renewed)
    if (found.type === 'object') this.#advance(path, found.node)
  }

  #addObject(path: readonly string[], renewed: readonly RenewedServer[]): void {
    let leases = 0
    let failed = false
    for (const { serverId, outcome, error } of renewed) {
      const server = this.#servers.get(serverId) ?? NO_RENEWALS
      if (outcome === 'renewed') {
        leases++
        this.#servers.set(serverId, { ...server, leases: server.leases + 1 })
      } else if (outcome === 'not-asked') {
        this.#servers.set(serverId, { ...server, notAsked: server.notAsked + 1 })
      } else if (outcome === 'failed') {
        failed = true
        this.#servers.set(serverId, { ...server, failures: server.failures + 1, lastError: error })
        this.#list({ path, serverId, error })
      }
    }
    this.#leases += leases
    if (leases === 0 && !failed) {
      const error = new NoSharesError('no server holds a share of the object')
      this.#list({ path, serverId: undefined, error })
    }
    if (leases > 0 && !failed) this.#objects++
    else this.#failureCount++
  }

  #advance(path: readonly string[], node: IFilesystemNode): void {
    // Unknown objects come before files of earlier names: they are no place to go on from.
    if (node.unknown) return
    // The directories on the way down to where the earlier pass stopped are behind the cursor.
    const onTheWay =
      path.length < this.#after.length && path.every((name, at) => name === this.#after[at])
    if (!onTheWay) this.#cursor = placeInWalk(path, node)
  }

  #list(failure: RenewalFailure): void {
    if (this.#failures.length < FAILURES_LISTED_MAX) this.#failures.push(failure)
  }
}

const NO_RENEWALS: ServerRenewals = { leases: 0, failures: 0, notAsked: 0, lastError: undefined }
