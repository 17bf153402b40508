import type { ICheckResults, RepairOptions } from '@lafs/filesystem-interface'
import type { ChkVerifierCap } from '@lafs/uri'
import type { CheckerContext } from '../context.ts'
import type { RepairOutcome } from '../results/check-results.ts'

/** Makes the shares of an immutable file that a check has missed. @see allmydata.immutable.repairer.Repairer */
export async function repairImmutable(
  cap: ChkVerifierCap,
  results: ICheckResults,
  context: CheckerContext,
  options: RepairOptions = {},
): Promise<RepairOutcome> {
  throw new Error(`not there yet: ${cap.size} ${results.uri} ${String(context)} ${String(options)}`)
}
