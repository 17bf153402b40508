import type { CheckAndRepairResultsJson, CheckResultsJson, ShareLocatorJson } from '@lafs/checker'
import { CommandError } from './failure.ts'
import { quoteOutput } from './quote.ts'

/** What is said of an object that is stored nowhere. */
const LITERAL_SUMMARY = 'Healthy (LIT)'

/** The results of a check, and of a repair where one was asked for. */
export type AnyResults = CheckResultsJson | CheckAndRepairResultsJson

/** The summary of a check in one line. */
export function summaryLine(results: CheckResultsJson): string {
  const summary = 'summary' in results ? results.summary : LITERAL_SUMMARY
  return quoteOutput(summary, { quotationMarks: false })
}

/** What a check found and a repair did, for people. @see allmydata.scripts.tahoe_check.check_location */
export function checkLines(results: AnyResults): string[] {
  if ('pre-repair-results' in results) {
    const before = results['pre-repair-results']
    return [`Summary: ${healthWord(before)}`, ...findings(before), ...repairLines(results)]
  }
  if ('results' in results) return [`Summary: ${summaryLine(results)}`, ...findings(results)]
  return [`Summary: ${LITERAL_SUMMARY}`, ' storage index: ']
}

/** Whether an object was healthy, in a word or two. */
export function healthWord({ results }: CheckResultsJson): string {
  return results.healthy ? 'healthy' : 'not healthy'
}

/** What came of a repair that was tried. */
export function repairLines(results: AnyResults): string[] {
  if (!('repair-attempted' in results) || !results['repair-attempted']) return []
  return [results['repair-successful'] ? ' repair successful' : ' repair failed']
}

/** What to tell of a repair that was tried in vain; undefined of others. */
export function repairFailure(results: AnyResults): CommandError | undefined {
  if (!('repair-attempted' in results) || !results['repair-attempted']) return undefined
  if (results['repair-successful']) return undefined
  const after = results['post-repair-results']
  const summary = summaryLine(after)
  if (!('summary' in after)) return new CommandError('CLI_NOT_REPAIRED', summary)
  const { 'count-shares-good': good, 'count-shares-needed': needed } = after.results
  // Of a mutable file without a whole version nobody knows what it would need.
  const counts = good > 0 && good < needed ? `: ${good} of the ${needed} shares that it needs` : ''
  return new CommandError('CLI_NOT_REPAIRED', `${summary}${counts}`)
}

/** The shares that a check found to be corrupt. */
export function corruptShares(results: CheckResultsJson): readonly string[] {
  return 'summary' in results ? results.results['list-corrupt-shares'].map(shareText) : []
}

/** One share, for people. */
function shareText([serverId, storageIndex, shareNumber]: ShareLocatorJson): string {
  return `server ${serverId}, SI ${storageIndex}, shnum ${shareNumber}`
}

function findings(results: CheckResultsJson): string[] {
  const index = ` storage index: ${results['storage-index']}`
  if (!('summary' in results)) return [index]
  const counts = results.results
  const encoding = `${counts['count-shares-needed']}-of-${counts['count-shares-expected']}`
  const corrupt = corruptShares(results).map((share) => `  ${share}`)
  return [
    index,
    ` good-shares: ${counts['count-shares-good']} (encoding is ${encoding})`,
    ` wrong-shares: ${counts['count-wrong-shares']}`,
    ...(corrupt.length === 0 ? [] : [' corrupt shares:', ...corrupt]),
  ]
}
