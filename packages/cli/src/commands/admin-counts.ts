import type { CommandContext } from '../command-context.ts'
import { kebabJson } from '../kebab-json.ts'
import type { JsonOption } from '../outcome.ts'
import { quoteOutput } from '../quote.ts'
import { bytesText, countText } from '../survey-text.ts'
import { surveyStorage } from '../survey.ts'
import type { Survey } from '../survey.ts'
import { writeTo } from '../terminal.ts'

/** Counts the shares of a storage server. */
export async function adminCountsCommand(
  context: CommandContext,
  folder: string | undefined,
  { json }: JsonOption,
): Promise<void> {
  const survey = await surveyStorage(context, folder)
  const text = json === true ? kebabJson(countsJson(survey), 1) : lines(survey).join('\n')
  await writeTo(context.terminal.stdout, `${text}\n`)
}

function countsJson({ storageFolder, counts, space, states }: Survey): object {
  const examined = Object.entries(counts['space-recovered']).filter(([name]) =>
    name.startsWith('examined-'),
  )
  return {
    'storage-folder': storageFolder,
    ...Object.fromEntries(examined.map(([name, count]) => [name.replace('examined-', ''), count])),
    'corrupt-shares': counts['corrupt-shares'],
    'disk-available': space?.available ?? null,
    'disk-total': space?.total ?? null,
    'last-complete-bucket-count': states.bucketCounter?.['last-complete-bucket-count'] ?? null,
  }
}

function lines({ storageFolder, counts, space, states }: Survey): string[] {
  const sums = counts['space-recovered']
  const corrupt = counts['corrupt-shares']
  const lastCount = states.bucketCounter?.['last-complete-bucket-count']
  return [
    `storage folder: ${quoteOutput(storageFolder)}`,
    ` storage indexes: ${countText(sums, 'examined-buckets')}`,
    ` shares: ${countText(sums, 'examined-shares')}`,
    ` size of shares: ${bytesText(sums['examined-sharebytes'] ?? 0)}`,
    ` size on disk: ${bytesText(sums['examined-diskbytes'] ?? 0)}`,
    ...(space === undefined
      ? []
      : [` room: ${bytesText(space.available)} of ${bytesText(space.total)}`]),
    ...(lastCount == null ? [] : [` storage indexes, by the server's last count: ${lastCount}`]),
    ` damaged shares: ${corrupt.length}`,
    ...corrupt.map(([storageIndex, shareNumber]) => `  SI ${storageIndex}, shnum ${shareNumber}`),
  ]
}
