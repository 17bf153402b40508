import { isDirectoryNode, isFilesystemError, isMutableFileNode } from '@lafs/filesystem-interface'
import { gridPlace } from '../aliases.ts'
import type { GridPlace } from '../aliases.ts'
import { CommandError, FailureWithStatus } from '../failure.ts'
import { withGrid } from '../grid-command.ts'
import type { GridContext, GridOptions } from '../grid-command.ts'
import { findNode } from '../grid-path.ts'
import { directoryJson, fileJson } from '../node-json.ts'
import type { NodeJson } from '../node-json.ts'
import { pythonJson } from '../python-json.ts'
import { printableName, quoteOutput } from '../quote.ts'
import type { CommandContext } from '../command-context.ts'
import { writeTo } from '../terminal.ts'
import { codePointCount, compareCodePoints, flushLeft, flushRight } from '../text.ts'
import { webStatus } from '../web-status.ts'

/** The options of `ls`. */
export interface LsOptions extends GridOptions {
  readonly long?: boolean
  readonly uri?: boolean
  readonly readonlyUri?: boolean
  readonly classify?: boolean
  readonly json?: boolean
}

const EXIT_NO_SUCH_FILE = 2

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
  const [json, name] = await withGrid(context, options, async (grid) => {
    const place = gridPlace(grid.aliases, where.replace(/\/$/, ''))
    return [await describe(grid, place), place.path.split('/').at(-1) ?? ''] as const
  })
  if (options.json === true) {
    await writeTo(terminal.stdout, `${pythonJson(json, 1)}\n\n`)
    return
  }
  const children = json[0] === 'dirnode' ? (json[1].children ?? new Map()) : new Map([[name, json]])
  const nowSeconds = terminal.now() / 1000
  const onTerminal = terminal.stdout.isTTY === true
  const rows = [...children]
    .toSorted(([a], [b]) => compareCodePoints(a, b))
    .map(([child, facts]) =>
      row(onTerminal ? printableName(child) : child, facts, options, nowSeconds),
    )
  for (const line of columns(rows)) await writeTo(terminal.stdout, `${line}\n`)
  if ([...children.values()].some(([type]) => type === 'unknown')) {
    await writeTo(terminal.stderr, UNKNOWN_OBJECTS)
  }
}

async function describe(grid: GridContext, place: GridPlace): Promise<NodeJson> {
  try {
    const { node, metadata } = await findNode(grid, place)
    const { signal } = grid
    if (isDirectoryNode(node)) return directoryJson(node, await node.list({ signal }))
    const size = isMutableFileNode(node) ? await node.sizeOfBestVersion({ signal }) : node.size
    return fileJson(node, size, metadata)
  } catch (error) {
    if (grid.signal.aborted) throw error
    if (!isFilesystemError(error, 'DIRECTORY_NO_SUCH_CHILD')) {
      throw new FailureWithStatus(webStatus(error) & 0xff, error)
    }
    const cause = new CommandError('CLI_NO_SUCH_FILE', 'No such file or directory', {
      cause: error,
    })
    throw new FailureWithStatus(EXIT_NO_SUCH_FILE, cause)
  }
}

/** One line of a listing, cut into cells. */
function row(
  name: string,
  [type, facts]: NodeJson,
  options: LsOptions,
  nowSeconds: number,
): string[] {
  const { rw_uri: writeUri, ro_uri: readonlyUri } = facts
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
function linkTime({ metadata = {} }: NodeJson[1], nowSeconds: number): string {
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
