/** Which servers hold each share, by share number. */
export type ShareMap = Map<number, Set<string>>

/** What {@link sharePlacement} decides upon. Servers are named by their ids. */
export interface PlacementQuestion {
  /** Servers that take shares, in the order in which they are to be filled. */
  readonly peers: Iterable<string>
  /** Servers that take none; the shares that they hold count all the same. */
  readonly readonlyPeers: Iterable<string>
  readonly shareNumbers: Iterable<number>
  /** The shares that each server holds already. */
  readonly peersToShares: ReadonlyMap<string, ReadonlySet<number>>
}

type Matching = Map<number, string | undefined>

const byNumber = (a: number, b: number): number => a - b

/**
 * Decides which server each share goes to, or stays on, so that as many servers as can be hold a
 * share of their own ("servers of happiness").
 *
 * The answer is upstream's, tie for tie, where upstream's walks over sets go by the order of `peers`
 * and by rising share number: first the shares on readonly servers are matched, then the other
 * existing ones, then what is left goes to servers that are left; a share that found no server stays
 * where it is, or goes to the existing holder with the fewest shares, or to any server in turn.
 *
 * Two properties look odd and are upstream's: once any existing share is found on a server that is
 * not used up, every such server is taken to be able to hold any of those shares; and a share that
 * a server holds may be placed on another one.
 *
 * @returns the server of each share; a share with no place (there are no peers) is not in it.
 * @see allmydata.immutable.happiness_upload.share_placement
 */
export function sharePlacement(question: PlacementQuestion): Map<number, string> {
  const peers = [...question.peers]
  if (peers.length === 0) return new Map()
  const readonlyPeers = [...question.readonlyPeers]
  const isReadonly = new Set(readonlyPeers)
  const shares = [...question.shareNumbers].toSorted(byNumber)
  const held = question.peersToShares

  const readonlyHeld = new Map([...held].filter(([peer]) => isReadonly.has(peer)))
  const readonlyShares = new Set([...readonlyHeld.values()].flatMap((numbers) => [...numbers]))
  const onReadonly = match(readonlyPeers, [...readonlyShares].toSorted(byNumber), readonlyHeld)
  const used = usedBy(onReadonly)

  let free = peers.filter((peer) => !used.peers.has(peer))
  let left = shares.filter((share) => !used.shares.has(share))
  const stillHeld = new Map<string, Set<number>>()
  for (const [peer, numbers] of held) {
    if (used.peers.has(peer)) continue
    const rest = [...numbers].filter((share) => !used.shares.has(share))
    if (rest.length > 0) stillHeld.set(peer, new Set(rest))
    else free = free.filter((name) => name !== peer)
  }
  const existing = match(free, left, stillHeld)
  const kept = usedBy(existing)

  free = free.filter((peer) => !kept.peers.has(peer))
  left = left.filter((share) => !kept.shares.has(share))
  const fresh = match(free, left, new Map())

  const placed: Matching = new Map([...onReadonly, ...existing, ...fresh])
  const writableHeld = new Map([...held].filter(([peer]) => !isReadonly.has(peer)))
  placeHomeless(placed, writableHeld)
  return roundRobin(
    placed,
    peers.filter((peer) => !isReadonly.has(peer)),
  )
}

function usedBy(matching: Matching): { peers: Set<string>; shares: Set<number> } {
  const peers = new Set<string>()
  const shares = new Set<number>()
  for (const [share, peer] of matching) {
    if (peer === undefined) continue
    peers.add(peer)
    shares.add(share)
  }
  return { peers, shares }
}

/** Gives the shares without a server to those that hold some: the holder itself, or the least laden. */
function placeHomeless(placed: Matching, held: ReadonlyMap<string, ReadonlySet<number>>): void {
  const homeless = [...placed].filter(([, peer]) => peer === undefined).map(([share]) => share)
  const unheld: number[] = []
  for (const share of homeless.toSorted(byNumber)) {
    const holder = [...held].find(([, numbers]) => numbers.has(share))
    if (holder === undefined) unheld.push(share)
    else placed.set(share, holder[0])
  }
  const load = new Map([...held.keys()].map((peer) => [peer, 0]))
  for (const peer of placed.values()) {
    const count = peer === undefined ? undefined : load.get(peer)
    if (peer !== undefined && count !== undefined) load.set(peer, count + 1)
  }
  if (load.size === 0) return
  for (const share of unheld) {
    const [peer, count] = [...load].reduce((best, entry) =>
      entry[1] < best[1] || (entry[1] === best[1] && entry[0] < best[0]) ? entry : best,
    )
    placed.set(share, peer)
    load.set(peer, count + 1)
  }
}

