import { deepCheckEntries, deepCheckLines } from '@lafs/checker'
import type { DeepCheckEntry, DeepCheckLine } from '@lafs/checker'
import type { ShareLocator } from '@lafs/filesystem-interface'
import { healthWord, repairFailure, repairLines, shareText, summaryLine } from '../check-text.ts'
import type { CommandContext } from '../command-context.ts'
import { withGrid } from '../grid-command.ts'
import type { GridContext } from '../grid-command.ts'
import { rootDirectory } from '../grid-object.ts'
import { progressBar } from '../progress.ts'
import type { ProgressBar } from '../progress.ts'
import { pythonJson } from '../python-json.ts'
import { quotePath } from '../quote.ts'
import { writeLine, writeTo } from '../terminal.ts'
import { WalkFailures } from '../walk-failures.ts'
import type { CheckCommandOptions } from './check.ts'

/** The options of `deep-check`. */
export interface DeepCheckCommandOptions extends CheckCommandOptions {
  readonly verbose?: boolean
}

/** So many objects are checked before a word is said of it. */
const TOLD_EVERY = 100

/**
 * Looks at the health of everything that can be reached from directories. What cannot be read or
 * repaired is told on standard error, the rest goes on, and the command ends badly.
 *
 * @see allmydata.scripts.tahoe_check.deepcheck
 */
export async function deepCheckCommand(
  context: CommandContext,
  places: readonly string[],
  options: DeepCheckCommandOptions,
): Promise<void> {
  const { stderr, now } = context.terminal
  const bar = progressBar(stderr, { now, quiet: context.quiet })
  const failures = new WalkFailures(stderr)
  const work = options.raw === true ? deepCheckRaw : deepCheck
  await withGrid(context, options, async (grid) => {
    try {
      for (const where of places.length === 0 ? [''] : places) {
        await work(grid, where, options, { bar, failures })
      }
    } finally {
      bar.end()
    }
  })
  failures.throwIfAny()
}

/** What is told beside the results. */
interface Beside {
  readonly bar: ProgressBar
  readonly failures: WalkFailures
}

async function deepCheck(
  grid: GridContext,
  where: string,
  options: DeepCheckCommandOptions,
  { bar, failures }: Beside,
): Promise<void> {
  const { verify, addLease, repair } = options
  const root = await rootDirectory(grid, where)
  const asked = { verify, addLease, repair, signal: grid.signal }
  const tally = new Tally(options)
  let done = 0
  for await (const entry of deepCheckEntries(root, grid.client.checker, asked)) {
    const lines = tally.linesOf(entry)
    if (lines.length > 0 || entry.type === 'failure') bar.end()
    for (const line of lines) await writeLine(grid.terminal.stdout, line)
    if (entry.type === 'stats') continue
    const failure = failureOf(entry)
    if (failure !== undefined) await failures.tell(entry.path, failure)
    bar.update({ phase: 'traversing', done: ++done, total: undefined })
  }
}

async function deepCheckRaw(
  grid: GridContext,
  where: string,
  { verify, addLease, repair }: DeepCheckCommandOptions,
  { failures }: Beside,
): Promise<void> {
  const root = await rootDirectory(grid, where)
  const asked = { verify, addLease, repair, signal: grid.signal }
  for await (const line of deepCheckLines(root, grid.client.checker, asked)) {
    if (line.type === 'failure' || isNotRepaired(line)) failures.note()
    await writeTo(grid.terminal.stdout, `${pythonJson(line)}\n`)
  }
}

/** What went wrong with an object, where something did. */
function failureOf(entry: Exclude<DeepCheckEntry, { type: 'stats' }>): unknown {
  return entry.type === 'failure' ? entry.error : repairFailure(entry.repair)
}

function isNotRepaired(line: object): boolean {
  const results = (line as DeepCheckLine)['check-and-repair-results']
  return results?.['repair-attempted'] === true && !results['repair-successful']
}

/** Counts what was checked, and says what upstream says of it. */
class Tally {
  readonly #options: DeepCheckCommandOptions
  #checked = 0
  #healthy = 0
  #healthyAfter = 0
  #attempted = 0
  #successful = 0

  constructor(options: DeepCheckCommandOptions) {
    this.#options = options
  }

  linesOf(entry: DeepCheckEntry): string[] {
    if (entry.type === 'stats') return this.#total()
    // What is unknown is no file and no directory.
    if (entry.type === 'failure' || entry.node.unknown) return []
    this.#checked++
    const marker = this.#checked % TOLD_EVERY === 0 ? [`${this.#checked} objects checked..`] : []
    return [
      ...marker,
      ...(this.#options.repair === true ? this.#repaired(entry) : this.#seen(entry)),
    ]
  }

  #seen({ path, results }: DeepCheckEntry & { type: 'object' }): string[] {
    if (results?.healthy !== false) this.#healthy++
    return [
      ...this.#verbose(`${quotePath(path)}: ${summaryLine(results)}`),
      ...corruptLines(results?.corruptShares ?? []),
    ]
  }

  #repaired({ path, repair }: DeepCheckEntry & { type: 'object' }): string[] {
    if (repair?.preRepairResults.healthy !== false) this.#healthy++
    if (repair?.postRepairResults.healthy !== false) this.#healthyAfter++
    if (repair?.repairAttempted === true) this.#attempted++
    if (repair?.repairSuccessful === true) this.#successful++
    const word = repair === undefined ? 'healthy' : healthWord(repair.preRepairResults)
    return [
      ...this.#verbose(`${quotePath(path)}: ${word}`),
      ...corruptLines(repair?.preRepairResults.corruptShares ?? []),
      ...(repair === undefined ? [] : repairLines(repair)),
    ]
  }

  #verbose(line: string): string[] {
    return this.#options.verbose === true ? [line] : []
  }

  #total(): string[] {
    const health = (healthy: number): string =>
      `${healthy} healthy, ${this.#checked - healthy} unhealthy`
    const done = `done: ${this.#checked} objects checked`
    if (this.#options.repair !== true) return [`${done}, ${health(this.#healthy)}`]
    const failed = this.#attempted - this.#successful
    return [
      done,
      ` pre-repair: ${health(this.#healthy)}`,
      ` ${this.#attempted} repairs attempted, ${this.#successful} successful, ${failed} failed`,
      ` post-repair: ${health(this.#healthyAfter)}`,
    ]
  }
}

function corruptLines(shares: readonly ShareLocator[]): string[] {
  return shares.map((share) => ` corrupt: ${shareText(share)}`)
}
