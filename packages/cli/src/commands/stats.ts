import type { DeepStatsJson } from '@lafs/checker'
import { readCapWord } from '../cap-word.ts'
import type { CommandContext } from '../command-context.ts'
import { progressBar } from '../progress.ts'
import { pythonJson } from '@lafs/gateway/python-json'
import { writeTo } from '../terminal.ts'
import { inBothUnits } from '../units.ts'
import { WalkFailures } from '../walk-failures.ts'
import { withWebApi } from '../web-command.ts'
import type { PrintOptions, WebContext } from '../web-command.ts'
import { errorOfLine, walk } from '../web-walk.ts'

/** The options of `stats`. */
export interface StatsOptions extends PrintOptions {
  /** Upstream's word for JSON. */
  readonly raw?: boolean
}

/**
 * Sums up everything that can be reached from a directory. A directory that cannot be read is told on
 * standard error, the rest is summed up, and the command ends badly.
 *
 * The sums stand at the end of a manifest: so the gateway tells on the way how far it is, and stops
 * when nobody listens any more.
 *
 * @see allmydata.scripts.tahoe_manifest.StatsGrabber
 */
export async function statsCommand(
  context: CommandContext,
  where: string,
  options: StatsOptions,
): Promise<void> {
  const { stdout, stderr } = context.terminal
  const failures = new WalkFailures(stderr)
  const word = await readCapWord(context.terminal, where)
  const stats = await withWebApi(context, options, (web) => sumUp(web, word, failures))
  if (stats !== undefined) {
    const text =
      options.raw === true || options.json === true
        ? pythonJson({ ...stats, finished: true }, 1)
        : statsLines(stats).join('\n')
    await writeTo(stdout, `${text}\n`)
  }
  failures.throwIfAny()
}

/** @returns undefined where the gateway ended before it came to the sums. */
async function sumUp(
  web: WebContext,
  word: string,
  failures: WalkFailures,
): Promise<DeepStatsJson | undefined> {
  const { now, stderr } = web.terminal
  const bar = progressBar(stderr, { now, quiet: web.quiet })
  let stats: DeepStatsJson | undefined
  let done = 0
  try {
    for await (const { line } of walk(web, word, { t: 'stream-manifest' }, failures)) {
      if (line.type === 'stats') {
        stats = line.stats
      } else if (line.type === 'failure') {
        // Nothing at all is known then.
        if (line.path.length === 0) throw errorOfLine(line)
        bar.end()
        await failures.tell(line.path, errorOfLine(line))
      } else {
        bar.update({ phase: 'traversing', done: ++done, total: undefined })
      }
    }
    return stats
  } finally {
    bar.end()
  }
}

/** Those of the sums that are printed. */
const SHOWN = [
  'count-immutable-files',
  'count-mutable-files',
  'count-literal-files',
  'count-files',
  'count-directories',
  'size-immutable-files',
  'size-literal-files',
  'size-directories',
  'largest-directory',
  'largest-immutable-file',
]

const LABEL_WIDTH = Math.max(...SHOWN.map((name) => name.length))

function statsLines(stats: DeepStatsJson): string[] {
  const values: Readonly<Record<string, unknown>> = { ...stats }
  const sums = SHOWN.map((name) => {
    const value = Number(values[name])
    const line = `${name.padStart(LABEL_WIDTH)}: ${value}`
    return name.startsWith('count-') || value <= 1000 ? line : `${line}    ${inBothUnits(value)}`
  })
  return ['Counts and Total Sizes:', ...sums, ...histogramLines(stats['size-files-histogram'])]
}

function histogramLines(histogram: DeepStatsJson['size-files-histogram']): string[] {
  if (histogram.length === 0) return []
  const width = Math.max(...histogram.map(([, max]) => String(max).length))
  const countWidth = Math.max(...histogram.map(([, , count]) => String(count).length))
  const lines = histogram.flatMap(([min, max, count], index) => {
    const previousMax = histogram[index - 1]?.[1] ?? min - 1
    const range = `${String(min).padStart(width)}-${String(max).padEnd(width)}`
    const line = `${range} : ${String(count).padEnd(countWidth)}    ${inBothUnits(max)}`
    return previousMax + 1 === min ? [line] : [`${' '.repeat(width - 1)}...`, line]
  })
  return ['Size Histogram:', ...lines]
}
