import { gridPlace } from '../aliases.ts'
import type { CommandContext } from '../command-context.ts'
import { CommandError } from '../failure.ts'
import { askText } from '../web-api.ts'
import { writeOutcome } from '../outcome.ts'
import { withWebApi } from '../web-command.ts'
import type { PrintOptions } from '../web-command.ts'
import { placeTarget, withoutSlash } from '../web-path.ts'

/** Removes an entry of a directory. @see allmydata.scripts.tahoe_unlink */
export async function unlinkCommand(
  context: CommandContext,
  where: string,
  options: PrintOptions,
): Promise<void> {
  await withWebApi(context, options, async ({ aliases, api, signal }) => {
    const place = withoutSlash(gridPlace(aliases, where))
    if (place.path === '') {
      throw new CommandError(
        'CLI_NO_NAME',
        "'lafs unlink' can only unlink directory entries, so a path must be given.",
      )
    }
    await askText(api, 'DELETE', placeTarget(place), { signal })
  })
  await writeOutcome(context, options, '200 OK', { unlinked: true })
}
