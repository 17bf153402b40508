import { toBase32 } from '@lafs/crypto'
import type {
  DeepFailure,
  DeepStats,
  DeepStatsResults,
  ICheckAndRepairResults,
  ICheckResults,
  IDeepCheckAndRepairResults,
  IDeepCheckResults,
  Manifest,
  ShareLocator,
} from '@lafs/filesystem-interface'
import type { GatewayResponse } from '../exchange.ts'
import type { Operation } from '../operations.ts'
import type { Exchange, GatewayContext } from '../context.ts'
import { histogram } from './charts.ts'
import { badge, banner, copyField, facts, fold, section, table, tiles } from './components.ts'
import type { Tone } from './components.ts'
import { verdictOf } from './check.ts'
import { exact, html } from './html.ts'
import type { Html, Part } from './html.ts'
import { pageResponse } from './layout.ts'
import { query, rootOf, segment } from './links.ts'
import { ago, count, nameText, number, plainName, size } from './text.ts'
import { errorText, serverText } from './words.ts'

const TITLES: Readonly<Record<Operation['kind'], string>> = {
  'deep-check': 'Check of a folder and all in it',
  'deep-check-and-repair': 'Check and repair of a folder and all in it',
  manifest: 'All that is in a folder',
  'deep-size': 'Size of a folder and all in it',
  'deep-stats': 'Files and sizes in a folder',
}

/** So many lines of each list are shown. */
const LINES_MAX = 1000

/** GET /operations/H */
export async function operationPage(
  exchange: Exchange,
  operation: Operation,
): Promise<GatewayResponse> {
  const running = !operation.monitor.finished
  const body = html`<h1>${TITLES[operation.kind]}</h1>
    <div data-live="operation" ${running && html` data-running`}>
      ${stateOf(exchange, operation)}
      ${operation.monitor.status !== undefined && resultsOf(exchange, operation)}
    </div>`
  return pageResponse(exchange, {
    title: `${TITLES[operation.kind]}${running ? ' (goes on)' : ''}`,
    section: 'activity',
    body,
    refreshSeconds: running ? 2 : undefined,
    reloads: running,
  })
}

function stateOf({ context, request }: Exchange, { handle, monitor, startedMs }: Operation): Html {
  const began = ago(startedMs, context.clock.nowMs())
  const address = `${rootOf(request)}operations/${segment(handle)}`
  if (monitor.cancelled)
    return banner(
      'warning',
      'Ended before it was done',
      `It began ${began}. What was found until then stands below.`,
    )
  if (monitor.finished)
    return html`<p class="hint">
      Began ${began}. ${badge('good', 'done')}
      <a href="${address}${query({ output: 'json' })}">As JSON</a>
    </p>`
  return html`<div class="banner plain">
    <progress aria-label="It goes on"></progress>
    <div>
      <p class="banner-title">It goes on</p>
      <p>
        Began ${began}. This page keeps itself up to date; you may leave it and come back to its
        address.
      </p>
      <form method="post" action="${address}${query({ t: 'cancel' })}">
        <button type="submit">End it now</button>
      </form>
    </div>
  </div>`
}

function resultsOf(exchange: Exchange, operation: Operation): Html {
  const { kind, monitor } = operation
  const whole = monitor.finished && !monitor.cancelled
  switch (kind) {
    case 'deep-check':
      return monitor.status === undefined
        ? html``
        : checked(exchange, operation.handle, monitor.status, whole)
    case 'deep-check-and-repair':
      return monitor.status === undefined
        ? html``
        : repaired(exchange, operation.handle, monitor.status, whole)
    case 'manifest':
      return monitor.status === undefined ? html`` : listed(monitor.status)
    case 'deep-size':
    case 'deep-stats':
      return monitor.status === undefined ? html`` : summed(monitor.status)
  }
}

