import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  createResourceStack,
  describeWithUpstream,
  startOwnGateway,
  startOwnServer,
  startUpstreamGateway,
  temporaryFolder,
} from '@lafs/interop'
import {
  compareObservations,
  differenceRules,
  firstScenario,
  judge,
  knownDifferences,
  makeNodeFiles,
  makeOwnFiles,
  makeSharedFiles,
  runScenario,
  webApiScenario,
} from '@lafs/interop/web-api'
import type { Verdict } from '@lafs/interop/web-api'
import { usePublishedKeys } from '@lafs/testing/published-keys'
import { loadVectors } from '@lafs/vectors'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'

/** Keys that two gateways are given; no two files of a grid may share one. */
async function givenKeys(): Promise<string[]> {
  const { cases } = await loadVectors<{ cases: { signingKey: string }[] }>('mutable/pem')
  return cases.map(({ signingKey }) =>
    Buffer.from(signingKey, 'hex').toString('base64').replaceAll('+', '-').replaceAll('/', '_'),
  )
}

// On one grid, upstream's gateway and ours are sent the same requests.
describeWithUpstream('the web API of a gateway', () => {
  const resources = createResourceStack()
  let verdict: Verdict
  let answered: number

  beforeAll(async () => {
    await usePublishedKeys()
    const folder = resources.use(await temporaryFolder()).path
    const servers = await Promise.all(
      [0, 1, 2].map((number) => startOwnServer(join(folder, `server-${number}`))),
    )
    for (const server of servers) resources.use(server)
    const options = {
      servers: servers.map((server) => server.description),
      encoding: { requiredShares: 2, happyShares: 2, totalShares: 3, maxSegmentSize: 65_536 },
      convergence: new Uint8Array(32).fill(7),
    }
    const storages = servers.map((server) => server.storage)
    const upstream = resources.use(await startUpstreamGateway(join(folder, 'theirs'), options))
    const own = resources.use(await startOwnGateway(join(folder, 'ours'), options))
    const none = new Map()
    const theirFirst = await runScenario(upstream.webUrl, firstScenario, none, none)
    const ourFirst = await runScenario(own.webUrl, firstScenario, none, none)
    const shared = await makeSharedFiles(upstream, storages)
    await Promise.all([upstream, own].map((node) => makeNodeFiles(node.folder, shared)))
    const keys = await givenKeys()
    const ask = async (webUrl: string, whose: string, keyNumber: number) => {
      const files = await makeOwnFiles(upstream, storages, whose)
      const values = new Map([
        ...files,
        ['private-key', keys[keyNumber] ?? ''],
        ['second-key', keys[keyNumber + 1] ?? ''],
      ])
      return runScenario(webUrl, webApiScenario, shared, values)
    }
    // One after the other: two clients that upload the same file at once are in each other's way.
    const theirRest = await ask(upstream.webUrl, 'upstream', 0)
    const ourRest = await ask(own.webUrl, 'ours', 2)
    const theirs = new Map([...theirFirst, ...theirRest])
    const ours = new Map([...ourFirst, ...ourRest])
    const differences = compareObservations(theirs, ours)
    answered = ours.size
    verdict = judge(differences, differenceRules, knownDifferences)
    const report = process.env['LAFS_WEB_API_REPORT']
    if (report !== undefined) {
      const all = { ...verdict, differences, upstream: [...theirs], own: [...ours] }
      await writeFile(report, JSON.stringify(all, undefined, 1))
    }
  }, 300_000)
  afterAll(async () => {
    vi.restoreAllMocks()
    await resources[Symbol.asyncDispose]()
  }, 60_000)

  it('answers a thousand requests as upstream does, but for what has a reason', () => {
    expect(answered).toBeGreaterThan(1000)
    expect(verdict.unexplained).toEqual([])
  })

  it('still differs wherever a reason is given', () => {
    expect(verdict.outdated).toEqual([])
  })
})
