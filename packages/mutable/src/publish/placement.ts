import type { IServer, ShareNumber } from '@lafs/storage-interface'

/** One share on one server: there, or to be put there. */
export interface Placement {
  readonly server: IServer
  readonly shareNumber: ShareNumber
}

/** A text that is the same for equal placements, and for them alone. */
export function placementKey({ server, shareNumber }: Placement): string {
  return `${shareNumber}@${server.serverId}`
}

/**
 * Finds servers for shares that have none. A share that is somewhere stays there, however many
 * copies it has. The others go, in order of their numbers, to the servers with the fewest shares,
 * and among those in the order of `servers`; from the start again when there are more shares.
 *
 * @param goal - where shares are to be so far.
 * @param servers - the servers that new shares may go to, in the order of the file.
 * @returns the new placements, without those of `goal`; none when there are no servers.
 * @see allmydata.mutable.publish.Publish.update_goal
 */
export function placeHomelessShares(
  goal: readonly Placement[],
  servers: readonly IServer[],
  totalShares: number,
): Placement[] {
  const placed = new Set(goal.map(({ shareNumber }) => shareNumber))
  const shareCounts = new Map<string, number>()
  for (const { server } of goal) {
    shareCounts.set(server.serverId, (shareCounts.get(server.serverId) ?? 0) + 1)
  }
  const countOn = ({ serverId }: IServer): number => shareCounts.get(serverId) ?? 0
  // The sort is stable: servers with as many shares as each other keep their order.
  const order = servers.toSorted((a, b) => countOn(a) - countOn(b))
  const homeless = Array.from({ length: totalShares }, (_, share) => share).filter(
    (share) => !placed.has(share),
  )
  return homeless.flatMap((shareNumber, index) => {
    const server = order[index % order.length]
    return server === undefined ? [] : [{ server, shareNumber }]
  })
}