function roundRobin(placed: Matching, peers: readonly string[]): Map<number, string> {
  const answer = new Map<number, string>()
  let turn = 0
  for (const [share, peer] of placed) {
    const server = peer ?? peers[turn++ % peers.length]
    if (server !== undefined) answer.set(share, server)
  }
  return answer
}

/**
 * A maximum matching of shares to peers. With an empty `held` any peer may take any share; else each
 * peer may take every share that some of these peers holds (upstream's reading of the map).
 */
function match(
  peers: readonly string[],
  shares: readonly number[],
  held: ReadonlyMap<string, ReadonlySet<number>>,
): Matching {
  const indexOf = new Map(shares.map((share, index) => [share, index]))
  const candidates =
    held.size === 0
      ? shares.map((_, index) => index)
      : peers
          .flatMap((peer) => [...(held.get(peer) ?? [])].toSorted(byNumber))
          .map((share) => indexOf.get(share))
          .filter((index) => index !== undefined)
  const matched = maximumMatching(
    peers.map(() => candidates),
    shares.length,
  )
  return new Map(shares.map((share, index) => [share, peers[matched[index] ?? -1]]))
}

/**
 * A maximum matching by shortest augmenting paths (Edmonds-Karp on the unit network source, peers,
 * shares, sink), visiting neighbours in the order of their lists, so that ties fall as upstream's do.
 *
 * @param adjacency - for each peer, the indexes of the shares that it can take.
 * @returns for each share the index of its peer, or undefined.
 */
function maximumMatching(
  adjacency: readonly (readonly number[])[],
  shareCount: number,
): (number | undefined)[] {
  const peerOf: (number | undefined)[] = Array.from({ length: shareCount }, () => undefined)
  const busy = adjacency.map(() => false)
  for (;;) {
    const cameFrom: (number | undefined)[] = Array.from({ length: shareCount }, () => undefined)
    const queue = adjacency.map((_, peer) => peer).filter((peer) => busy[peer] === false)
    const seen = new Set(queue)
    let end: number | undefined
    // The breadth-first walk sees shares peer by peer, so the first free share seen ends the path:
    // the queue of shares between two layers of peers needs no list of its own.
    for (let at = 0; at < queue.length && end === undefined; at++) {
      const peer = queue[at] ?? 0
      for (const share of adjacency[peer] ?? []) {
        if (cameFrom[share] !== undefined || peerOf[share] === peer) continue
        cameFrom[share] = peer
        const holder = peerOf[share]
        if (holder === undefined) {
          end = share
          break
        }
        if (!seen.has(holder)) {
          seen.add(holder)
          queue.push(holder)
        }
      }
    }
    if (end === undefined) return peerOf
    for (let share: number | undefined = end; share !== undefined;) {
      const peer: number = cameFrom[share] ?? 0
      const next: number = peerOf.indexOf(peer)
      peerOf[share] = peer
      busy[peer] = true
      share = next < 0 ? undefined : next
    }
  }
}

/**
 * How many servers a placement uses.
 *
 * @see allmydata.immutable.happiness_upload.calculate_happiness
 */
export function calculateHappiness(placement: ReadonlyMap<number, string>): number {
  return new Set(placement.values()).size
}

/** The servers of a share map, each with the shares that it holds. */
export function sharesByServer(
  shareMap: ReadonlyMap<number, ReadonlySet<string>>,
): Map<string, Set<number>> {
  const servers = new Map<string, Set<number>>()
  for (const [share, peers] of shareMap) {
    for (const peer of peers) {
      const shares = servers.get(peer) ?? new Set()
      servers.set(peer, shares.add(share))
    }
  }
  return servers
}

/**
 * The servers of happiness of a share map: the size of a maximum matching between its servers and
 * its shares.
 *
 * @see allmydata.util.happinessutil.servers_of_happiness
 */
