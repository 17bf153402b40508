import type { RepairOptions, ICheckResults } from '@lafs/filesystem-interface'
import type { CheckerContext } from '../context.ts'
import type { RepairOutcome } from '../results/check-results.ts'
import type { MutableTarget } from './check.ts'

/**
 * Makes a mutable file whole again.
 *
 * @throws {@link RepairRequiresWritecapError}, {@link MustForceRepairError}.
 * @see allmydata.mutable.repairer.Repairer
 */
export async function repairMutable(
  target: MutableTarget,
  results: ICheckResults,
  context: CheckerContext,
  options: RepairOptions = {},
): Promise<RepairOutcome> {
  throw new Error(
    `not there yet: ${target.uri} ${results.uri} ${String(context)} ${String(options)}`,
  )
}
