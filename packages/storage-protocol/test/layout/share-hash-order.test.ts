import { loadVectors } from '@lafs/vectors'
import { expect, it } from 'vitest'
import { shareHashOrder } from '@lafs/storage-protocol/layout'

interface Orders {
  cases: { total: number; chains: number[][] }[]
}

const { cases } = await loadVectors<Orders>('chk/share-hash-order')

it.each(cases)('orders the share hash chains of $total shares as upstream does', (recorded) => {
  expect(recorded.chains.map((_, share) => shareHashOrder(recorded.total, share))).toEqual(
    recorded.chains,
  )
})
