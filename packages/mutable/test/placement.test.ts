import type { IServer } from '@lafs/storage-interface'
import { describe, expect, it } from 'vitest'
import { placeHomelessShares, placementKey } from '../src/publish/placement.ts'
import { recorded } from './publish-grid.ts'

function server(number: number): IServer {
  const id = `${number}`
  return {
    serverId: id,
    nickname: id,
    name: id,
    longName: id,
    permutationSeed: new Uint8Array(20),
    leaseSeed: new Uint8Array(20),
    connectionStatus: { connected: true, summary: 'connected' },
    uploadPermitted: () => true,
    storageServer: () => Promise.reject(new Error('not asked')),
  }
}

describe('placeHomelessShares', () => {
  it.each(recorded.placements.map((one, index) => ({ ...one, index })))(
    "places shares as upstream's update_goal does: $index",
    ({ servers: count, refusing, bad, totalShares, before, after, error }) => {
      const all = Array.from({ length: count }, (_, number) => server(number))
      const goal = before
        .filter(([number]) => !bad.includes(number))
        .map(([number, shareNumber]) => ({ server: all[number] ?? server(number), shareNumber }))
      const open = all.filter((_, number) => !refusing.includes(number) && !bad.includes(number))
      const added = placeHomelessShares(goal, open, totalShares)
      const pairs = [...goal, ...added].map((one) => [Number(one.server.serverId), one.shareNumber])
      if (after === null) {
        expect(error).toBe('NotEnoughServersError')
        expect(added).toEqual([])
        expect(open).toEqual([])
      } else {
        const order = (a: readonly unknown[], b: readonly unknown[]): number =>
          Number(a[0]) - Number(b[0]) || Number(a[1]) - Number(b[1])
        expect(pairs.toSorted(order)).toEqual(after)
      }
    },
  )

  it('tells placements apart by server and share', () => {
    const keys = [
      { server: server(1), shareNumber: 11 },
      { server: server(11), shareNumber: 1 },
      { server: server(1), shareNumber: 1 },
    ].map(placementKey)
    expect(new Set(keys).size).toBe(3)
  })
})
