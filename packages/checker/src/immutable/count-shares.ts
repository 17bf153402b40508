import type { IServer, IStorageServer } from '@lafs/storage-interface'
import type { Cancellation } from '@lafs/storage-protocol/waiting'
import type { ChkVerifierCap } from '@lafs/uri'
import type { CheckerContext } from '../context.ts'
import { addHolder } from './findings.ts'
import type { VerifiedBlocks } from './share-verifier.ts'
import { spoiltKey } from './standing.ts'
import type { Standing } from './standing.ts'
import { inTime, messageOf, QUERY_TIMEOUT_MS } from './timeouts.ts'
import { verifyFoundShares } from './verify-shares.ts'
import type { FoundShare } from './verify-shares.ts'

/** Shares that a server says it has. */
export interface ClaimedShares {
  readonly server: IServer
  readonly storage: IStorageServer
  readonly shareNumbers: readonly number[]
}

/**
 * Asks servers for shares that they say they have, looks at them, and counts those that are good. The
 * others bar their number from their server, and the report tells of them.
 *
 * @param blocks - which of each share to look at.
 * @throws the reason of the signal; a server that fails is an outcome.
 */
export async function countGoodShares(
  claims: readonly ClaimedShares[],
  repair: {
    readonly cap: ChkVerifierCap
    readonly context: CheckerContext
    readonly standing: Standing
    readonly requests: Cancellation
  },
  blocks: VerifiedBlocks,
): Promise<void> {
  const { cap, context, standing, requests } = repair
  const limit = { requests, clock: context.clock, delayMs: QUERY_TIMEOUT_MS }
  const listShares = async ({ server, storage, shareNumbers }: ClaimedShares) => {
    try {
      const buckets = await inTime(
        (signal) => storage.getBuckets(cap.storageIndex, { signal }),
        limit,
      )
      return shareNumbers.flatMap((shareNumber): FoundShare[] => {
        const bucket = buckets.get(shareNumber)
        if (bucket !== undefined) return [{ server, shareNumber, bucket }]
        standing.report.push(`share ${shareNumber} on ${server.name} is not there`)
        return []
      })
    } catch (error) {
      requests.signal.throwIfAborted()
      standing.report.push(`${server.name}: ${messageOf(error)}`)
      return []
    }
  }
  const found = (await Promise.all(claims.map(listShares))).flat()
  const judged = await verifyFoundShares(cap, found, context, { requests, blocks })
  standing.corruptShares.push(...judged.corruptShares)
  standing.incompatibleShares.push(...judged.incompatibleShares)
  standing.report.push(...judged.report)
  for (const { server, shareNumbers } of claims) {
    for (const share of shareNumbers) {
      const isGood = judged.sharemap.get(share)?.has(server.serverId) === true
      if (isGood) addHolder(standing.sharemap, share, server.serverId)
      else standing.spoilt.add(spoiltKey(server.serverId, share))
    }
  }
}
