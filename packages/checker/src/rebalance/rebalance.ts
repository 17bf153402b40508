import { sameBytes } from '@lafs/crypto'
import { RepairRequiresWritecapError } from '@lafs/filesystem-interface'
import type { ProgressOptions } from '@lafs/filesystem-interface'
import { serversOfHappiness } from '@lafs/immutable'
import { openMutableFile, ServerMap, updateServermap } from '@lafs/mutable'
import { StorageError } from '@lafs/storage-interface'
import type { IServer, ShareNumber } from '@lafs/storage-interface'
import { Cancellation } from '@lafs/storage-protocol/waiting'
import { MutableWriteCap } from '@lafs/uri'
import type { ChkVerifierCap } from '@lafs/uri'
import type { CheckerContext } from '../context.ts'
import { checkImmutable } from '../immutable/check.ts'
import { createShareVerifier } from '../immutable/share-verifier.ts'
import { resolveTarget } from '../target.ts'
import type { CheckTarget, MutableTarget } from '../target.ts'
import { ask } from './move.ts'
import type { MovePlace, MoveUnderWay } from './move.ts'
import { moveImmutableShare } from './move-immutable.ts'
import { moveMutableShare } from './move-mutable.ts'
import { rebalancingMoves, sharemapAfter } from './plan.ts'
import type { ShareMove } from './plan.ts'

/** Which shares of a file are to move where. */
export interface RebalancePlan {
  /** 16 bytes; none for what is stored nowhere. */
  readonly storageIndex: Uint8Array
  readonly moves: readonly ShareMove[]
  /** Servers of happiness, as things stand and once all moves are made. */
  readonly happinessBefore: number
  readonly happinessAfter: number
}

/** What came of a move. The old share stays wherever the new one has not been verified. */
export interface MoveOutcome {
  readonly move: ShareMove
  /** Why it was not made; undefined where it was. */
  readonly error: unknown
  /** Whether the old share is gone; a server that cannot let go of a lease keeps it until that ends. */
  readonly oldShareReleased: boolean
}

/** The good shares of a file, as far as servers can be believed. */
interface LocatedShares {
  readonly sharemap: ReadonlyMap<ShareNumber, ReadonlySet<string>>
  /** Whether a server may get a share: it answers, and has nothing that is in the way. */
  readonly mayTake: (server: IServer) => boolean
  /** At least so many bytes a share. */
  readonly shareSize: number
}

/**
 * Finds out which shares of a file should move so that it survives the loss of more servers. Moves
 * nothing. The plan is empty where no move helps, and for what is stored nowhere (LIT).
 *
 * Servers are believed as to which shares they have; what is moved is verified then. Shares go to
 * servers that answer, that take shares and that have room for one; not to those with bad shares of
 * this file or with shares of other versions.
 */
export async function planRebalance(
  target: CheckTarget,
  context: CheckerContext,
  options: ProgressOptions = {},
): Promise<RebalancePlan> {
  const resolved = resolveTarget(target)
  if (resolved.kind === 'literal') return planFor(new Uint8Array(), new Map(), [])
  const { storageIndex } = resolved.cap
  const { sharemap, mayTake, shareSize } =
    resolved.kind === 'immutable'
      ? await locateImmutable(resolved.cap, context, options)
      : await locateMutable(resolved, context, options)
  const takers = context.broker
    .serversForStorageIndex(storageIndex, { forUpload: true })
    .filter(mayTake)
  const idsOf = (servers: readonly IServer[]): string[] => servers.map(({ serverId }) => serverId)
  const moves = rebalancingMoves({ sharemap, candidateServers: idsOf(takers) })
  if (moves.length === 0) return planFor(storageIndex, sharemap, moves)
  const roomy = await withRoom(takers, shareSize, context, options.signal)
  return planFor(
    storageIndex,
    sharemap,
    rebalancingMoves({ sharemap, candidateServers: idsOf(roomy) }),
  )
}

function planFor(
  storageIndex: Uint8Array,
  sharemap: LocatedShares['sharemap'],
  moves: readonly ShareMove[],
): RebalancePlan {
  return {
    storageIndex,
    moves,
    happinessBefore: serversOfHappiness(sharemap),
    happinessAfter: serversOfHappiness(sharemapAfter(sharemap, moves)),
  }
}

async function locateImmutable(
  cap: ChkVerifierCap,
  context: CheckerContext,
  options: ProgressOptions,
): Promise<LocatedShares> {
  const results = await checkImmutable(cap, context, options)
  const sharemap = new Map<ShareNumber, ReadonlySet<string>>()
  for (const [share, servers] of results.sharemap) {
    if (typeof share === 'number') sharemap.set(share, servers)
  }
  return {
    sharemap,
    mayTake: ({ serverId }) => results.serversResponding.has(serverId),
    shareSize: Math.ceil(cap.size / cap.requiredShares),
  }
}

