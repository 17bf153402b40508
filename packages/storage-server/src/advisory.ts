import type { IShareStoreReader, ShareKind, ShareNumber } from '@lafs/storage-interface'

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

/** A report that a share is bad, as a client sent it. */
export interface Advisory {
  /** Of the file that holds it. */
  readonly name: string
  /** When it came; undefined for a report that is not named as upstream's are. */
  readonly time: Date | undefined
  /** These four are undefined in a text that is no report. `storageIndex` is in base32. */
  readonly kind: ShareKind | undefined
  readonly storageIndex: string | undefined
  readonly shareNumber: ShareNumber | undefined
  readonly reason: string | undefined
}

const REPORT =
  /^report: Share Corruption\ntype: (immutable|mutable)\nstorage_index: ([a-z2-7]+)\nshare_number: ([0-9]+)\n\n(.*)$/s
const NAME_TIME = /^([0-9]{4}-[0-9]{2}-[0-9]{2}T)([0-9]{2})([0-9]{2})([0-9]{2}(?:\.[0-9]+)?)--/

/** Reads one report, whoever wrote it. */
export function parseAdvisory(name: string, text: string): Advisory {
  const [, kind, storageIndex, shareNumber, reason] = REPORT.exec(text) ?? []
  const [, day, hours, minutes, seconds] = NAME_TIME.exec(name) ?? []
  const time = new Date(`${day}${hours}:${minutes}:${seconds}Z`)
  return {
    name,
    time: Number.isNaN(time.getTime()) ? undefined : time,
    kind: kind === 'immutable' || kind === 'mutable' ? kind : undefined,
    storageIndex,
    shareNumber: shareNumber === undefined ? undefined : Number(shareNumber),
    reason: reason?.replace(/\n{1,2}$/, ''),
  }
}

/** The reports that a store keeps, the oldest first. */
export async function* listAdvisories(store: IShareStoreReader): AsyncGenerator<Advisory> {
  for await (const { name, text } of store.advisories()) yield parseAdvisory(name, text)
}
