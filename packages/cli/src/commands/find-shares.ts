import { join, resolve } from 'node:path'
import { couldBeBase32Encoded, fromBase32 } from '@lafs/crypto'
import type { CommandContext } from '../command-context.ts'
import { UsageError } from '../failure.ts'
import { quoteOutput } from '../quote.ts'
import { namesIn, shareFolder } from '../share-folders.ts'
import { writeTo } from '../terminal.ts'

const STORAGE_INDEX_SIZE = 16

/** Prints the files of all shares of a storage index. @see allmydata.scripts.debug.find_shares */
export async function findSharesCommand(
  { terminal }: CommandContext,
  storageIndex: string,
  nodeDirectories: readonly string[],
): Promise<void> {
  const index = couldBeBase32Encoded(storageIndex) ? fromBase32(storageIndex) : undefined
  if (index?.length !== STORAGE_INDEX_SIZE) {
    throw new UsageError('expected a storage index: 26 characters of base32')
  }
  for (const directory of nodeDirectories) {
    const folder = shareFolder(resolve(terminal.cwd, directory), index)
    for (const name of await namesIn(folder)) {
      const path = quoteOutput(join(folder, name), { quotationMarks: false })
      await writeTo(terminal.stdout, `${path}\n`)
    }
  }
}