export function serversOfHappiness(shareMap: ReadonlyMap<number, ReadonlySet<string>>): number {
  const indexOf = new Map([...shareMap.keys()].map((share, index) => [share, index]))
  const adjacency = [...sharesByServer(shareMap).values()].map((shares) =>
    [...shares].map((share) => indexOf.get(share) ?? 0),
  )
  return maximumMatching(adjacency, shareMap.size).filter((peer) => peer !== undefined).length
}

/** What {@link placeMissingShares} decides upon. Servers are named by their ids. */
export interface MissingSharesQuestion {
  /** Servers that take shares, in the order in which they are to be filled. */
  readonly peers: Iterable<string>
  readonly missingShares: Iterable<number>
  /** The servers of every other share. */
  readonly shareMap: ReadonlyMap<number, ReadonlySet<string>>
  /** Whether a missing share may go to one of these servers. */
  readonly allowed: (peer: string, share: number) => boolean
}

/**
 * Decides where shares go that are missing, so that as many servers as can be hold a share of their
 * own. All other shares stay where they are. Where several answers are as good, servers that hold
 * nothing come first; a share that makes no server happier goes to the one with the fewest shares.
 *
 * @returns the server of each share; one that is allowed nowhere is not in it.
 */
export function placeMissingShares(question: MissingSharesQuestion): Map<number, string> {
  const { shareMap, allowed } = question
  const missing = [...question.missingShares].toSorted(byNumber)
  const peers = [...question.peers]
  const held = sharesByServer(shareMap)
  const takers = new Set(peers)
  const servers = [
    ...peers.filter((peer) => !held.has(peer)),
    ...peers.filter((peer) => held.has(peer)),
    ...[...held.keys()].filter((server) => !takers.has(server)),
  ]
  const shares = [...new Set([...shareMap.keys(), ...missing])]
  const indexOf = new Map(shares.map((share, index) => [share, index]))
  const adjacency = servers.map((server) => {
    const takes = takers.has(server) ? missing.filter((share) => allowed(server, share)) : []
    return [...(held.get(server) ?? []), ...takes].map((share) => indexOf.get(share) ?? 0)
  })
  const matched = maximumMatching(adjacency, shares.length)

  const placed = new Map<number, string>()
  const load = new Map(peers.map((peer) => [peer, held.get(peer)?.size ?? 0]))
  const place = (share: number, server: string): void => {
    placed.set(share, server)
    load.set(server, (load.get(server) ?? 0) + 1)
  }
  for (const share of missing) {
    const server = servers[matched[indexOf.get(share) ?? -1] ?? -1]
    if (server !== undefined) place(share, server)
  }
  for (const share of missing) {
    if (placed.has(share)) continue
    const [least] = peers
      .filter((peer) => allowed(peer, share))
      .toSorted((a, b) => (load.get(a) ?? 0) - (load.get(b) ?? 0))
    if (least !== undefined) place(share, least)
  }
  return placed
}

/** The numbers that {@link failureMessage} speaks of. */
export interface UnhappyFacts {
  /** Servers on which any share could be placed or found. */
  readonly peerCount: number
  readonly requiredShares: number
  /** The servers of happiness that were asked for. */
  readonly happyShares: number
  /** The servers of happiness that could be had. */
  readonly happiness: number
}

/**
 * Says why an upload cannot be spread well enough, in the words that users of Tahoe-LAFS know.
 *
 * @see allmydata.util.happinessutil.failure_message
 */
export function failureMessage(facts: UnhappyFacts): string {
  const { peerCount, requiredShares: k, happyShares: happy, happiness } = facts
  if (peerCount < k) {
    return (
      `shares could be placed or found on only ${peerCount} server(s). We were asked to place ` +
      `shares on at least ${happy} server(s) such that any ${k} of them have enough shares to ` +
      `recover the file.`
    )
  }
  if (happiness < k) {
    return (
      `shares could be placed or found on ${peerCount} server(s), but they are not spread out ` +
      `evenly enough to ensure that any ${k} of these servers would have enough shares to recover ` +
      `the file. We were asked to place shares on at least ${happy} servers such that any ${k} of ` +
      `them have enough shares to recover the file.`
    )
  }
  return (
    `shares could be placed on only ${happiness} server(s) such that any ${k} of them have enough ` +
    `shares to recover the file, but we were asked to place shares on at least ${happy} such servers.`
  )
}
