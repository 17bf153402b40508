import type { ManifestLine } from '@lafs/checker'
import { readCapWord } from '../cap-word.ts'
import type { CommandContext } from '../command-context.ts'
import { quoteOutput } from '../quote.ts'
import { writeLine, writeTo } from '../terminal.ts'
import { WalkFailures } from '../walk-failures.ts'
import { withWebApi } from '../web-command.ts'
import type { PrintOptions } from '../web-command.ts'
import { errorOfLine, walk } from '../web-walk.ts'

/** The options of `manifest`; the first that is given decides. */
export interface ManifestOptions extends PrintOptions {
  /** Upstream's word for JSON. */
  readonly raw?: boolean
  readonly storageIndex?: boolean
  readonly verifyCap?: boolean
  readonly repairCap?: boolean
}

/**
 * Lists everything that can be reached from a directory, one line for each object as it is met. A
 * directory that cannot be read is told on standard error, the rest goes on, and the command ends
 * badly.
 *
 * @see allmydata.scripts.tahoe_manifest
 */
export async function manifestCommand(
  context: CommandContext,
  where: string,
  options: ManifestOptions,
): Promise<void> {
  const { stdout, stderr } = context.terminal
  const isRaw = options.raw === true || options.json === true
  const failures = new WalkFailures(stderr)
  const word = await readCapWord(context.terminal, where)
  await withWebApi(context, options, async (web) => {
    for await (const { line, json } of walk(web, word, { t: 'stream-manifest' }, failures)) {
      if (isRaw) await writeTo(stdout, `${json}\n`)
      if (line.type === 'stats') continue
      if (line.type === 'failure') {
        if (isRaw) failures.note()
        else await failures.tell(line.path, errorOfLine(line))
      } else if (!isRaw) {
        const text = manifestLine(line, options)
        if (text !== '') await writeLine(stdout, text)
      }
    }
  })
  failures.throwIfAny()
}

/** One line of a manifest; empty for what has nothing of what is asked for. */
function manifestLine(line: ManifestLine, options: ManifestOptions): string {
  if (line.type === 'unknown') return ''
  if (options.storageIndex === true) return line['storage-index']
  if (options.verifyCap === true) return line.verifycap
  if (options.repairCap === true) return line.repaircap
  const cap = quoteOutput(line.cap ?? '', { quotationMarks: false })
  return `${cap} ${plainPath(line.path.join('/'))}`
}

/** A path as it is, or in quotes where it could be misread or goes over several lines. */
function plainPath(path: string): string {
  const quoted = quoteOutput(path)
  return quoted.startsWith('"') ? quoted : quoteOutput(path, { quotationMarks: false })
}
