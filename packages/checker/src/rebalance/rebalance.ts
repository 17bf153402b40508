import type { ProgressOptions } from '@lafs/filesystem-interface'
import type { CheckerContext } from '../context.ts'
import type { CheckTarget } from '../target.ts'
import type { ShareMove } from './plan.ts'

/** Which shares of a file are to move where. */
export interface RebalancePlan {
  /** 16 bytes. */
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

/**
 * Finds out which shares of a file should move so that it survives the loss of more servers. Moves
 * nothing. The plan is empty where no move helps, and for what is stored nowhere (LIT).
 */
export async function planRebalance(
  target: CheckTarget,
  context: CheckerContext,
  options: ProgressOptions = {},
): Promise<RebalancePlan> {
  throw new Error(`not there yet: ${String(target)} ${String(context)} ${String(options)}`)
}

/**
 * Moves shares as planned, one after another: each is copied, verified on its new server, and only
 * then let go of on the old one.
 *
 * @throws {@link RepairRequiresWritecapError} for a mutable file without its write cap.
 */
export async function rebalance(
  target: CheckTarget,
  plan: RebalancePlan,
  context: CheckerContext,
  options: ProgressOptions = {},
): Promise<readonly MoveOutcome[]> {
  throw new Error(
    `not there yet: ${String(target)} ${plan.moves.length} ${String(context)} ${String(options)}`,
  )
}
