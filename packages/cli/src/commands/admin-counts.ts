import { crawlerStates, surveyShares } from '@lafs/storage-server'
import type { CrawlerStates, CycleCounts } from '@lafs/storage-server'
import type { StoreSpace } from '@lafs/storage-interface'
import type { CommandContext } from '../command-context.ts'
import { surveyBar } from '../progress.ts'
import { quoteOutput } from '../quote.ts'
import { withStorage } from '../storage-folder.ts'
import { bytesText, countText } from '../survey-text.ts'
import { writeTo } from '../terminal.ts'

/** The options of the commands for operators. */
export interface AdminOptions {
  readonly json?: boolean
}

/** What there is to count. */
interface Counted {
  readonly storageFolder: string
  readonly counts: CycleCounts
  readonly space: StoreSpace | undefined
  readonly bucketCounter: CrawlerStates['bucketCounter']
}

/** Counts the shares of a storage server. */
export async function adminCountsCommand(
  context: CommandContext,
  folder: string | undefined,
  { json }: AdminOptions,
): Promise<void> {
  const { stdout, stderr, now, signal } = context.terminal
  const bar = surveyBar(stderr, { now, quiet: context.quiet })
  const counted = await withStorage(context, folder, async (view) => {
    const { storageFolder, store, expiration, nowSeconds } = view
    try {
      const asked = { nowSeconds, signal, onProgress: bar.update }
      const counts = await surveyShares(store, expiration, asked)
      const { bucketCounter } = await crawlerStates(store)
      return { storageFolder, counts, space: await store.space(), bucketCounter }
    } finally {
      bar.end()
    }
  })
  const text =
    json === true ? JSON.stringify(countsJson(counted), null, 1) : lines(counted).join('\n')
  await writeTo(stdout, `${text}\n`)
}

function countsJson({ storageFolder, counts, space, bucketCounter }: Counted): object {
  const examined = Object.entries(counts['space-recovered']).filter(([name]) =>
    name.startsWith('examined-'),
  )
  return {
    'storage-folder': storageFolder,
    ...Object.fromEntries(examined.map(([name, count]) => [name.replace('examined-', ''), count])),
    'corrupt-shares': counts['corrupt-shares'],
    'disk-available': space?.available ?? null,
    'disk-total': space?.total ?? null,
    'last-complete-bucket-count': bucketCounter?.['last-complete-bucket-count'] ?? null,
  }
}

function lines({ storageFolder, counts, space, bucketCounter }: Counted): string[] {
  const sums = counts['space-recovered']
  const corrupt = counts['corrupt-shares']
  const lastCount = bucketCounter?.['last-complete-bucket-count']
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
