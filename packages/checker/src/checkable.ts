import type {
  CheckOptions,
  ICheckable,
  ICheckAndRepairResults,
  ICheckResults,
  IRepairable,
} from '@lafs/filesystem-interface'
import type { CheckerContext } from './context.ts'
import { checkImmutable } from './immutable/check.ts'
import { repairImmutable } from './immutable/repair.ts'
import { checkMutable } from './mutable/check.ts'
import { repairMutable } from './mutable/repair.ts'
import { withoutRepair } from './results/check-results.ts'
import type { RepairOutcome } from './results/check-results.ts'
import { resolveTarget } from './target.ts'
import type { CheckTarget, ResolvedTarget } from './target.ts'

/** An object whose health can be looked at and mended. */
export type Checkable = ICheckable & IRepairable

/**
 * A file or directory whose health can be looked at, from any cap that verifies; mending a mutable
 * one takes a write cap. Making it asks nobody.
 *
 * @throws {@link NotCapableError} where the cap is not understood.
 * @see allmydata.interfaces.ICheckable
 */
export function createCheckable(target: CheckTarget, context: CheckerContext): Checkable {
  const resolved = resolveTarget(target)
  return {
    check: (options) => check(resolved, context, options),
    checkAndRepair: (options) => checkAndRepair(resolved, context, options),
    repair: async (results, options) => {
      if (resolved.kind === 'literal') return { successful: true }
      const { successful } =
        resolved.kind === 'immutable'
          ? await repairImmutable(resolved.cap, results, context, options)
          : await repairMutable(resolved, results, context, options)
      return { successful }
    },
  }
}

async function check(
  target: ResolvedTarget,
  context: CheckerContext,
  options?: CheckOptions,
): Promise<ICheckResults | undefined> {
  if (target.kind === 'literal') return undefined
  return target.kind === 'immutable'
    ? checkImmutable(target.cap, context, options)
    : checkMutable(target, context, options)
}

async function checkAndRepair(
  target: ResolvedTarget,
  context: CheckerContext,
  options?: CheckOptions,
): Promise<ICheckAndRepairResults | undefined> {
  const before = await check(target, context, options)
  if (before === undefined || target.kind === 'literal') return undefined
  if (before.healthy) return withoutRepair(before)
  let outcome: RepairOutcome
  if (target.kind === 'immutable') {
    outcome = await repairImmutable(target.cap, before, context, options)
  } else {
    if (target.cap.readonly) return withoutRepair(before)
    outcome = await repairMutable(target, before, context, options)
  }
  return {
    ...withoutRepair(before),
    repairAttempted: true,
    repairSuccessful: outcome.successful,
    postRepairResults: outcome.postRepairResults,
  }
}
