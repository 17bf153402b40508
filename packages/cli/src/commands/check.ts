import { gridPlace } from '../aliases.ts'
import { readCapWord } from '../cap-word.ts'
import { checkLines, repairFailure } from '../check-text.ts'
import type { AnyResults } from '../check-text.ts'
import type { CommandContext } from '../command-context.ts'
import { CommandError } from '../failure.ts'
import { writeLine, writeTo } from '../terminal.ts'
import { WalkFailures } from '../walk-failures.ts'
import { askText, isRecord, parseAnswer } from '../web-api.ts'
import { withWebApi } from '../web-command.ts'
import type { PrintOptions, WebContext } from '../web-command.ts'
import { placeTarget, rootPlace } from '../web-path.ts'

/** The options of `check`, and those that `deep-check` has with it. */
export interface CheckCommandOptions extends PrintOptions {
  readonly verify?: boolean
  readonly repair?: boolean
  readonly addLease?: boolean
  /** Upstream's word for JSON. */
  readonly raw?: boolean
}

/**
 * Looks at the health of single objects. A repair that fails ends the command badly, once all were
 * looked at.
 *
 * @see allmydata.scripts.tahoe_check.check
 */
export async function checkCommand(
  context: CommandContext,
  places: readonly string[],
  options: CheckCommandOptions,
): Promise<void> {
  const words = await readCapWords(context, places)
  const failures = new WalkFailures(context.terminal.stderr)
  await withWebApi(context, options, async (web) => {
    for (const word of words) {
      const failure = await checkOne(web, word, options)
      if (failure === undefined) continue
      if (words.length === 1) throw failure
      await failures.tell(undefined, failure)
    }
  })
  failures.throwIfAny()
}

/** @returns what to tell of a repair that was tried in vain. */
async function checkOne(
  web: WebContext,
  word: string,
  options: CheckCommandOptions,
): Promise<CommandError | undefined> {
  const { api, signal, terminal } = web
  const query = { t: 'check', output: 'JSON', ...checkQuery(options) }
  const target = placeTarget(rootPlace(gridPlace(web.aliases, word)), query)
  const json = await askText(api, 'POST', target, { signal })
  const results = parseResults(json)
  if (options.raw === true || options.json === true) await writeTo(terminal.stdout, `${json}\n`)
  else for (const line of checkLines(results)) await writeLine(terminal.stdout, line)
  return repairFailure(results)
}

/** @throws {@link CommandError} `CLI_BAD_ANSWER` for anything else, which must not pass for healthy. */
function parseResults(json: string): AnyResults {
  const answer = parseAnswer(json)
  if (isRecord(answer) && typeof answer['storage-index'] === 'string') {
    return answer as unknown as AnyResults
  }
  const message = 'expected the results of a check from the gateway, got something else'
  throw new CommandError('CLI_BAD_ANSWER', message)
}

/** The words of a command line that name things to look at; none for the default alias. */
export async function readCapWords(
  { terminal }: CommandContext,
  places: readonly string[],
): Promise<readonly string[]> {
  if (places.length === 0) return ['']
  return Promise.all(places.map((word) => readCapWord(terminal, word)))
}

/** The arguments of a request for a check. */
export function checkQuery({
  verify,
  repair,
  addLease,
}: CheckCommandOptions): Record<'verify' | 'repair' | 'add-lease', string | undefined> {
  const word = (option: boolean | undefined): string | undefined =>
    option === true ? 'true' : undefined
  return { verify: word(verify), repair: word(repair), 'add-lease': word(addLease) }
}
