import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { toBase32 } from '@lafs/crypto'
import {
  createResourceStack,
  describeWithUpstream,
  lafs,
  readStoredShares,
  startTahoe,
  startUpstreamClient,
  startUpstreamServer,
  tahoe,
  temporaryFolder,
} from '@lafs/interop'
import type { CommandLine, UpstreamClient, UpstreamServer } from '@lafs/interop'
import { parseCapStrict } from '@lafs/uri'
import { stretch } from '@lafs/vectors'
import { afterAll, beforeAll, expect, it } from 'vitest'

/** Runs a command that has to succeed. @returns what it printed on its standard output. */
async function run(command: CommandLine, words: readonly string[], cwd: string): Promise<string> {
  const { status, stdout, stderr } = await command.run(words, cwd, '')
  if (status !== 0) throw new Error(`${words.join(' ')} failed with status ${status}: ${stderr}`)
  return stdout.trim()
}

// Both commands on one node directory, which upstream made: its tahoe.cfg, servers.yaml and secrets.
describeWithUpstream("upstream's node directory", () => {
  const resources = createResourceStack()
  let folder: string
  let server: UpstreamServer
  let client: UpstreamClient
  const data = stretch(new TextEncoder().encode('a file of the command line '), 1_200_000)

  beforeAll(async () => {
    folder = resources.use(await temporaryFolder()).path
    server = resources.use(await startUpstreamServer(join(folder, 'server')))
    client = resources.use(
      await startUpstreamClient(join(folder, 'client'), {
        servers: [server.description],
        encoding: { requiredShares: 2, happyShares: 1, totalShares: 3 },
      }),
    )
    await writeFile(join(folder, 'file'), data)
  }, 120_000)
  afterAll(() => resources[Symbol.asyncDispose](), 60_000)

  it('gives both commands the same servers, parameters and secrets', async () => {
    const printed = await tahoe(['-d', client.folder, 'put', join(folder, 'file')])
    const upstreamCap = /URI:CHK:\S+/.exec(printed)?.[0] ?? ''
    const ownCap = await run(lafs, ['-q', '-d', client.folder, 'put', 'file'], folder)
    expect(ownCap).toBe(upstreamCap)
    const cap = parseCapStrict(ownCap)
    if (cap.kind !== 'chk') throw new Error(`expected a chk cap, got one of kind ${cap.kind}`)
    const storage = join(server.folder, 'storage')
    const shares = await readStoredShares(storage, toBase32(cap.storageIndex))
    // The second upload renewed the leases of the first: its secrets are the same.
    expect(shares.map((share) => share.leaseCount)).toEqual([1, 1, 1])

    await run(lafs, ['-q', '-d', client.folder, 'get', upstreamCap, 'got-by-own'], folder)
    await tahoe(['-d', client.folder, 'get', ownCap, join(folder, 'got-by-upstream')])
    const got = await Promise.all(
      ['got-by-own', 'got-by-upstream'].map((name) => readFile(join(folder, name))),
    )
    expect(got.map((file) => file.equals(data))).toEqual([true, true])
  })

  it('shows both commands the same aliases, directories and trees', async () => {
    const of = (words: readonly string[]): string[] => ['-d', client.folder, ...words]
    const command = resources.use(startTahoe())
    const own = (...words: string[]): Promise<string> => run(lafs, of(words), folder)
    const upstream = (...words: string[]): Promise<string> => run(command, of(words), folder)
    await upstream('create-alias', 'tahoe')
    await upstream('put', join(folder, 'file'), 'tahoe:dir/by upstream')
    await own('put', '--format=MDMF', 'file', 'dir/ours')
    await own('create-alias', 'second')
    await own('cp', 'tahoe:dir/by upstream', 'tahoe:dir/ours', 'second:')
    await own('ln', 'second:', 'dir/loop')
    await upstream('mkdir', '--format=MDMF', 'second:\u00e9')
    await upstream('ln', 'dir', 'second:\u00e9/up')
    for (const words of [
      ['list-aliases', '--json'],
      ['ls', '--json'],
      ['ls', '--json', 'dir/ours'],
      ['ls', '-l', '-F', '--uri', '--readonly-uri', 'second:'],
      ['manifest', '--raw'],
      ['stats', '--raw'],
    ]) {
      expect([words, await own(...words)]).toEqual([words, await upstream(...words)])
    }
    await upstream('unlink', 'dir/loop')
    await own('mv', 'second:\u00e9', 'dir/')
    expect(await upstream('ls', 'dir')).toBe('by upstream\nours\n\u00e9')
  })
})
