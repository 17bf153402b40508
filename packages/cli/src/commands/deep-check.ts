import type { DeepCheckLine } from '@lafs/checker'
import {
  corruptShares,
  healthWord,
  repairFailure,
  repairLines,
  summaryLine,
} from '../check-text.ts'
import type { AnyResults } from '../check-text.ts'
import type { CommandContext } from '../command-context.ts'
import { progressBar } from '../progress.ts'
import type { ProgressBar } from '../progress.ts'
import { quotePath } from '../quote.ts'
import { writeLine, writeTo } from '../terminal.ts'
import { WalkFailures } from '../walk-failures.ts'
import { withWebApi } from '../web-command.ts'
import type { WebContext } from '../web-command.ts'
import { errorOfLine, walk } from '../web-walk.ts'
import type { WalkLine } from '../web-walk.ts'
import { checkQuery, readCapWords } from './check.ts'
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
  const words = await readCapWords(context, places)
  const bar = progressBar(stderr, { now, quiet: context.quiet })
  const failures = new WalkFailures(stderr)
  await withWebApi(context, options, async (web) => {
    try {
      for (const word of words) await deepCheck(web, word, options, { bar, failures })
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
  web: WebContext,
  word: string,
  options: DeepCheckCommandOptions,
  { bar, failures }: Beside,
): Promise<void> {
  const { stdout } = web.terminal
  const isRaw = options.raw === true || options.json === true
  const query = { t: 'stream-deep-check', ...checkQuery(options) }
  const tally = new Tally(options)
  let done = 0
  for await (const { line, json } of walk(web, word, query, failures)) {
    const failure = failureOf(line)
    const lines = isRaw ? [json] : tally.linesOf(line)
    if (lines.length > 0 || failure !== undefined) bar.end()
    if (isRaw) await writeTo(stdout, `${json}\n`)
    else for (const text of lines) await writeLine(stdout, text)
    if (line.type === 'stats') continue
    if (failure !== undefined && isRaw) failures.note()
    else if (failure !== undefined) await failures.tell(line.path, failure)
    bar.update({ phase: 'traversing', done: ++done, total: undefined })
  }
}

/** What went wrong with an object, where something did. */
function failureOf(line: WalkLine): Error | undefined {
  if (line.type === 'stats') return undefined
  if (line.type === 'failure') return errorOfLine(line)
  const results = resultsOf(line)
  return results === undefined ? undefined : repairFailure(results)
}

function resultsOf(line: DeepCheckLine): AnyResults | undefined {
  return line['check-and-repair-results'] ?? line['check-results']
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

  linesOf(line: WalkLine): string[] {
    if (line.type === 'stats') return this.#total()
    // What is unknown is no file and no directory.
    if (line.type === 'failure' || line.type === 'unknown') return []
    this.#checked++
    const marker = this.#checked % TOLD_EVERY === 0 ? [`${this.#checked} objects checked..`] : []
    const told = this.#options.repair === true ? this.#repaired(line) : this.#seen(line)
    return [...marker, ...told]
  }

  #seen(line: DeepCheckLine): string[] {
    const results = line['check-results']
    if (results === undefined) return []
    if (results.results.healthy) this.#healthy++
    const corrupt = corruptShares(results)
    return [...this.#verbose(line, summaryLine(results)), ...corruptLines(corrupt)]
  }

  #repaired(line: DeepCheckLine): string[] {
    const results = line['check-and-repair-results']
    if (results === undefined || !('pre-repair-results' in results)) {
      this.#healthy++
      this.#healthyAfter++
      return this.#verbose(line, 'healthy')
    }
    const before = results['pre-repair-results']
    if (before.results.healthy) this.#healthy++
    if (results['post-repair-results'].results.healthy) this.#healthyAfter++
    if (results['repair-attempted']) this.#attempted++
    if (results['repair-attempted'] && results['repair-successful']) this.#successful++
    return [
      ...this.#verbose(line, healthWord(before)),
      ...corruptLines(corruptShares(before)),
      ...repairLines(results),
    ]
  }

  #verbose({ path }: DeepCheckLine, text: string): string[] {
    return this.#options.verbose === true ? [`${quotePath(path)}: ${text}`] : []
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

function corruptLines(shares: readonly string[]): string[] {
  return shares.map((share) => ` corrupt: ${share}`)
}
