import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  createResourceStack,
  describeWithUpstream,
  freePort,
  lafs,
  startOwnNode,
  startUpstreamNode,
  tahoe,
  temporaryFolder,
} from '@lafs/interop'
import type { OwnNode, UpstreamNode } from '@lafs/interop'
import { addServers, runningProcess } from '@lafs/node-directory'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'

const TEXT = 'what one node stored and the other one reads. '.repeat(3000)
const NEWER = 'what the other one put in its place. '.repeat(3000)

/** What must not change, or the shares and leases of a server are lost to its clients. */
const IDENTITY = [
  'my_nodeid',
  'node.pubkey',
  'permutation-seed',
  'private/convergence',
  'private/node.pem',
  'private/node.privkey',
  'private/secret',
  'private/storage.furl',
]

type Running = OwnNode | UpstreamNode

async function ask(node: Running, path: string, method = 'GET', body?: string): Promise<string> {
  const request = body === undefined ? { method } : { method, body }
  const response = await fetch(new URL(path, node.webUrl), request)
  const said = await response.text()
  if (!response.ok) throw new Error(`${method}: status ${response.status}: ${said.slice(0, 1000)}`)
  return said
}

/** Waits until a node is connected to its only server, itself. */
async function connected(node: Running): Promise<void> {
  await vi.waitFor(
    async () => {
      const { servers } = JSON.parse(await ask(node, '?t=json')) as {
        servers: { connection_status: string }[]
      }
      expect(servers.map((server) => server.connection_status)).toEqual([
        expect.stringMatching(/^connected/i),
      ])
    },
    { timeout: 30_000, interval: 50 },
  )
}

/** The caps of what a node stores, and what reads and changes it. */
interface Stored {
  readonly file: string
  readonly mutable: string
  readonly directory: string
}

async function store(node: Running): Promise<Stored> {
  const file = await ask(node, 'uri', 'PUT', TEXT)
  const mutable = await ask(node, 'uri?format=sdmf', 'PUT', TEXT)
  const directory = await ask(node, 'uri?t=mkdir', 'POST')
  await ask(node, `uri/${directory}/child?t=uri`, 'PUT', file)
  return { file, mutable, directory }
}

/** Reads it all, and changes what can be changed. */
async function readAndChange(node: Running, { file, mutable, directory }: Stored): Promise<void> {
  expect(await ask(node, `uri/${file}`)).toBe(TEXT)
  expect(await ask(node, `uri/${mutable}`)).toBe(TEXT)
  expect(await ask(node, `uri/${directory}/child`)).toBe(TEXT)
  expect(await ask(node, 'uri', 'PUT', TEXT)).toBe(file)
  await ask(node, `uri/${mutable}`, 'PUT', NEWER)
  await ask(node, `uri/${directory}/newer`, 'PUT', NEWER)
}

async function readChanged(node: Running, { mutable, directory }: Stored): Promise<void> {
  expect(await ask(node, `uri/${mutable}`)).toBe(NEWER)
  expect(await ask(node, `uri/${directory}/newer`)).toBe(NEWER)
  expect(await ask(node, `uri/${directory}/child`)).toBe(TEXT)
}

// One node directory that is run by one implementation after the other. Its client stores at its own server.
describeWithUpstream('a node directory', () => {
  const resources = createResourceStack()
  let root: string
  beforeAll(async () => {
    root = resources.use(await temporaryFolder()).path
  })
  afterAll(() => resources[Symbol.asyncDispose](), 60_000)

  const words = (port: number): string[] => [
    'create-node',
    `--port=tcp:${port}:interface=127.0.0.1`,
    `--location=tcp:127.0.0.1:${port}`,
    '--webport=tcp:0:interface=127.0.0.1',
    '--shares-needed=1',
    '--shares-happy=1',
    '--shares-total=1',
  ]
  const identityOf = (folder: string): Promise<string[]> =>
    Promise.all(IDENTITY.map((name) => readFile(join(folder, name), 'utf8')))

  /** Lets the client of a node know its server, by running it once. */
  async function makeKnown(folder: string): Promise<void> {
    const node = await startOwnNode(folder)
    await node.stop()
    await addServers(folder, await readFile(join(folder, 'private/announcement.yaml'), 'utf8'))
  }

  it('of ours runs with upstream, and with us again', async () => {
    const folder = join(root, 'ours')
    const { status } = await lafs.run([...words(await freePort()), folder], root, '')
    expect(status).toBe(0)
    await makeKnown(folder)
    const before = await startOwnNode(folder)
    const stored = await store(before)
    await before.stop()
    const identity = await identityOf(folder)

    const upstream = resources.use(await startUpstreamNode(folder))
    expect(await identityOf(folder)).toEqual(identity)
    await expect(startOwnNode(folder)).rejects.toMatchObject({ code: 'NODEDIR_IN_USE' })
    await connected(upstream)
    await readAndChange(upstream, stored)
    await upstream.stop()

    const after = resources.use(await startOwnNode(folder))
    expect(await identityOf(folder)).toEqual(identity)
    await readChanged(after, stored)
  }, 120_000)

  it('of upstream’s runs with us, and says who runs from it', async () => {
    const folder = join(root, 'theirs')
    await tahoe([...words(await freePort()), folder])
    // Its first start makes its keys.
    await (await startUpstreamNode(folder)).stop()
    await makeKnown(folder)
    const upstream = resources.use(await startUpstreamNode(folder))
    expect(await runningProcess(folder)).toBeGreaterThan(0)
    await connected(upstream)
    const stored = await store(upstream)
    const identity = await identityOf(folder)
    await upstream.stop()
    expect(await runningProcess(folder)).toBeUndefined()

    const ours = resources.use(await startOwnNode(folder))
    expect(await identityOf(folder)).toEqual(identity)
    await readAndChange(ours, stored)
    await readChanged(ours, stored)
  }, 120_000)
})