function checked(
  exchange: Exchange,
  handle: string,
  results: IDeepCheckResults,
  whole: boolean,
): Html {
  const { counters, stats } = results
  const { countObjectsUnhealthy, countObjectsUnrecoverable, countObjectsChecked } = counters
  const address = `${rootOf(exchange.request)}operations/${segment(handle)}/`
  const sick = linesOf(results.allResults(), ([, found]) => !found.healthy)
  const tally = {
    checked: countObjectsChecked,
    unhealthy: countObjectsUnhealthy,
    lost: countObjectsUnrecoverable,
    failed: results.failures.length,
  }
  const repairable = whole && countObjectsUnhealthy > countObjectsUnrecoverable
  return html`${overall(tally, whole, 'Repair them before more is lost.')}
  ${repairable && repairForm(exchange, handle)}
  ${tiles([
    ['Checked', number(countObjectsChecked)],
    ['Healthy', number(counters.countObjectsHealthy), 'good'],
    ['Not whole', number(countObjectsUnhealthy), countObjectsUnhealthy > 0 ? 'warning' : 'plain'],
    [
      'Not readable',
      number(countObjectsUnrecoverable),
      countObjectsUnrecoverable > 0 ? 'bad' : 'plain',
    ],
    [
      'Damaged pieces',
      number(counters.countCorruptShares),
      counters.countCorruptShares > 0 ? 'bad' : 'plain',
    ],
  ])}
  ${
    sick.length > 0 &&
    section(
      'unhealthy',
      'Not whole',
      objects(address, sick, (found) => found),
    )
  }
  ${corrupt(exchange.context, 'Damaged pieces', results.corruptShares)}
  ${failures(results.failures)}
  ${fold(
    'Everything that was checked',
    objects(address, linesOf(results.allResults()), (found) => found),
  )}
  ${fold('Files and sizes', sums(stats))}`
}

/** Offers to repair all that a check has found. */
function repairForm({ request }: Exchange, handle: string): Html {
  return html`<form
    method="post"
    action="${rootOf(request)}operations/${segment(handle)}${query({ t: 'repair' })}"
  >
    <p>
      Checks everything in the folder again, and makes the missing and damaged pieces anew, on
      servers that answer now. What cannot be read stays as it is. It goes on while you do something
      else.
    </p>
    <button type="submit" class="primary">Repair all</button>
  </form>`
}

function repaired(
  exchange: Exchange,
  handle: string,
  results: IDeepCheckAndRepairResults,
  whole: boolean,
): Html {
  const { counters, stats } = results
  const address = `${rootOf(exchange.request)}operations/${segment(handle)}/`
  const sick = linesOf(results.allResults(), ([, found]) => !found.preRepairResults.healthy)
  const left = counters.countObjectsUnhealthyPostRepair
  const lost = counters.countObjectsUnrecoverablePostRepair
  const tally = {
    checked: counters.countObjectsChecked,
    unhealthy: left,
    lost,
    failed: results.failures.length,
  }
  return html`${overall(tally, whole, 'Perhaps too few servers answer now. Try again later.')}
  ${tiles([
    ['Checked', number(counters.countObjectsChecked)],
    ['Were not whole', number(counters.countObjectsUnhealthyPreRepair)],
    ['Repairs tried', number(counters.countRepairsAttempted)],
    ['Repaired', number(counters.countRepairsSuccessful), 'good'],
    [
      'Repairs failed',
      number(counters.countRepairsUnsuccessful),
      counters.countRepairsUnsuccessful > 0 ? 'bad' : 'plain',
    ],
    ['Still not whole', number(left), left > 0 ? 'warning' : 'plain'],
    ['Not readable', number(lost), lost > 0 ? 'bad' : 'plain'],
  ])}
  ${
    sick.length > 0 &&
    section(
      'unhealthy',
      'Were not whole',
      objects(address, sick, (found) => found.postRepairResults),
    )
  }
  ${corrupt(exchange.context, 'Pieces that stay damaged', results.remainingCorruptShares)}
  ${failures(results.failures)}
  ${fold(
    'Everything that was checked',
    objects(address, linesOf(results.allResults()), (found) => found.postRepairResults),
  )}
  ${fold('Files and sizes', sums(stats))}`
}

/** How many objects of a tree are how. */
interface Tally {
  readonly checked: number
  readonly unhealthy: number
  /** Those of the unhealthy ones that cannot be read. */
  readonly lost: number
  /** What could not be looked at. */
  readonly failed: number
}

/** What it comes to, so far or in the end. */
function overall(
  { checked: all, unhealthy, lost, failed }: Tally,
  whole: boolean,
  advice: string,
): Html {
  const seen = count(all, 'file or folder', 'files and folders')
  const of = (some: number): string => `${number(some)} of ${seen} ${some === 1 ? 'is' : 'are'}`
  if (lost > 0)
    return banner(
      'bad',
      `${of(lost)} not readable now`,
      'If the missing pieces are on servers that are away, they come back with them.',
    )
  if (failed > 0)
    return banner(
      'bad',
      `${count(failed, 'object')} could not be read or checked`,
      'They are listed below. What is in a folder that cannot be read was not checked either.',
    )
  if (unhealthy > 0) return banner('warning', `${of(unhealthy)} not whole, but readable`, advice)
  const text = `Checked: ${seen}.`
  return whole ? banner('good', 'All is well', text) : banner('plain', 'All well so far', text)
}

type Line<Results> = readonly [path: readonly string[], results: Results]

