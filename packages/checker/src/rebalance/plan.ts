import { sharesByServer } from '@lafs/immutable'
import type { ShareNumber } from '@lafs/storage-interface'

/** One share that is to move. */
export interface ShareMove {
  readonly shareNumber: ShareNumber
  /** The ids of the servers. */
  readonly from: string
  readonly to: string
  /** Why, for people. */
  readonly reason: string
}

/** What {@link rebalancingMoves} decides upon. Servers are named by their ids. */
export interface RebalancingQuestion {
  /** The servers that hold each share: good ones only. */
  readonly sharemap: ReadonlyMap<ShareNumber, ReadonlySet<string>>
  /** Servers that take a share more, whether they hold any or not; those to be filled first, first. */
  readonly candidateServers: Iterable<string>
}

const byNumber = (a: number, b: number): number => a - b

/**
 * Decides which shares must move where so that as many servers as can be hold a share of their own
 * ("servers of happiness"): the fewest moves that get there, none where nothing gets better. Every
 * move makes one more server happy, whichever of the others are made. No share is moved twice, none
 * to a server that has it, and each copy of a share stays one.
 *
 * The answer depends on what is asked alone, not on the order in which a map or a set gives it.
 */
export function rebalancingMoves(question: RebalancingQuestion): ShareMove[] {
  const candidates = [...new Set(question.candidateServers)]
  const held = sharesByServer(question.sharemap)
  const isCandidate = new Set(candidates)
  const fixed = [...held.keys()].filter((server) => !isCandidate.has(server)).toSorted()
  // A server that is matched stays so: those that take nothing come first, lest they cost a place
  // that could take a share.
  const keeps = keptShares([...fixed, ...candidates], held)

  const load = new Map([...held].map(([server, shares]) => [server, shares.size]))
  const loadOf = (server: string): number => load.get(server) ?? 0
  const kept = new Set(keeps.values())
  const surplus = new Set([...question.sharemap.keys()].filter((share) => !kept.has(share)))
  const free = candidates
    .filter((server) => !keeps.has(server))
    .toSorted((a, b) => loadOf(a) - loadOf(b))

  const moves: ShareMove[] = []
  for (const to of free) {
    const source = mostLaden(surplus, question.sharemap, loadOf)
    if (source === undefined) break
    const { shareNumber, from } = source
    moves.push({ shareNumber, from, to, reason: reasonOf(loadOf(from), loadOf(to)) })
    surplus.delete(shareNumber)
    load.set(from, loadOf(from) - 1)
    load.set(to, loadOf(to) + 1)
  }
  return moves
}

/** Where each share is once these moves are made, in fresh memory. */
export function sharemapAfter(
  sharemap: ReadonlyMap<ShareNumber, ReadonlySet<string>>,
  moves: readonly ShareMove[],
): Map<ShareNumber, Set<string>> {
  const after = new Map([...sharemap].map(([share, servers]) => [share, new Set(servers)]))
  for (const { shareNumber, from, to } of moves) {
    const servers = after.get(shareNumber)
    servers?.delete(from)
    servers?.add(to)
  }
  return after
}

/**
 * A maximum matching of servers to shares that they hold, by augmenting paths from one server after
 * another: of all those that there are, one that prefers servers that come early.
 *
 * @returns the share that each server is there for.
 */
function keptShares(
  servers: readonly string[],
  held: ReadonlyMap<string, ReadonlySet<ShareNumber>>,
): Map<string, ShareNumber> {
  const keeperOf = new Map<ShareNumber, string>()
  const finds = (server: string, seen: Set<ShareNumber>): boolean => {
    for (const share of [...(held.get(server) ?? [])].toSorted(byNumber)) {
      if (seen.has(share)) continue
      seen.add(share)
      const keeper = keeperOf.get(share)
      if (keeper !== undefined && !finds(keeper, seen)) continue
      keeperOf.set(share, server)
      return true
    }
    return false
  }
  for (const server of servers) finds(server, new Set())
  return new Map([...keeperOf].map(([share, server]) => [server, share]))
}

/** The share to move next: one on the server with the most shares; of equals, what comes first. */
function mostLaden(
  surplus: ReadonlySet<ShareNumber>,
  sharemap: ReadonlyMap<ShareNumber, ReadonlySet<string>>,
  loadOf: (server: string) => number,
): { readonly shareNumber: ShareNumber; readonly from: string } | undefined {
  let best: { readonly shareNumber: ShareNumber; readonly from: string } | undefined
  for (const shareNumber of [...surplus].toSorted(byNumber)) {
    for (const from of [...(sharemap.get(shareNumber) ?? [])].toSorted()) {
      if (best === undefined || loadOf(from) > loadOf(best.from)) best = { shareNumber, from }
    }
  }
  return best
}

/** What is moved away is never alone on its server: else it would be what that server is there for. */
function reasonOf(onOld: number, onNew: number): string {
  const there = onNew === 0 ? 'none' : `${onNew} that other servers keep as well`
  return `its server holds ${onOld} shares of this file, the new one ${there}`
}
