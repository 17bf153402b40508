import { access } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { readStorageSettings } from '@lafs/node-directory'
import type { StorageSettings } from '@lafs/node-directory'
import { openDiskStore } from '@lafs/share-store-disk'
import type { IShareStoreReader } from '@lafs/storage-interface'
import { KEEP_EVERYTHING } from '@lafs/storage-server'
import type { CommandContext } from './command-context.ts'
import { CommandError } from './failure.ts'
import { quoteOutput } from './quote.ts'

/** Where the shares of a server are, and which of them expire. */
type StoragePlace = Pick<StorageSettings, 'storageFolder' | 'expiration'>

/** The shares of a server, to look at, and what its node directory says of them. */
export interface StorageView extends StoragePlace {
  readonly store: IShareStoreReader
  /** Seconds since 1970. */
  readonly nowSeconds: number
}

/**
 * Looks at the shares of a storage server, which may run meanwhile: nothing is changed.
 *
 * @param folder - a node directory, or the storage folder of one, which says nothing of expiration.
 *   Default: the node directory of the command line.
 * @throws {@link CommandError} `CLI_NO_STORAGE`; {@link NodeDirectoryError} `NODEDIR_BAD_CONFIG`.
 */
export async function withStorage<T>(
  { terminal, nodeDirectory }: CommandContext,
  folder: string | undefined,
  work: (view: StorageView) => Promise<T>,
): Promise<T> {
  const place = folder === undefined ? nodeDirectory : resolve(terminal.cwd, folder)
  const settings = await settingsOf(place)
  const store = await openDiskStore({ folder: settings.storageFolder })
  try {
    return await work({ ...settings, store, nowSeconds: terminal.now() / 1000 })
  } finally {
    await store.close()
  }
}

async function settingsOf(folder: string): Promise<StoragePlace> {
  if (await isThere(join(folder, 'tahoe.cfg'))) {
    const settings = await readStorageSettings(folder)
    if (await isThere(join(settings.storageFolder, 'shares'))) return settings
  }
  for (const storageFolder of [folder, join(folder, 'storage')]) {
    if (!(await isThere(join(storageFolder, 'shares')))) continue
    return { storageFolder, expiration: KEEP_EVERYTHING }
  }
  throw new CommandError(
    'CLI_NO_STORAGE',
    `expected the node directory of a storage server, or its storage folder, at ${quoteOutput(folder)}`,
  )
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
