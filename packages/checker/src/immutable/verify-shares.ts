import type { ProgressListener, ShareLocator } from '@lafs/filesystem-interface'
import type { ShareMap } from '@lafs/immutable'
import type { IServer, RIBucketReader } from '@lafs/storage-interface'
import type { Cancellation } from '@lafs/storage-protocol/waiting'
import type { ChkVerifierCap } from '@lafs/uri'
import type { CheckerContext } from '../context.ts'
import { addHolder } from './findings.ts'
import { createShareVerifier, memoryForVerifying } from './share-verifier.ts'
import type { ShareVerdict, VerifiedBlocks } from './share-verifier.ts'
import { inTime, NOTICE_TIMEOUT_MS } from './timeouts.ts'

/** Shares of one file that are read at once. */
const SHARES_AT_ONCE = 10
/** Bytes that they may need together, unless a single one needs more. */
const MEMORY_MAX = 64 * 1024 * 1024

/** A share that a server says it has. */
export interface FoundShare {
  readonly server: IServer
  readonly shareNumber: number
  readonly bucket: RIBucketReader
}

/** What came of looking at the shares that were found. */
export interface JudgedShares {
  readonly sharemap: ShareMap
  readonly corruptShares: readonly ShareLocator[]
  readonly incompatibleShares: readonly ShareLocator[]
  readonly report: readonly string[]
}

/** Reads the shares that were found, several at once, and tells servers of what is corrupt. */
export async function verifyFoundShares(
  cap: ChkVerifierCap,
  shares: readonly FoundShare[],
  context: CheckerContext,
  options: {
    readonly requests: Cancellation
    readonly onProgress?: ProgressListener | undefined
    /** Default: all. */
    readonly blocks?: VerifiedBlocks | undefined
  },
): Promise<JudgedShares> {
  const { requests, onProgress, blocks } = options
  const verifyShare = createShareVerifier(cap, context)
  const total = shares.length
  const verdicts: ShareVerdict[] = []
  let done = 0
  onProgress?.({ phase: 'verifying', done, total })
  const queue = shares.entries()
  const work = async (): Promise<void> => {
    for (const [index, share] of queue) {
      const verdict = await requests.run((signal) =>
        verifyShare(share.bucket, share.shareNumber, { signal, blocks }),
      )
      verdicts[index] = verdict
      if (verdict.kind === 'corrupt') await advise(share, verdict.reason, context, requests)
      onProgress?.({ phase: 'verifying', done: ++done, total })
    }
  }
  const workers = Math.max(1, Math.floor(MEMORY_MAX / memoryForVerifying(cap)))
  await Promise.all(Array.from({ length: Math.min(workers, SHARES_AT_ONCE, total) }, work))
  return judge(cap, shares, verdicts)
}

function judge(
  { storageIndex }: ChkVerifierCap,
  shares: readonly FoundShare[],
  verdicts: readonly ShareVerdict[],
): JudgedShares {
  const sharemap: ShareMap = new Map()
  const corruptShares: ShareLocator[] = []
  const incompatibleShares: ShareLocator[] = []
  const report: string[] = []
  for (const [index, { server, shareNumber }] of shares.entries()) {
    const verdict = verdicts[index]
    if (verdict === undefined) continue
    const { serverId } = server
    const locator = { serverId, storageIndex, shareNumber }
    if (verdict.kind === 'good') {
      addHolder(sharemap, shareNumber, serverId)
      continue
    }
    if (verdict.kind === 'corrupt') corruptShares.push(locator)
    if (verdict.kind === 'incompatible') incompatibleShares.push(locator)
    report.push(`share ${shareNumber} on ${server.name} is ${verdict.kind}: ${verdict.reason}`)
  }
  return { sharemap, corruptShares, incompatibleShares, report }
}

/** Tells a server that a share of its is corrupt; that it may not hear of it is its own loss. */
async function advise(
  { bucket }: FoundShare,
  reason: string,
  { clock }: CheckerContext,
  requests: Cancellation,
): Promise<void> {
  await inTime((signal) => bucket.adviseCorruptShare(reason, { signal }), {
    requests,
    clock,
    delayMs: NOTICE_TIMEOUT_MS,
  }).catch(() => {})
  requests.signal.throwIfAborted()
}
