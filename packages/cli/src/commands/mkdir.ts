import { gridPlace } from '../aliases.ts'
import type { CommandContext } from '../command-context.ts'
import { CommandError } from '../failure.ts'
import { parseFormat } from '../file-format.ts'
import { quoteOutput } from '../quote.ts'
import { askCap, queryText } from '../web-api.ts'
import { writeOutcome } from '../outcome.ts'
import { withWebApi } from '../web-command.ts'
import { isWebApiError } from '../web-error.ts'
import type { PrintOptions } from '../web-command.ts'
import { placeTarget, withoutSlash } from '../web-path.ts'

/** The options of `mkdir`. */
export interface MkdirOptions extends PrintOptions {
  readonly format?: string
}

/**
 * Makes a directory and prints its cap. Of one that is there it prints the cap alone.
 *
 * @param where - its place; without a name at its end, the directory stands in no other.
 * @see allmydata.scripts.tahoe_mkdir
 */
export async function mkdirCommand(
  context: CommandContext,
  where: string | undefined,
  options: MkdirOptions,
): Promise<void> {
  const query = { t: 'mkdir', format: parseFormat(options.format, ['SDMF', 'MDMF']) }
  const cap = await withWebApi(context, options, ({ aliases, api, signal }) => {
    const place = where === undefined || where === '' ? undefined : gridPlace(aliases, where)
    const target =
      place === undefined || place.path === ''
        ? `/uri${queryText(query)}`
        : placeTarget(withoutSlash(withoutSlash(place)), query)
    return askCap(api, 'POST', target, { signal }).catch((error: unknown) => {
      // The words of the gateway are about requests.
      if (!isWebApiError(error) || error.code !== 'CLI_NOT_A_DIRECTORY') throw error
      throw new CommandError('CLI_NOT_A_DIRECTORY', 'there is a file in the way', { cause: error })
    })
  })
  await writeOutcome(context, options, quoteOutput(cap, { quotationMarks: false }), { cap })
}
