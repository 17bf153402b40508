import type { StoreSpace } from '@lafs/storage-interface'
import { crawlerStates, surveyShares } from '@lafs/storage-server'
import type { CrawlerStates, CycleCounts, ExpirationPolicy } from '@lafs/storage-server'
import type { CommandContext } from './command-context.ts'
import { surveyBar } from './progress.ts'
import { withStorage } from './storage-folder.ts'

/** What a look at all shares of a storage server has found. */
export interface Survey {
  readonly storageFolder: string
  readonly expiration: ExpirationPolicy
  readonly counts: CycleCounts
  readonly space: StoreSpace | undefined
  /** What the server's own crawlers have found. */
  readonly states: CrawlerStates
}

/**
 * Looks at all shares of a storage server, with a progress bar.
 *
 * @param folder - see {@link withStorage}.
 */
export function surveyStorage(
  context: CommandContext,
  folder: string | undefined,
): Promise<Survey> {
  const { stderr, now, signal } = context.terminal
  const bar = surveyBar(stderr, { now, quiet: context.quiet })
  return withStorage(context, folder, async (view) => {
    const { storageFolder, store, expiration, nowSeconds } = view
    try {
      const asked = { nowSeconds, signal, onProgress: bar.update }
      const counts = await surveyShares(store, expiration, asked)
      const states = await crawlerStates(store)
      return { storageFolder, expiration, counts, space: await store.space(), states }
    } finally {
      bar.end()
    }
  })
}
