import type {
  DownloadTimings,
  IPublishStatus,
  IRetrieveStatus,
  IServermapUpdaterStatus,
  UploadTimings,
} from '@lafs/filesystem-interface'
import type { GatewayContext } from '../context.ts'
import { table } from './components.ts'
import { html } from './html.ts'
import type { Html } from './html.ts'
import { duration, size } from './text.ts'
import { serverText } from './words.ts'

/** So many answers of one server are told one by one. */
const ANSWERS_MAX = 8

type Step = readonly [
  label: string,
  milliseconds: number | undefined,
  perSecond?: number | undefined,
]

/** The steps of an upload. */
export function uploadTimings(timings: UploadTimings, bytes: number | undefined): Html {
  return steps([
    ['All of it', timings.totalMs, bytes],
    ['Making the key', timings.storageIndexMs, bytes],
    ['Choosing servers', timings.peerSelectionMs],
    ['Asking the helper', timings.contactingHelperMs],
    ['Encoding and sending', timings.totalEncodeAndPushMs, bytes],
    ['Encoding alone', timings.cumulativeEncodingMs, bytes],
    ['Waiting for servers', timings.cumulativeSendingMs, bytes],
    ['Hashes and the end', timings.hashesAndCloseMs],
  ])
}

/** The steps of a download. */
export function downloadTimings(timings: DownloadTimings, bytes: number | undefined): Html {
  return steps([
    ['All of it', timings.totalMs, bytes],
    ['Finding pieces', timings.peerSelectionMs],
    ['Fetching the description', timings.uriExtensionMs],
    ['Fetching hash trees', timings.hashtreesMs],
    ['Fetching and decoding', timings.segmentsMs, bytes],
    ['Waiting for servers', timings.cumulativeFetchMs, bytes],
    ['Decoding alone', timings.cumulativeDecodeMs, bytes],
    ['Decrypting alone', timings.cumulativeDecryptMs, bytes],
  ])
}

/** The steps of looking for the versions of a mutable file. */
export function mapUpdateTimings(timings: IServermapUpdaterStatus['timings']): Html {
  return steps([
    ['All of it', timings.totalMs],
    ['Verifying signatures', timings.cumulativeVerifyMs],
  ])
}

/** The steps of writing a mutable file. */
export function publishTimings(
  timings: IPublishStatus['timings'],
  bytes: number | undefined,
): Html {
  return steps([
    ['All of it', timings.totalMs, bytes],
    ['Preparing', timings.setupMs],
    ['Encrypting', timings.encryptMs, bytes],
    ['Encoding', timings.encodeMs, bytes],
    ['Packing', timings.packMs],
    ['Signing', timings.signMs],
    ['Sending', timings.pushMs, bytes],
  ])
}

/** The steps of reading a mutable file. */
export function retrieveTimings(
  timings: IRetrieveStatus['timings'],
  bytes: number | undefined,
): Html {
  return steps([
    ['All of it', timings.totalMs, bytes],
    ['Fetching', timings.fetchMs, bytes],
    ['Decoding', timings.decodeMs, bytes],
    ['Decrypting', timings.decryptMs, bytes],
  ])
}

/** The steps that happened, each with its part of the longest. */
function steps(all: readonly Step[]): Html {
  const taken = all.filter(
    (step): step is readonly [string, number, number?] => step[1] !== undefined,
  )
  if (taken.length === 0) return html`<p class="empty">No times are known.</p>`
  const longest = Math.max(...taken.map(([, milliseconds]) => milliseconds), 0.001)
  const rows = taken.map(
    ([label, milliseconds, bytes]) =>
      html`<tr>
        <th scope="row">${label}</th>
        <td class="number">${duration(milliseconds)}</td>
        <td class="bar">
          <svg aria-hidden="true" viewBox="0 0 400 20" preserveAspectRatio="none">
            <rect class="fill" width="${((milliseconds / longest) * 400).toFixed(1)}" height="20" />
          </svg>
        </td>
        <td class="number hint">
          ${bytes !== undefined && milliseconds > 0 && `${size((bytes / milliseconds) * 1000)}/s`}
        </td>
      </tr>`,
  )
  return html`<table class="bars">
    <caption>
      How long the steps took
    </caption>
    <tbody>
      ${rows}
    </tbody>
  </table>`
}

/** How long each answer of each server took. */
export function perServer(
  context: Pick<GatewayContext, 'client'>,
  times: ReadonlyMap<string, readonly number[]> | undefined,
): Html {
  if (times === undefined || times.size === 0) return html``
  const rows = [...times].map(([serverId, durations]) => [
    serverText(context, serverId),
    durationsText(durations),
  ])
  return html`<h2>Answers of each server</h2>
    ${table('Answers of each server', [{ label: 'Server' }, { label: 'Took' }], rows)}`
}

/** More than a few answers are summed up. @param durations - milliseconds, at least one. */
function durationsText(durations: readonly number[]): string {
  if (durations.length <= ANSWERS_MAX) return durations.map((one) => duration(one)).join(', ')
  const sorted = durations.toSorted((a, b) => a - b)
  const [first, middle, last] = [0, sorted.length >> 1, -1].map((at) =>
    duration(sorted.at(at) ?? 0),
  )
  return `${sorted.length} answers in ${first} to ${last}, half of them within ${middle}`
}
