import { UsageError } from './failure.ts'
import { quoteOutput } from './quote.ts'

/** The formats of new files. */
export type FileFormat = 'CHK' | 'SDMF' | 'MDMF'

/**
 * The format that a word names, in letters of any size; undefined for no word.
 *
 * @throws {@link UsageError} for any other word.
 */
export function parseFormat<Format extends FileFormat>(
  word: string | undefined,
  known: readonly Format[],
): Format | undefined {
  if (word === undefined || word === '') return undefined
  const format = known.find((one) => one === word.toUpperCase())
  if (format !== undefined) return format
  throw new UsageError(`${quoteOutput(word)} is an invalid format; there are ${known.join(', ')}`)
}
