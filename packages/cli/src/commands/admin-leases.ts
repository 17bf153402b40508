import type { CrawlerStates, CycleRecord } from '@lafs/storage-server'
import type { CommandContext } from '../command-context.ts'
import { kebabJson } from '../kebab-json.ts'
import type { JsonOption } from '../outcome.ts'
import { bytesText, daysOf, policyText, timeText } from '../survey-text.ts'
import { surveyStorage } from '../survey.ts'
import type { Survey } from '../survey.ts'
import { writeTo } from '../terminal.ts'

/** Sums up the leases of a storage server: how old they are, and what they hold. */
export async function adminLeasesCommand(
  context: CommandContext,
  folder: string | undefined,
  { json }: JsonOption,
): Promise<void> {
  const survey = await surveyStorage(context, folder)
  const text = json === true ? kebabJson(leasesJson(survey), 1) : lines(survey).join('\n')
  await writeTo(context.terminal.stdout, `${text}\n`)
}

function leasesJson({ expiration, counts, states }: Survey): object {
  return {
    expiration,
    ...counts,
    'lease-checker': states.leaseChecker ?? null,
    history: states.leaseHistory ?? null,
  }
}

function lines({ expiration, counts, states }: Survey): string[] {
  const space = counts['space-recovered']
  const ages = counts['lease-age-histogram']
  const leases = ages.reduce((sum, [, , count]) => sum + count, 0)
  const shares = (which: string): string =>
    `${space[`${which}-shares`] ?? 0}, ${bytesText(space[`${which}-sharebytes`] ?? 0)}`
  return [
    policyText(expiration),
    `leases: ${leases} on ${space['examined-shares'] ?? 0} shares`,
    ...Object.entries(counts['leases-per-share-histogram']).map(
      ([count, times]) => ` shares with ${count === '1' ? '1 lease' : `${count} leases`}: ${times}`,
    ),
    'days since they were renewed:',
    ...ages.map(([from, to, count]) => ` ${daysOf(from)}-${daysOf(to)}: ${count}`),
    `shares whose leases have all ended by their own word: ${shares('original')}`,
    `shares whose leases have all ended by the settings: ${shares('configured')}`,
    ...lastCycleLines(states),
  ]
}

/** What the server's own walk has come to, the last time that it came to an end. */
function lastCycleLines({ leaseHistory }: CrawlerStates): string[] {
  const last = Object.entries(leaseHistory ?? {}).toSorted(([a], [b]) => Number(b) - Number(a))[0]
  const cycle: Partial<CycleRecord> | undefined = last?.[1]
  const finished = cycle?.['cycle-start-finish-times']?.[1]
  const space = cycle?.['space-recovered']
  if (finished === undefined || space === undefined) return []
  const bytes = bytesText(space['actual-diskbytes'] ?? 0)
  return [
    `the server's last walk: ended ${timeText(finished)} UTC; ${space['examined-shares'] ?? 0} shares looked at, ${space['actual-shares'] ?? 0} deleted, ${bytes} of disk`,
  ]
}
