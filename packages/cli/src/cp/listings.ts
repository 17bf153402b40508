import type { WebContext } from '../web-command.ts'
import { bestCap, describe } from '../web-path.ts'
import type { NodeFacts } from '../web-path.ts'
import type { Limit } from './concurrently.ts'

/** The entries of a directory by their names. */
type Listing = ReadonlyMap<string, NodeFacts>

/**
 * The listings of directories, each asked for once, and some before anybody needs them. One that cannot
 * be had ends nothing but its own promise.
 */
export interface Listings {
  /** The entries of a directory, which may have been told with it. */
  of(facts: NodeFacts): Promise<Listing>
  /** Asks for the listing of a directory that will be needed soon. */
  prepare(facts: NodeFacts): void
}

/** Asks a gateway for listings. */
export function createListings(web: WebContext, limit: Limit): Listings {
  const asked = new WeakMap<NodeFacts, Promise<Listing>>()
  const ask = async (facts: NodeFacts): Promise<Listing> => {
    const place = { root: bestCap(facts), path: '' }
    const [outcome] = await limit(() => Promise.allSettled([describe(web, place)]))
    if (outcome.status === 'rejected') throw outcome.reason
    return outcome.value.facts.children ?? new Map<string, NodeFacts>()
  }
  const of = (facts: NodeFacts): Promise<Listing> => {
    if (facts.children !== undefined) return Promise.resolve(facts.children)
    const found = asked.get(facts) ?? ask(facts)
    asked.set(facts, found)
    return found
  }
  return {
    of,
    prepare: (facts) => {
      // Whoever needs it hears of the failure.
      of(facts).catch(() => undefined)
    },
  }
}
