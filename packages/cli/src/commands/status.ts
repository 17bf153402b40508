import { durationText } from '@lafs/grid-manager/duration'
import { CommandError, FailureWithStatus } from '../failure.ts'
import { pythonJson } from '@lafs/gateway/python-json'
import { expectRunningNode } from '../running-node.ts'
import type { CommandContext } from '../command-context.ts'
import { writeLine, writeTo } from '../terminal.ts'
import { inDecimalUnits } from '../units.ts'
import { askText, httpWebApi, isRecord, parseAnswer } from '../web-api.ts'
import type { WebApi } from '../web-api.ts'

/** The options of `status`. */
export interface StatusOptions {
  readonly verbose?: boolean
  readonly json?: boolean
}

/** What a node tells of one thing that it does, with `/status?t=json`. */
interface Operation {
  readonly type: string
  /** Null where nothing is stored at servers. */
  readonly 'storage-index-string': string | null
  readonly status: string
  readonly 'total-size'?: unknown
  readonly mode?: string
  /** From 0 to 1. */
  readonly progress?: number
  readonly 'progress-hash'?: number
  readonly 'progress-ciphertext'?: number
  readonly 'progress-encode-push'?: number
}

interface NodeStatus {
  readonly active: readonly Operation[]
  readonly recent: readonly Operation[]
}

interface NodeStatistics {
  readonly counters: Readonly<Record<string, number>>
  readonly stats: Readonly<Record<string, number | null>>
}

const EXIT_NO_DATA = 2
const BAR_WIDTH = 15

const TYPES: Readonly<Record<string, string>> = {
  upload: ' put ',
  download: ' get ',
  retrieve: 'retr ',
  publish: ' pub ',
  mapupdate: 'mapup',
}
const UNKNOWN_TYPE = ' ??? '

/**
 * Prints what the node that runs from the node directory does and has done.
 *
 * @throws {@link FailureWithStatus} with upstream's exit status 2 where it cannot be asked.
 * @see allmydata.scripts.tahoe_status
 */
export async function statusCommand(
  context: CommandContext,
  { verbose = false, json = false }: StatusOptions,
): Promise<void> {
  const { stdout } = context.terminal
  const { status, statistics } = await askNode(context)
  if (json) {
    await writeTo(stdout, `${pythonJson({ status, statistics }, 1)}\n`)
    return
  }
  for (const line of statusLines(status, statistics, verbose)) await writeLine(stdout, line)
}

async function askNode({
  nodeDirectory,
  terminal: { signal },
}: CommandContext): Promise<{ status: NodeStatus; statistics: NodeStatistics }> {
  try {
    await using api = httpWebApi(await expectRunningNode(nodeDirectory))
    const status = await askRecord(api, '/status?t=json', signal)
    const statistics = await askRecord(api, '/statistics?t=json', signal)
    const lists = [status['active'], status['recent']]
    const sums = [statistics['counters'], statistics['stats']]
    if (!lists.every(Array.isArray) || !sums.every(isRecord)) throw badAnswer()
    return {
      status: status as unknown as NodeStatus,
      statistics: statistics as unknown as NodeStatistics,
    }
  } catch (error) {
    signal.throwIfAborted()
    throw new FailureWithStatus(EXIT_NO_DATA, error)
  }
}

async function askRecord(
  api: WebApi,
  target: string,
  signal: AbortSignal,
): Promise<Record<string, unknown>> {
  const answer = parseAnswer(await askText(api, 'GET', target, { signal }))
  if (isRecord(answer)) return answer
  throw badAnswer()
}

function badAnswer(): CommandError {
  const message = 'expected the status of a node, got something else'
  return new CommandError('CLI_BAD_ANSWER', message)
}

