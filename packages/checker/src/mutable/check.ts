import type { CheckOptions, ICheckResults } from '@lafs/filesystem-interface'
import type { CheckerContext } from '../context.ts'
import type { ResolvedTarget } from '../target.ts'

/** A mutable file that is to be checked. */
export type MutableTarget = Extract<ResolvedTarget, { readonly kind: 'mutable' }>

/** Looks at the health of a mutable file. @see allmydata.mutable.checker.MutableChecker */
export async function checkMutable(
  target: MutableTarget,
  context: CheckerContext,
  options: CheckOptions = {},
): Promise<ICheckResults> {
  throw new Error(`not there yet: ${target.uri} ${String(context)} ${String(options)}`)
}
