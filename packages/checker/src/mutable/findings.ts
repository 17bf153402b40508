import type { ICheckResults, ShareLocator } from '@lafs/filesystem-interface'
import { serversOfHappiness } from '@lafs/immutable'
import type { FailedShare, KnownShare, ServerMap, VersionInfo } from '@lafs/mutable'
import type { IServer, IStorageBroker } from '@lafs/storage-interface'
import { rebalancingMoves } from '../rebalance/plan.ts'
import { createCheckResults } from '../results/check-results.ts'
import type { MutableTarget } from '../target.ts'

/** What upstream says of the encoding of a file of which it found nothing. */
const USUAL_ENCODING = { requiredShares: 3, totalShares: 10 }

/**
 * What a servermap says of the health of a file, in upstream's words.
 *
 * @param map - of all servers.
 * @param failed - what a verification found; no good shares of the map.
 * @see allmydata.mutable.checker.MutableChecker._make_checker_results
 */
export function mutableCheckResults(
  { cap: { storageIndex }, uri }: MutableTarget,
  broker: IStorageBroker,
  map: ServerMap,
  failed: readonly FailedShare[],
): ICheckResults {
  const servers = broker.serversForStorageIndex(storageIndex)
  const shares = [...map.shares()]
  const recoverable = map.recoverableVersions()
  const unrecoverable = map.unrecoverableVersions()
  const [best] = recoverable
  const counted = best ?? unrecoverable[0]
  const good = shares.filter(({ version }) => version.id === counted?.id)
  const goodShareCount = new Set(good.map(({ shareNumber }) => shareNumber)).size
  const { requiredShares, totalShares } = counted ?? USUAL_ENCODING
  const { problems, report } = describeVersions(map, { shares, goodShareCount })
  const failures = failed.toSorted(byShare)
  const { names, lines } = describeFailures(failures)
  const healthy = problems.length === 0 && names.length === 0
  const sharemap = new Map<string, Set<string>>()
  for (const { server, shareNumber, version } of shares) {
    addTo(sharemap, `${version.summary}-sh${shareNumber}`, server.serverId)
  }
  return createCheckResults({
    storageIndex,
    uri,
    healthy,
    recoverable: best !== undefined,
    needsRebalancing: best !== undefined && needsRebalancing(map, best, servers),
    happiness: serversOfHappiness(new Map([...sharemap.values()].entries())),
    requiredShares,
    totalShares,
    goodShareCount,
    wrongShareCount: shares.length - good.length,
    corruptShares: failures.filter(({ damaged }) => damaged).map(locatorOf(storageIndex)),
    incompatibleShares: [],
    serversResponding: new Set(map.reachableServers),
    goodShareHostCount: new Set(good.map(({ server }) => server.serverId)).size,
    recoverableVersionCount: recoverable.length,
    unrecoverableVersionCount: unrecoverable.length,
    sharemap,
    summary: healthy ? 'Healthy' : `Unhealthy: ${[...problems, ...names].join(' ')}`,
    report: [...report, ...lines],
  })
}

/** What is wrong with the versions there are, in short and at length. */
function describeVersions(
  map: ServerMap,
  { shares, goodShareCount }: { shares: readonly KnownShare[]; goodShareCount: number },
): { problems: string[]; report: string[] } {
  const [recoverable, unrecoverable] = [map.recoverableVersions(), map.unrecoverableVersions()]
  const countOf = ({ id, summary }: VersionInfo): string =>
    `${shares.filter(({ version }) => version.id === id).length}*${summary}`
  const listOf = (versions: readonly VersionInfo[]): string => versions.map(countOf).join('/')
  const problems: string[] = []
  const report: string[] = []
  if (recoverable.length > 0) report.push(`Recoverable Versions: ${listOf(recoverable)}`)
  if (unrecoverable.length > 0) {
    report.push(
      `Unrecoverable Versions: ${listOf(unrecoverable)}`,
      'Unhealthy: some versions are unrecoverable',
    )
    problems.push('some versions are unrecoverable')
  }
  const [best] = recoverable
  if (best === undefined) {
    report.push('Unhealthy: no versions are recoverable')
    problems.push('no versions are recoverable')
    return { problems, report }
  }
  if (recoverable.length > 1) {
    report.push('Unhealthy: there are multiple recoverable versions')
    problems.push('multiple versions are recoverable')
  }
  report.push(`Best Recoverable Version: ${best.summary}`)
  const { requiredShares, totalShares } = best
  if (goodShareCount < totalShares) {
    const encoding = `${requiredShares}-of-${totalShares}`
    report.push(
      `Unhealthy: best version has only ${goodShareCount} shares (encoding is ${encoding})`,
    )
    problems.push(`${goodShareCount} shares (enc ${encoding})`)
  }
  return { problems, report }
}

/** The shares that did not stand the test, for the summary and for the report. */
function describeFailures(failures: readonly FailedShare[]): { names: string[]; lines: string[] } {
  const names: string[] = []
  const lines: string[] = []
  for (const [title, wanted] of [
    ['Corrupt Shares:', true],
    ['Unreadable Shares:', false],
  ] as const) {
    const found = failures.filter(({ damaged }) => damaged === wanted)
    if (found.length === 0) continue
    names.push(title, ...found.map(nameOf))
    lines.push(title, ...found.map((one) => ` ${nameOf(one)}: ${reasonOf(one)}`))
  }
  return { names, lines }
}

function nameOf({ server, shareNumber }: FailedShare): string {
  return `${server.name}-sh${shareNumber}`
}

/** What messages about a share begin with. */
const OWN_NAME = /^(?:mutable )?share \d+: /

/** What is wrong with a share; upstream's words, where it has some. */
function reasonOf({ error }: FailedShare): string {
  if (!(error instanceof Error)) return 'it could not be read'
  return error.message.replace(OWN_NAME, '')
}

/** Whether a share of the best version would be safer on another one of the servers that answered. */
function needsRebalancing(map: ServerMap, best: VersionInfo, servers: readonly IServer[]): boolean {
  const sharemap = new Map<number, Set<string>>()
  for (const { server, shareNumber } of map.sharesOf(best)) {
    addTo(sharemap, shareNumber, server.serverId)
  }
  const candidateServers = servers
    .filter((one) => one.uploadPermitted() && map.reachableServers.has(one.serverId))
    .map(({ serverId }) => serverId)
  return rebalancingMoves({ sharemap, candidateServers }).length > 0
}

function locatorOf(storageIndex: Uint8Array): (share: FailedShare) => ShareLocator {
  return ({ server: { serverId }, shareNumber }) => ({ serverId, storageIndex, shareNumber })
}

function byShare(a: FailedShare, b: FailedShare): number {
  if (a.shareNumber !== b.shareNumber) return a.shareNumber - b.shareNumber
  return a.server.serverId < b.server.serverId ? -1 : 1
}

function addTo<K>(map: Map<K, Set<string>>, key: K, value: string): void {
  map.set(key, (map.get(key) ?? new Set()).add(value))
}
