import { isDeepStrictEqual } from 'node:util'
import type { Observations } from './run-scenario.ts'

/** Something that one gateway answered otherwise than another. */
export interface Difference {
  /** The id of the step. */
  readonly step: string
  readonly aspect: string
  readonly upstream: unknown
  readonly own: unknown
}

/** What differs in one way in many steps. */
export interface DifferenceRule {
  readonly reason: string
  readonly aspect: string
  readonly explains: (upstream: unknown, own: unknown) => boolean
}

/** What differs in some steps. */
export interface KnownDifference {
  readonly reason: string
  /** The aspects in which each of the steps differs. */
  readonly aspects: readonly string[]
  /** The ids of the steps. */
  readonly steps: readonly string[]
}

/** What remains of the differences after those that have a reason. */
export interface Verdict {
  readonly unexplained: readonly Difference[]
  /** What is listed and does not differ: steps and their aspects, and reasons of rules. */
  readonly outdated: readonly string[]
}

/** All that differs between two gateways. Of what upstream cannot answer, only the status counts. */
export function compareObservations(upstream: Observations, own: Observations): Difference[] {
  const differences: Difference[] = []
  for (const [step, theirs] of upstream) {
    const ours = own.get(step) ?? {}
    const aspects = isFailure(theirs['status'])
      ? ['status']
      : new Set([...Object.keys(theirs), ...Object.keys(ours)])
    for (const aspect of aspects) {
      const difference = { step, aspect, upstream: theirs[aspect], own: ours[aspect] }
      if (!isDeepStrictEqual(difference.upstream, difference.own)) differences.push(difference)
    }
  }
  return differences
}

/** Whether a status says that the gateway has failed: with a traceback, or without an answer. */
export function isFailure(status: unknown): boolean {
  return status === 500 || status === 0
}

/** Holds differences against those that are known. */
export function judge(
  differences: readonly Difference[],
  rules: readonly DifferenceRule[],
  known: readonly KnownDifference[],
): Verdict {
  const listed = new Set(
    known.flatMap(({ aspects, steps }) =>
      steps.flatMap((step) => aspects.map((aspect) => `${step} [${aspect}]`)),
    ),
  )
  const usedRules = new Set<DifferenceRule>()
  const unexplained = differences.filter(({ step, aspect, upstream, own }) => {
    if (listed.delete(`${step} [${aspect}]`)) return false
    const rule = rules.find((each) => each.aspect === aspect && each.explains(upstream, own))
    if (rule !== undefined) usedRules.add(rule)
    return rule === undefined
  })
  const unused = rules.filter((rule) => !usedRules.has(rule)).map(({ reason }) => reason)
  return { unexplained, outdated: [...listed, ...unused] }
}