async function locateMutable(
  target: MutableTarget,
  context: CheckerContext,
  options: ProgressOptions,
): Promise<LocatedShares> {
  const { file, queue } = openMutableFile(target.cap, target.node, context)
  const map = new ServerMap()
  await queue.look(() => updateServermap(file, map, 'MODE_CHECK', options), options)
  const best = map.bestRecoverableVersion()
  const sharemap = new Map<ShareNumber, Set<string>>()
  const inTheWay = new Set([...map.knownBadShares()].map(({ server }) => server.serverId))
  for (const { server, shareNumber, version } of map.shares()) {
    const { serverId } = server
    if (version.id !== best?.id) inTheWay.add(serverId)
    else sharemap.set(shareNumber, (sharemap.get(shareNumber) ?? new Set()).add(serverId))
  }
  return {
    sharemap,
    mayTake: ({ serverId }) => map.reachableServers.has(serverId) && !inTheWay.has(serverId),
    shareSize: best?.header.shareEnd ?? 0,
  }
}

/** The servers that say that they have room for a share of this size. */
async function withRoom(
  servers: readonly IServer[],
  shareSize: number,
  context: CheckerContext,
  signal: AbortSignal | undefined,
): Promise<IServer[]> {
  const requests = new Cancellation(signal)
  const hasRoom = async (server: IServer): Promise<boolean> => {
    try {
      const version = await ask({ context, requests }, { server }, async (options) =>
        (await server.storageServer(options)).getVersion(options),
      )
      return version.availableSpace >= shareSize && version.maximumImmutableShareSize >= shareSize
    } catch {
      requests.signal.throwIfAborted()
      return false
    }
  }
  try {
    const answers = await Promise.all(servers.map(hasRoom))
    return servers.filter((_, index) => answers[index])
  } finally {
    requests.dispose()
  }
}

/** Moves one share of a file. @returns whether the old one is gone. */
type Mover = (move: MoveUnderWay) => Promise<boolean>

/**
 * Moves shares as planned, one after another: each is copied, verified on its new server, and only
 * then let go of on the old one. A move that fails is an outcome, and the next one is made. Whatever
 * happens, and wherever it stops, there are as many good shares as before.
 *
 * @throws {@link RepairRequiresWritecapError} for a mutable file without its write cap; RangeError for
 *   the plan of another file; the reason of the signal.
 */
export async function rebalance(
  target: CheckTarget,
  plan: RebalancePlan,
  context: CheckerContext,
  options: ProgressOptions = {},
): Promise<readonly MoveOutcome[]> {
  const resolved = resolveTarget(target)
  const storageIndex = resolved.kind === 'literal' ? new Uint8Array() : resolved.cap.storageIndex
  if (!sameBytes(storageIndex, plan.storageIndex)) {
    throw new RangeError('expected the plan of this file, got that of another one')
  }
  if (resolved.kind === 'literal') return []
  if (resolved.kind === 'mutable') return rebalanceMutable(resolved, plan, context, options)
  const verify = createShareVerifier(resolved.cap, context)
  return makeMoves(plan, (move) => moveImmutableShare(move, verify), context, options)
}

async function rebalanceMutable(
  { cap, node }: MutableTarget,
  plan: RebalancePlan,
  context: CheckerContext,
  options: ProgressOptions,
): Promise<readonly MoveOutcome[]> {
  if (!(cap instanceof MutableWriteCap)) {
    throw new RepairRequiresWritecapError(
      'shares of a mutable file can be moved with its write cap alone',
    )
  }
  const { file, queue } = openMutableFile(cap, node, context)
  return queue.edit(async () => {
    if (plan.moves.length === 0) return []
    const map = await updateServermap(file, new ServerMap(), 'MODE_CHECK', options)
    const version = map.bestRecoverableVersion()
    const mover: Mover = async (move) => {
      const { from, shareNumber } = move
      if (version !== undefined && map.versionOn(from.server, shareNumber)?.id === version.id) {
        return moveMutableShare({ ...move, file, version, writekey: cap.writekey })
      }
      throw new StorageError('STORAGE_NO_SUCH_SHARE', 'the best version has no such share there', {
        serverId: from.server.serverId,
        shareNumber,
      })
    }
    return makeMoves(plan, mover, context, options)
  }, options)
}

async function makeMoves(
  { storageIndex, moves }: RebalancePlan,
  mover: Mover,
  context: CheckerContext,
  { signal, onProgress }: ProgressOptions,
): Promise<MoveOutcome[]> {
  const requests = new Cancellation(signal)
  const outcomes: MoveOutcome[] = []
  const report = (): void =>
    onProgress?.({ phase: 'verifying', done: outcomes.length, total: moves.length })
  try {
    report()
    for (const move of moves) {
      requests.signal.throwIfAborted()
      const { shareNumber } = move
      try {
        const [from, to] = await Promise.all([
          placeOf(move.from, context, requests),
          placeOf(move.to, context, requests),
        ])
        const underWay = { storageIndex, shareNumber, from, to, context, requests }
        const oldShareReleased = await mover(underWay)
        outcomes.push({ move, error: undefined, oldShareReleased })
      } catch (error) {
        requests.signal.throwIfAborted()
        outcomes.push({ move, error, oldShareReleased: false })
      }
      report()
    }
    return outcomes
  } finally {
    requests.dispose()
  }
}

async function placeOf(
  serverId: string,
  context: CheckerContext,
  requests: Cancellation,
): Promise<MovePlace> {
  const server = context.broker.knownServers().find((one) => one.serverId === serverId)
  if (server === undefined) {
    throw new StorageError('STORAGE_UNREACHABLE', `there is no server ${serverId}`, { serverId })
  }
  const storage = await ask({ context, requests }, { server }, (options) =>
    server.storageServer(options),
  )
  return { server, storage }
}
