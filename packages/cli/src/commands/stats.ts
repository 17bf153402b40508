import { deepStatsJson } from '@lafs/checker'
import { DeepStatsCounter, traverse } from '@lafs/dirnode'
import type { DeepStats } from '@lafs/filesystem-interface'
import { withGrid } from '../grid-command.ts'
import type { GridOptions } from '../grid-command.ts'
import { rootDirectory } from '../grid-object.ts'
import { progressBar } from '../progress.ts'
import { pythonJson } from '../python-json.ts'
import type { CommandContext } from '../command-context.ts'
import { writeTo } from '../terminal.ts'
import { inBothUnits } from '../units.ts'
import { WalkFailures } from '../walk-failures.ts'

/** The options of `stats`. */
export interface StatsOptions extends GridOptions {
  readonly raw?: boolean
}

/**
 * Sums up everything that can be reached from a directory. A directory that cannot be read is told on
 * standard error, the rest is summed up, and the command ends badly.
 *
 * @see allmydata.scripts.tahoe_manifest.StatsGrabber
 */
export async function statsCommand(
  context: CommandContext,
  where: string,
  options: StatsOptions,
): Promise<void> {
  const { stdout, stderr, now } = context.terminal
  const bar = progressBar(stderr, { now, quiet: context.quiet })
  const failures = new WalkFailures(stderr)
  const counter = new DeepStatsCounter()
  await withGrid(context, options, async (grid) => {
    let done = 0
    try {
      for await (const entry of traverse(await rootDirectory(grid, where), grid)) {
        counter.add(entry)
        if (entry.type === 'object')
          bar.update({ phase: 'traversing', done: ++done, total: undefined })
        if (entry.type !== 'failure') continue
        // Nothing at all is known then.
        if (entry.path.length === 0) throw entry.error
        bar.end()
        await failures.tell(entry.path, entry.error)
      }
    } finally {
      bar.end()
    }
  })
  const stats = counter.stats()
  const text =
    options.raw === true
      ? `${pythonJson({ ...deepStatsJson(stats), finished: true }, 1)}\n`
      : `${statsLines(stats).join('\n')}\n`
  await writeTo(stdout, text)
  failures.throwIfAny()
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

function statsLines(stats: DeepStats): string[] {
  const values: Readonly<Record<string, unknown>> = { ...deepStatsJson(stats) }
  const sums = SHOWN.map((name) => {
    const value = Number(values[name])
    const line = `${name.padStart(LABEL_WIDTH)}: ${value}`
    return name.startsWith('count-') || value <= 1000 ? line : `${line}    ${inBothUnits(value)}`
  })
  return ['Counts and Total Sizes:', ...sums, ...histogramLines(stats.sizeFilesHistogram)]
}

function histogramLines(histogram: DeepStats['sizeFilesHistogram']): string[] {
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
