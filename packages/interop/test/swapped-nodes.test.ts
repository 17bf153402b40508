import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createClient, formatServersYaml } from '@lafs/client'
import { toBase32 } from '@lafs/crypto'
import {
  createResourceStack,
  describeServer,
  describeWithUpstream,
  freePort,
  lafs,
  ownFiles,
  readStoredShares,
  startOwnNode,
  startOwnServer,
  startTahoe,
  startUpstreamNode,
  tahoe,
  temporaryFolder,
} from '@lafs/interop'
import type { CommandLine, MutableFiles, OwnNode, OwnServer, UpstreamNode } from '@lafs/interop'
import { runningProcess } from '@lafs/node-directory'
import { parseCapStrict } from '@lafs/uri'
import { stretch } from '@lafs/vectors'
import { afterAll, beforeAll, expect, it } from 'vitest'

/** One of the two implementations, on a node directory. */
interface Implementation {
  readonly command: CommandLine
  /** Makes a node directory. @param args - options of the command `create-node`, and the folder. */
  create(args: readonly string[]): Promise<unknown>
  start(folder: string): Promise<OwnNode | UpstreamNode>
}

/** What a client in this process keeps on the storage server of a node. */
interface Lodger {
  readonly files: MutableFiles
  upload(data: Uint8Array): Promise<string>
  close(): Promise<void>
}

const ENCODING = { requiredShares: 1, happyShares: 1, totalShares: 1 }
const bytes = (text: string): Uint8Array => stretch(new TextEncoder().encode(text), 100_000)
const textOf = (data: Uint8Array): string => new TextDecoder().decode(data)

