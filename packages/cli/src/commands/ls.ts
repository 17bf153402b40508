import { gridPlace } from '../aliases.ts'
import { readCapWord } from '../cap-word.ts'
import type { CommandContext } from '../command-context.ts'
import { CommandError, FailureWithStatus } from '../failure.ts'
import { printableName, quoteOutput } from '../quote.ts'
import { writeLine, writeTo } from '../terminal.ts'
import { codePointCount, compareCodePoints, flushLeft, flushRight } from '../text.ts'
import { withWebApi } from '../web-command.ts'
import type { PrintOptions, WebContext } from '../web-command.ts'
import { isWebApiError } from '../web-error.ts'
import { describe } from '../web-path.ts'
import type { Description, NodeFacts } from '../web-path.ts'

/** The options of `ls`. */
export interface LsOptions extends PrintOptions {
  readonly long?: boolean
  readonly uri?: boolean
  readonly readonlyUri?: boolean
  readonly classify?: boolean
}

const EXIT_NO_SUCH_FILE = 2
const BAD_REQUEST = 400

/** From here on the year stands in place of the time of day, as in other listings. */
const OLD_AFTER_SECONDS = 6 * 30 * 24 * 60 * 60

const UNKNOWN_OBJECTS = `
This listing included unknown objects. Using a webapi server that supports
a later version of Tahoe may help.
`

/**
 * Lists a directory, or shows one entry.
 *
 * @throws {@link FailureWithStatus} with upstream's exit statuses: 2 where nothing stands there, else
 *   the low byte of the status that a gateway would answer with.
 * @see allmydata.scripts.tahoe_ls
 */
export async function lsCommand(
  context: CommandContext,
  where: string,
  options: LsOptions,
): Promise<void> {
  const { terminal } = context
  const word = (await readCapWord(terminal, where)).replace(/\/$/, '')
  const { facts, json, name } = await withWebApi(context, options, (web) => lookAt(web, word))
  if (options.json === true) {
    await writeTo(terminal.stdout, `${json}\n`)
    return
  }
  const children = facts.type === 'dirnode' ? facts.children : undefined
  const nowSeconds = terminal.now() / 1000
  const onTerminal = terminal.stdout.isTTY === true
  const entries = [...(children ?? new Map([[name, facts]]))]
  const rows = entries
    .toSorted(([a], [b]) => compareCodePoints(a, b))
    .map(([child, entry]) =>
      row(onTerminal ? printableName(child) : child, entry, options, nowSeconds),
    )
  for (const line of columns(rows)) await writeLine(terminal.stdout, line)
  if (entries.some(([, { type }]) => type === 'unknown')) {
    await writeTo(terminal.stderr, UNKNOWN_OBJECTS)
  }
}

async function lookAt(web: WebContext, word: string): Promise<Description & { name: string }> {
  const place = gridPlace(web.aliases, word)
  try {
    return { ...(await describe(web, place)), name: place.path.split('/').at(-1) ?? '' }
  } catch (error) {
    if (isWebApiError(error, 404)) {
      const message = 'No such file or directory'
      const cause = new CommandError('CLI_NO_SUCH_FILE', message, { cause: error })
      throw new FailureWithStatus(EXIT_NO_SUCH_FILE, cause)
    }
    if (isWebApiError(error)) throw new FailureWithStatus(error.status & 0xff, error)
    if (isPlaceError(error)) throw new FailureWithStatus(BAD_REQUEST & 0xff, error)
    throw error
  }
}

/** Whether a gateway would have said so, had it been asked. */
function isPlaceError(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return code.startsWith('URI_') || code === 'DIRECTORY_EMPTY_PATHNAME_COMPONENT'
}

/** One line of a listing, cut into cells. */
function row(name: string, facts: NodeFacts, options: LsOptions, nowSeconds: number): string[] {
  const { type, writeUri, readonlyUri } = facts
  const letters = [
    { dirnode: 'd', filenode: '-', unknown: '?' }[type],
    readonlyUri === undefined ? '-' : 'r',
    writeUri === undefined ? '-' : 'w',
    type === 'dirnode' ? 'x' : '-',
  ]
  const size = type === 'dirnode' ? '-' : (facts.size ?? '?')
  const mark = { dirnode: '/', filenode: writeUri === undefined ? '' : '*', unknown: '?' }[type]
  const cap = (text: string | undefined): string =>
    quoteOutput(text ?? '-', { quotationMarks: false })
  return [
    ...(options.long === true ? [letters.join(''), String(size), linkTime(facts, nowSeconds)] : []),
    name + (options.classify === true ? mark : ''),
    ...(options.uri === true ? [cap(writeUri ?? readonlyUri)] : []),
    ...(options.readonlyUri === true ? [cap(readonlyUri)] : []),
  ]
}

/** When the entry was made: by the file store's own note, or by an old one of the user's. */
function linkTime({ metadata }: NodeFacts, nowSeconds: number): string {
  const { tahoe, ctime } = metadata
  const noted =
    typeof tahoe === 'object' && tahoe !== null && 'linkcrtime' in tahoe ? tahoe.linkcrtime : 0
  const seconds = noted || ctime
  if (typeof seconds !== 'number' || seconds === 0) return '-'
  const date = new Date(seconds * 1000)
  if (Number.isNaN(date.getTime())) return '-'
  const two = (value: number): string => String(value).padStart(2, '0')
  const month = date.toLocaleString('en-US', { month: 'short' })
  const day = `${month} ${two(date.getDate())}`
  return nowSeconds - seconds > OLD_AFTER_SECONDS
    ? `${day}  ${date.getFullYear()}`
    : `${day} ${two(date.getHours())}:${two(date.getMinutes())}`
}

/** Lines of rows: cells flush right, but for columns with caps in them and for a single column. */
function columns(rows: readonly (readonly string[])[]): string[] {
  const count = Math.max(0, ...rows.map((cells) => cells.length))
  const formats = Array.from({ length: count }, (_, index) => {
    const cells = rows.map((one) => one[index] ?? '')
    const width = Math.max(...cells.map(codePointCount))
    const left = count === 1 || cells.some((cell) => cell.startsWith('URI'))
    return (cell: string): string => (left ? flushLeft : flushRight)(cell, width)
  })
  return rows.map((cells) =>
    cells
      .map((cell, index) => formats[index]?.(cell) ?? cell)
      .join(' ')
      .trimEnd(),
  )
}
