import type { DeepCheckLine, FailureLine, ManifestLine, StatsLine } from '@lafs/checker'
import { gridPlace } from './aliases.ts'
import { CommandError } from './failure.ts'
import type { WalkFailures } from './walk-failures.ts'
import { ask, isRecord, linesOf, parseAnswer } from './web-api.ts'
import type { WebContext } from './web-command.ts'
import { isWebApiError, WebApiError, webApiError } from './web-error.ts'
import { placeTarget, rootPlace } from './web-path.ts'

/** What a gateway tells on a walk, a line each. */
export type WalkLine = ManifestLine | DeepCheckLine | FailureLine | StatsLine

/** One line of a walk: what it says, and how. */
export interface ToldLine {
  readonly line: WalkLine
  readonly json: string
}

/**
 * Walks over everything that can be reached from a directory. What goes wrong below it is noted and
 * the walk goes on, as far as the gateway does.
 *
 * @param word - where to begin.
 * @param query - `t` and the arguments of the walk.
 * @param failures - hears of what goes wrong: gateways of ours tell it in a line of its own, upstream's
 *   end the walk with it.
 * @throws what {@link ask} throws; {@link CommandError} `CLI_NOT_A_DIRECTORY`, `CLI_CUT_SHORT`,
 *   `CLI_BAD_ANSWER`.
 */
export async function* walk(
  web: WebContext,
  word: string,
  query: Readonly<Record<string, string | undefined>>,
  failures: WalkFailures,
): AsyncGenerator<ToldLine> {
  const { aliases, api, signal } = web
  const target = placeTarget(rootPlace(gridPlace(aliases, word)), query)
  const before = failures.count
  const response = await ask(api, 'POST', target, { signal }).catch(explainRefusal)
  let isWhole = false
  for await (const json of linesOf(response)) {
    if (!json.startsWith('{')) {
      // Nothing after such a line is told of the tree; ours says it again of what had its own line.
      if (failures.count === before) await failures.tell(undefined, lateError(json))
      return
    }
    const line = parseLine(json)
    isWhole = line.type === 'stats'
    yield { line, json }
  }
  // Something between us and the gateway may end a connection as if that were the end.
  if (!isWhole) {
    throw new CommandError('CLI_CUT_SHORT', 'the gateway ended before it came to the sums')
  }
}

function parseLine(json: string): WalkLine {
  const line = parseAnswer(json)
  if (isRecord(line)) {
    const { type, path, stats } = line
    const isSound = type === 'stats' ? isRecord(stats) : Array.isArray(path)
    if (isSound) return line as unknown as WalkLine
  }
  throw new CommandError('CLI_BAD_ANSWER', 'expected a line of a walk from the gateway')
}

/** Gateways know no walk from a file (400), nor from what is neither file nor directory (405). */
function explainRefusal(error: unknown): never {
  const isFile = isWebApiError(error, 400) && error.message.startsWith('POST to file: bad t=')
  if (!isFile && !isWebApiError(error, 405)) throw error
  const got = isFile ? 'a file' : 'something else'
  throw new CommandError('CLI_NOT_A_DIRECTORY', `expected a directory to begin at, got ${got}`)
}

/** The error that a line of a walk tells of. */
export function errorOfLine({ error, message }: FailureLine): Error {
  return new WebApiError(error, 500, message)
}

/** What a gateway wrote when it could not go on, such as `ERROR: UnrecoverableFileError(None)`. */
function lateError(text: string): Error {
  const [, name, message] = /^ERROR: *(\w+)\((.*)\)\s*$/.exec(text) ?? []
  if (name === undefined || message === undefined) return new CommandError('CLI_CUT_SHORT', text)
  return webApiError(500, `${name}: ${message.replace(/^None$/, '')}`)
}