/** The first lines of a list that fit, at most one more than are shown. */
function linesOf<Results>(
  all: Iterable<Line<Results>>,
  wanted: (line: Line<Results>) => boolean = () => true,
): Line<Results>[] {
  const lines: Line<Results>[] = []
  for (const line of all) {
    if (wanted(line)) lines.push(line)
    if (lines.length > LINES_MAX) break
  }
  return lines
}

function objects<Results extends ICheckResults | ICheckAndRepairResults>(
  address: string,
  lines: readonly Line<Results>[],
  outcome: (results: Results) => ICheckResults,
): Html {
  const rows = lines.slice(0, LINES_MAX).map(([path, results]) => {
    const found = outcome(results)
    const { tone, title } = verdictOf(found)
    return [
      html`<a href="${address}${toBase32(found.storageIndex)}">${pathText(path)}</a>`,
      badge(tone, title),
      `${number(found.goodShareCount)} of ${number(found.totalShares)}`,
    ]
  })
  const columns = [
    { label: 'Object' },
    { label: 'Health' },
    { label: 'Good pieces', numeric: true },
  ]
  return html`${table('Objects', columns, rows)}${lines.length > LINES_MAX && moreNote()}`
}

function moreNote(): Html {
  return html`<p class="hint">These are the first ${number(LINES_MAX)}; the JSON has them all.</p>`
}

function pathText(path: readonly string[]): Html {
  if (path.length === 0) return html`<i>the folder itself</i>`
  return html`${path.map((name, index) => html`${index > 0 && '/'}${nameText(name)}`)}`
}

function corrupt(context: GatewayContext, heading: string, shares: readonly ShareLocator[]): Part {
  if (shares.length === 0) return undefined
  const lines = shares
    .slice(0, LINES_MAX)
    .map(
      ({ serverId, storageIndex, shareNumber }) =>
        html`<li>
          Piece ${shareNumber} of <code>${toBase32(storageIndex)}</code> on
          ${serverText(context, serverId)}
        </li>`,
    )
  return section(
    'corrupt',
    heading,
    html`<ul>
        ${lines}
      </ul>
      ${shares.length > LINES_MAX && moreNote()}`,
  )
}

function failures(failed: readonly DeepFailure[]): Part {
  if (failed.length === 0) return undefined
  const lines = failed
    .slice(0, LINES_MAX)
    .map(({ path, error }) => html`<li>${pathText(path)}: ${errorText(error)}</li>`)
  return section(
    'failures',
    'Could not be read or checked',
    html`<ul>
        ${lines}
      </ul>
      ${failed.length > LINES_MAX && moreNote()}`,
  )
}

function listed({ manifest, stats, failures: failed }: Manifest): Html {
  const rows = manifest
    .slice(0, LINES_MAX)
    .map(([path, cap], index) => [
      pathText(path),
      copyField(`cap-${index}`, `Key of ${plainName(path.join('/'))}`, exact(cap)),
    ])
  return html`<p>${count(manifest.length, 'file and folder', 'files and folders')}.</p>
    ${failures(failed)} ${fold('Files and sizes', sums(stats))}
    <div class="compact">
      ${table('Everything in the folder', [{ label: 'Path' }, { label: 'Key', short: '' }], rows)}
    </div>
    ${manifest.length > LINES_MAX && moreNote()}`
}

function summed(results: DeepStatsResults): Html {
  return html`${failures(results.failures)}${sums(results)}`
}

/** The sums over a tree, with a picture of how large its files are. */
function sums(stats: DeepStats): Html {
  const bars = stats.sizeFilesHistogram.map(([min, max, files]) => ({
    label: min === 0 && max === 0 ? 'empty' : `${size(min)} to ${size(max)}`,
    value: files,
  }))
  const entries: (readonly [string, string, Tone?])[] = [
    ['Files', number(stats.countFiles)],
    ['Folders', number(stats.countDirectories)],
    ['Bytes of files', size(stats.sizeImmutableFiles + stats.sizeLiteralFiles)],
    ['Largest file', size(stats.largestImmutableFile)],
  ]
  return html`${tiles(entries)} ${bars.length > 0 && histogram('Files by size', 'file', bars)}
  ${facts([
    ['Files that never change', number(stats.countImmutableFiles)],
    ['Files in their keys', number(stats.countLiteralFiles)],
    ['Changeable files (their sizes are not known here)', number(stats.countMutableFiles)],
    ['Of unknown kind', number(stats.countUnknown)],
    ['Bytes of lists of folders', size(stats.sizeDirectories)],
    ['Entries of the largest folder', number(stats.largestDirectoryChildren)],
  ])}`
}