// A node directory changes hands while it holds data: as a client it has secrets and aliases, as a
// server it has shares.
describeWithUpstream('a node directory that changes hands', () => {
  const resources = createResourceStack()
  let folder: string
  let grid: OwnServer
  let upstream: Implementation
  const own: Implementation = {
    command: lafs,
    create: async (args) => {
      const { status, stderr } = await lafs.run(['create-node', ...args], folder, '')
      expect([status, stderr]).toEqual([0, ''])
    },
    start: async (node) => resources.use(await startOwnNode(node)),
  }

  beforeAll(async () => {
    folder = resources.use(await temporaryFolder()).path
    grid = resources.use(await startOwnServer(join(folder, 'grid')))
    const command = resources.use(startTahoe())
    upstream = {
      command,
      create: (args) => tahoe(['create-node', ...args]),
      start: async (node) => resources.use(await startUpstreamNode(node, 1)),
    }
  }, 60_000)
  afterAll(() => resources[Symbol.asyncDispose](), 60_000)

  /** Runs a command on a node directory that has to succeed. @returns what it printed. */
  async function run(
    { command }: Implementation,
    node: string,
    words: readonly string[],
    stdin = '',
  ): Promise<string> {
    const { status, stdout, stderr } = await command.run(['-d', node, ...words], folder, stdin)
    if (status !== 0) throw new Error(`${words[0]} failed with status ${status}: ${stderr}`)
    return stdout.trim()
  }

  async function createNode(by: Implementation, node: string, port: number): Promise<void> {
    const options = [
      '--listen=tcp',
      `--port=tcp:${port}:interface=127.0.0.1`,
      `--location=tcp:127.0.0.1:${port}`,
      '--webport=tcp:0:interface=127.0.0.1',
      '--shares-needed=1',
      '--shares-happy=1',
      '--shares-total=1',
    ]
    await by.create([...options, node])
    await mkdir(join(node, 'private'), { recursive: true })
    const yaml = formatServersYaml([grid.description])
    await writeFile(join(node, 'private', 'servers.yaml'), yaml)
  }

  /** A client of the node's storage server, of which it knows what the directory says. */
  async function lodgeAt(node: string, port: number, leaseSecret: Uint8Array): Promise<Lodger> {
    const servers = [await describeServer(node, port)]
    const convergence = new Uint8Array(32)
    const client = await createClient({ servers, encoding: ENCODING, leaseSecret, convergence })
    return {
      files: ownFiles(client),
      upload: async (data) => (await client.upload(data)).uri,
      close: () => client.close(),
    }
  }

  /** Whichever runs from a directory, ours is not started beside it. */
  async function expectInUse(node: string): Promise<void> {
    expect(await runningProcess(node)).toBeGreaterThan(0)
    await expect(startOwnNode(node)).rejects.toMatchObject({ code: 'NODEDIR_IN_USE' })
  }

  it.each([
    ['made by upstream', 'upstream', 'own'] as const,
    ['made by lafs', 'own', 'upstream'] as const,
  ])('%s goes to the other and comes back', async (_title, maker, taker) => {
    const [first, second] = [maker, taker].map((who) => (who === 'own' ? own : upstream)) as [
      Implementation,
      Implementation,
    ]
    const node = join(folder, `node-by-${maker}`)
    const port = await freePort()
    const leaseSecret = new Uint8Array(32).fill(port % 256)
    await createNode(first, node, port)
    const secrets = (): Promise<string[]> =>
      Promise.all(
        [
          'my_nodeid',
          'node.pubkey',
          'permutation-seed',
          'private/convergence',
          'private/node.pem',
          'private/node.privkey',
          'private/secret',
          'private/storage.furl',
        ].map((name) => readFile(join(node, name), 'utf8')),
      )

    const before = await first.start(node)
    await expectInUse(node)
    const lodger = await lodgeAt(node, port, leaseSecret)
    const lodged = await lodger.upload(bytes('a share on the node '))
    const mutable = await lodger.files.create('SDMF', bytes('a mutable share on the node '))
    await lodger.close()
    await run(first, node, ['create-alias', 'home'])
    const cap = await run(first, node, ['put', '-', 'home:dir/file'], textOf(bytes('a file ')))
    await run(first, node, ['put', '--format=MDMF', '-', 'home:mutable'], 'the first version')
    const kept = await secrets()
    await before.stop()

    expect(await runningProcess(node)).toBeUndefined()
    const after = await second.start(node)
    await expectInUse(node)
    expect(await secrets()).toEqual(kept)
    const lodgerAfter = await lodgeAt(node, port, leaseSecret)
    expect(await lodgerAfter.upload(bytes('a share on the node '))).toBe(lodged)
    expect(await lodgerAfter.files.read(mutable)).toEqual(bytes('a mutable share on the node '))
    await lodgerAfter.files.overwrite(mutable, bytes('written to the other node '))
    await lodgerAfter.close()
    expect(await run(second, node, ['ls', 'home:'])).toBe('dir\nmutable')
    expect(await run(second, node, ['get', 'home:dir/file'])).toBe(textOf(bytes('a file ')).trim())
    expect(await run(second, node, ['put', '-', 'home:again'], textOf(bytes('a file ')))).toBe(cap)
    await run(second, node, ['put', '-', 'home:mutable'], 'the second version')
    await after.stop()
    // The same secrets gave the same key and renewed the lease that was there.
    expect(await leaseCounts(join(folder, 'grid'), cap)).toEqual([1])
    expect(await leaseCounts(join(node, 'storage'), lodged)).toEqual([1])

    const again = await first.start(node)
    const lodgerAgain = await lodgeAt(node, port, leaseSecret)
    expect(await lodgerAgain.files.read(mutable)).toEqual(bytes('written to the other node '))
    await lodgerAgain.close()
    expect(await run(first, node, ['get', 'home:mutable'])).toBe('the second version')
    expect(await run(first, node, ['check', 'home:again'])).toMatch(/Healthy/i)
    expect(await secrets()).toEqual(kept)
    await again.stop()
  })
})

/** How many leases each share of an immutable file has. */
async function leaseCounts(storage: string, text: string): Promise<number[]> {
  const cap = parseCapStrict(text)
  if (cap.kind !== 'chk') throw new Error(`expected a chk cap, got one of kind ${cap.kind}`)
  const shares = await readStoredShares(storage, toBase32(cap.storageIndex))
  return shares.map((share) => share.leaseCount)
}
