import type { ShareKind, ShareNumber } from '@lafs/storage-interface'

/** The text of a report, as upstream words it. @see allmydata.storage.server.CORRUPTION_REPORT_FORMAT */
export function advisoryText(
  kind: ShareKind,
  storageIndexBase32: string,
  shareNumber: ShareNumber,
  reason: string,
): string {
  return `report: Share Corruption
type: ${kind}
storage_index: ${storageIndexBase32}
share_number: ${shareNumber}

${reason}

`
}

/**
 * The file name of a report: the time in ISO 8601 to the microsecond (none when it is a whole
 * second), storage index and share number, without colons.
 *
 * @see allmydata.storage.server.get_corruption_report_path
 */
export function advisoryName(
  timeMicroseconds: number,
  storageIndexBase32: string,
  shareNumber: ShareNumber,
): string {
  const [second] = new Date(Math.floor(timeMicroseconds / 1000)).toISOString().split('.')
  const fraction = timeMicroseconds % 1_000_000
  const digits = fraction === 0 ? '' : `.${String(fraction).padStart(6, '0')}`
  return `${second}${digits}--${storageIndexBase32}-${shareNumber}`.replaceAll(':', '')
}
