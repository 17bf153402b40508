import { toBase32 } from '@lafs/crypto'
import type {
  ICheckAndRepairResults,
  ICheckResults,
  ShareLocator,
} from '@lafs/filesystem-interface'
import { CommandError } from './failure.ts'
import { quoteOutput } from './quote.ts'

/** What is said of an object that is stored nowhere. */
const LITERAL_SUMMARY = 'Healthy (LIT)'

/** The summary of a check in one line. @param results - undefined where nothing is stored. */
export function summaryLine(results: ICheckResults | undefined): string {
  return quoteOutput(results?.summary ?? LITERAL_SUMMARY, { quotationMarks: false })
}

/** What a check found, for people. @see allmydata.scripts.tahoe_check.check_location */
export function checkLines(results: ICheckResults | undefined): string[] {
  const summary = `Summary: ${summaryLine(results)}`
  return results === undefined ? [summary, ' storage index: '] : [summary, ...findings(results)]
}

/** What a check found and a repair did, for people; where nothing is stored, that. */
export function checkAndRepairLines(results: ICheckAndRepairResults | undefined): string[] {
  if (results === undefined) return checkLines(undefined)
  const before = results.preRepairResults
  return [`Summary: ${healthWord(before)}`, ...findings(before), ...repairLines(results)]
}

/** Whether an object was healthy, in a word or two. */
export function healthWord({ healthy }: ICheckResults): string {
  return healthy ? 'healthy' : 'not healthy'
}

/** What came of a repair that was tried. */
export function repairLines(results: ICheckAndRepairResults): string[] {
  if (!results.repairAttempted) return []
  return [results.repairSuccessful ? ' repair successful' : ' repair failed']
}

/** What to tell of a repair that was tried in vain, with the reason; undefined of others. */
export function repairFailure(
  results: ICheckAndRepairResults | undefined,
): CommandError | undefined {
  if (results?.repairAttempted !== true || results.repairSuccessful) return undefined
  const { summary, report } = results.postRepairResults
  return new CommandError('CLI_NOT_REPAIRED', report[0] ?? summary)
}

/** One share, for people. */
export function shareText({ serverId, storageIndex, shareNumber }: ShareLocator): string {
  return `server ${serverId}, SI ${toBase32(storageIndex)}, shnum ${shareNumber}`
}

function findings(results: ICheckResults): string[] {
  const encoding = `${results.requiredShares}-of-${results.totalShares}`
  const corrupt = results.corruptShares.map((share) => `  ${shareText(share)}`)
  return [
    ` storage index: ${toBase32(results.storageIndex)}`,
    ` good-shares: ${results.goodShareCount} (encoding is ${encoding})`,
    ` wrong-shares: ${results.wrongShareCount}`,
    ...(corrupt.length === 0 ? [] : [' corrupt shares:', ...corrupt]),
  ]
}