function statusLines(
  { active, recent }: NodeStatus,
  { counters, stats }: NodeStatistics,
  verbose: boolean,
): string[] {
  const moved = (what: 'upload' | 'download'): string => {
    const bytes = inDecimalUnits(counters[`${what}er.bytes_${what}ed`] ?? 0)
    return `${bytes} in ${counters[`${what}er.files_${what}ed`] ?? 0} files`
  }
  return [
    `Statistics (for last ${durationText(stats['node.uptime'] ?? 0)}):`,
    `    uploaded ${moved('upload')}`,
    `  downloaded ${moved('download')}`,
    '',
    ...activeLines(active),
    ...recentLines(recent, verbose),
  ]
}

function activeLines(active: readonly Operation[]): string[] {
  if (active.length === 0) return ['No active operations.']
  const widths = [5, 26, 22, 20]
  return [
    'Active operations:',
    `╓ ${'type'.padEnd(5)} ╥ ${'storage index'.padEnd(26)} ╥ ${'progress'.padEnd(22)} ╥ status message`,
    `╟─${widths.map((width) => '─'.repeat(width)).join('─╫─')}`,
    ...active.map((operation) => {
      const { bar, percent } = progressOf(operation)
      const how = `${bar.padEnd(BAR_WIDTH)} (${percent}%)`
      return `║ ${typeOf(operation)} ║ ${indexOf(operation)} ║ ${how} ║ ${operation.status}`
    }),
    `╙─${widths.map((width) => '─'.repeat(width)).join('─╨─')}`,
  ]
}

function recentLines(recent: readonly Operation[], verbose: boolean): string[] {
  const files = recent.filter(({ type }) => type === 'upload' || type === 'download')
  const shown = verbose ? recent : files
  const skipped = recent.length - shown.length
  const hasTable = files.length > 0 || verbose
  const widths = [5, 26, 10, 20]
  return [
    ...(recent.length === 0 ? ['No recent operations.'] : []),
    '',
    'Recent operations:',
    ...(hasTable
      ? [
          `╓ ${'type'.padEnd(5)} ╥ ${'storage index'.padEnd(26)} ╥ ${'size'.padEnd(10)} ╥ status message`,
        ]
      : []),
    ...shown.map((operation) => {
      const size = sizeOf(operation).padEnd(10)
      return `║ ${typeOf(operation)} ║ ${indexOf(operation)} ║ ${size} ║ ${operation.status}`
    }),
    ...(hasTable ? [`╙─${widths.map((width) => '─'.repeat(width)).join('─╨─')}`] : []),
    ...(skipped > 0
      ? [`   Skipped ${skipped} non-upload/download operations; use --verbose to see`]
      : []),
  ]
}

function typeOf({ type }: Operation): string {
  return TYPES[type] ?? UNKNOWN_TYPE
}

function indexOf(operation: Operation): string {
  return (operation['storage-index-string'] ?? '').padEnd(26)
}

function sizeOf(operation: Operation): string {
  if (operation.type === 'mapupdate') return operation.mode ?? ''
  const size = operation['total-size']
  return typeof size === 'number' ? inDecimalUnits(size) : 'unknown'
}

/** How far an operation is. Of a download upstream shows the part as if it were the percentage. */
function progressOf(operation: Operation): { readonly bar: string; readonly percent: string } {
  const percent =
    operation.type === 'upload'
      ? (((operation['progress-hash'] ?? 0) +
          (operation['progress-ciphertext'] ?? 0) +
          (operation['progress-encode-push'] ?? 0)) /
          3) *
        100
      : operation.type === 'download'
        ? (operation.progress ?? 0) * 100
        : undefined
  if (percent === undefined) return { bar: '', percent: '???' }
  return { bar: barText(percent), percent: percent.toFixed(0).padStart(3) }
}

/** Whole blocks, then an eighth of one for each eighth of the next. */
function barText(percent: number): string {
  if (percent >= 100) return '█'.repeat(BAR_WIDTH)
  const whole = Math.floor((percent / 100) * BAR_WIDTH)
  const part = percent / (100 / BAR_WIDTH) - whole
  return '█'.repeat(whole) + String.fromCodePoint(0x258f - Math.floor(part * 8))
}
