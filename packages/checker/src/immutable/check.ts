import type { CheckOptions, ICheckResults } from '@lafs/filesystem-interface'
import type { ChkVerifierCap } from '@lafs/uri'
import type { CheckerContext } from '../context.ts'

/** Looks at the health of an immutable file. @see allmydata.immutable.checker.Checker */
export async function checkImmutable(
  cap: ChkVerifierCap,
  context: CheckerContext,
  options: CheckOptions = {},
): Promise<ICheckResults> {
  throw new Error(`not there yet: ${cap.size} ${String(context.clock)} ${String(options.verify)}`)
}
