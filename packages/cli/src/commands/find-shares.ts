import { join, resolve } from 'node:path'
import { couldBeBase32Encoded, fromBase32 } from '@lafs/crypto'
import type { CommandContext } from '../command-context.ts'
import { UsageError } from '../failure.ts'
import { kebabJson } from '../kebab-json.ts'
import type { JsonOption } from '../outcome.ts'
import { quoteOutput } from '../quote.ts'
import { namesIn, shareFolder } from '../share-folders.ts'
import { writeLine } from '../terminal.ts'

const STORAGE_INDEX_SIZE = 16

/** Prints the files of all shares of a storage index. @see allmydata.scripts.debug.find_shares */
export async function findSharesCommand(
  { terminal }: CommandContext,
  storageIndex: string,
  nodeDirectories: readonly string[],
  { json }: JsonOption,
): Promise<void> {
  const index = couldBeBase32Encoded(storageIndex) ? fromBase32(storageIndex) : undefined
  if (index?.length !== STORAGE_INDEX_SIZE) {
    throw new UsageError('expected a storage index: 26 characters of base32')
  }
  const files: string[] = []
  for (const directory of nodeDirectories) {
    const folder = shareFolder(resolve(terminal.cwd, directory), index)
    files.push(...(await namesIn(folder)).map((name) => join(folder, name)))
  }
  const lines =
    json === true
      ? [kebabJson({ storageIndex, files })]
      : files.map((file) => quoteOutput(file, { quotationMarks: false }))
  for (const line of lines) await writeLine(terminal.stdout, line)
}
