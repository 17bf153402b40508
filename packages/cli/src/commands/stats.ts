import type { DeepStats } from '@lafs/filesystem-interface'
import { withGrid } from '../grid-command.ts'
import type { GridOptions } from '../grid-command.ts'
import { pythonJson } from '../python-json.ts'
import type { CommandContext } from '../command-context.ts'
import { statsJson } from '../stats-json.ts'
import { writeTo } from '../terminal.ts'
import { inBothUnits } from '../units.ts'
import { outcomeOf, rootDirectory } from './manifest.ts'

/** The options of `stats`. */
export interface StatsOptions extends GridOptions {
  readonly raw?: boolean
}

/** Sums up everything that can be reached from a directory. @see allmydata.scripts.tahoe_manifest.StatsGrabber */
export async function statsCommand(
  context: CommandContext,
  where: string,
  options: StatsOptions,
): Promise<void> {
  const stats = await withGrid(context, options, async (grid) =>
    outcomeOf(grid, (await rootDirectory(grid, where)).startDeepStats()),
  )
  const text =
    options.raw === true
      ? `${pythonJson({ ...statsJson(stats), finished: true }, 1)}\n`
      : `${statsLines(stats).join('\n')}\n`
  await writeTo(context.terminal.stdout, text)
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
  const values = statsJson(stats)
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
