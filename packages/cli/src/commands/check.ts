import { checkAndRepairResultsJson, checkResultsJson, createCheckable } from '@lafs/checker'
import type { CheckTarget } from '@lafs/checker'
import type { CheckOptions } from '@lafs/filesystem-interface'
import { checkAndRepairLines, checkLines, repairFailure } from '../check-text.ts'
import type { CommandContext } from '../command-context.ts'
import type { CommandError } from '../failure.ts'
import { withGrid } from '../grid-command.ts'
import type { GridContext, GridOptions } from '../grid-command.ts'
import { findCheckTarget } from '../grid-object.ts'
import { progressBar } from '../progress.ts'
import { pythonJson } from '../python-json.ts'
import { writeTo } from '../terminal.ts'

/** The options of `check`, and those that `deep-check` has with it. */
export interface CheckCommandOptions extends GridOptions {
  readonly verify?: boolean
  readonly repair?: boolean
  readonly addLease?: boolean
  readonly raw?: boolean
}

/** What is printed of an object, and why its repair failed if it did. */
interface Told {
  readonly text: string
  readonly failure?: CommandError | undefined
}

/**
 * Looks at the health of single objects. A repair that fails ends the command badly.
 *
 * @see allmydata.scripts.tahoe_check.check
 */
export async function checkCommand(
  context: CommandContext,
  places: readonly string[],
  options: CheckCommandOptions,
): Promise<void> {
  const { stdout, stderr, now } = context.terminal
  const bar = progressBar(stderr, { now, quiet: context.quiet })
  await withGrid(context, options, async (grid) => {
    for (const where of places.length === 0 ? [''] : places) {
      const target = await findCheckTarget(grid, where)
      const { verify, addLease } = options
      const asked = { verify, addLease, signal: grid.signal, onProgress: bar.update }
      let told: Told
      try {
        told = await (options.repair === true ? repaired : checked)(grid, target, asked, options)
      } finally {
        bar.end()
      }
      await writeTo(stdout, told.text)
      if (told.failure !== undefined) throw told.failure
    }
  })
}

async function checked(
  { client }: GridContext,
  target: CheckTarget,
  asked: CheckOptions,
  { raw }: CheckCommandOptions,
): Promise<Told> {
  const results = await createCheckable(target, client.checker).check(asked)
  return { text: raw === true ? rawText(checkResultsJson(results)) : textOf(checkLines(results)) }
}

async function repaired(
  { client }: GridContext,
  target: CheckTarget,
  asked: CheckOptions,
  { raw }: CheckCommandOptions,
): Promise<Told> {
  const results = await createCheckable(target, client.checker).checkAndRepair(asked)
  const failure = repairFailure(results)
  if (raw !== true) return { text: textOf(checkAndRepairLines(results)), failure }
  // Where nothing is stored, nothing is repaired.
  const json = results ? checkAndRepairResultsJson(results) : checkResultsJson(undefined)
  return { text: rawText(json), failure }
}

function textOf(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join('')
}

function rawText(json: unknown): string {
  return `${pythonJson(json, 1)}\n\n`
}
