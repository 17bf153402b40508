import { type IStorageServer, StorageError } from '@lafs/storage-interface'
import { withFault } from './faults.ts'

/** What one client reaches all servers of its grid over, until it breaks. */
export interface BreakingLine {
  /** The server at the other end of this line. */
  over(server: IStorageServer): IStorageServer
  /** The messages that there were so far, whether they arrived or not. */
  readonly messageCount: number
  readonly broken: boolean
}

/** How a line breaks. */
export interface BreakingLineOptions {
  /** The message that it breaks at still gets there, and its answer is lost. Default: it is lost as well. */
  readonly lastArrives?: boolean
}

/**
 * A client that dies, as servers see it: so many messages to all of them together have their answers,
 * the next one is the last, and nothing comes after that.
 *
 * @param answeredCount - Infinity: a line that counts and never breaks.
 */
export function breakingLine(
  answeredCount: number,
  { lastArrives = false }: BreakingLineOptions = {},
): BreakingLine {
  let messageCount = 0
  const lost = (): StorageError => new StorageError('STORAGE_UNREACHABLE', 'the line is broken')
  return {
    over: (server) =>
      withFault(server, async (_, operation) => {
        const before = messageCount++
        if (before < answeredCount) return operation()
        if (before === answeredCount && lastArrives) await operation()
        throw lost()
      }),
    get messageCount() {
      return messageCount
    },
    get broken() {
      return messageCount > answeredCount
    },
  }
}
