import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createHash, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { formatServersYaml } from '@lafs/client'
import type { ServerDescription } from '@lafs/client'
import { toBase32 } from '@lafs/crypto'
import { freePort } from './free-port.ts'
import { upstreamFolder } from './upstream.ts'

const START_TIMEOUT_MS = 60_000
const STOP_TIMEOUT_MS = 10_000
const PORT_ATTEMPTS = 3

/** How a node of upstream encodes what is uploaded through it. */
export interface UpstreamEncoding {
  readonly requiredShares: number
  readonly happyShares: number
  readonly totalShares: number
  /** Upstream's default, 1 MiB, where it is not given. */
  readonly maxSegmentSize?: number
}

/** A node of upstream that runs as a process of its own, until it is stopped or this process ends. */
export interface UpstreamNode extends AsyncDisposable {
  /** Its node directory. */
  readonly folder: string
  /** Its web API, such as `http://127.0.0.1:3456/`. */
  readonly webUrl: string
  stop(): Promise<void>
}

/** A node of upstream that stores shares. */
export interface UpstreamServer extends UpstreamNode {
  readonly description: ServerDescription
}

/** A node of upstream that stores nothing itself. */
export interface UpstreamClient extends UpstreamNode {
  /** Uploads an immutable file through the web API. @returns its cap. */
  put(data: Uint8Array): Promise<string>
  /** Downloads a file through the web API. */
  get(cap: string): Promise<Uint8Array>
  /** Any other request to the web API. @returns the body. */
  web(path: string, init?: RequestInit): Promise<Uint8Array>
}

/** Makes a storage server of upstream in a new folder and starts it. */
export async function startUpstreamServer(folder: string): Promise<UpstreamServer> {
  await createStorageNode(folder, [])
  return startStorageNode(folder)
}

/** Makes the node directory of a storage server. @param args - more options of the command. */
async function createStorageNode(folder: string, args: readonly string[]): Promise<void> {
  await tahoe([
    'create-node',
    '--listen=tcp',
    '--location=tcp:127.0.0.1:1',
    '--port=tcp:1:interface=127.0.0.1',
    '--webport=tcp:0:interface=127.0.0.1',
    ...args,
    folder,
  ])
  await editConfig(folder, 'storage', { reserved_space: '0' })
}

/** Starts a storage server on a port that is free. */
async function startStorageNode(folder: string): Promise<UpstreamServer> {
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort()
    await editConfig(folder, 'node', {
      'tub.port': `tcp:${port}:interface=127.0.0.1`,
      'tub.location': `tcp:127.0.0.1:${port}`,
    })
    try {
      const node = await startNode(folder, port)
      return { ...node, description: await describeServer(folder, port) }
    } catch (error) {
      // Somebody else may have taken the port meanwhile.
      if (attempt === PORT_ATTEMPTS || !isPortTaken(error)) throw error
      await rm(join(folder, 'private', 'storage.furl'), { force: true })
    }
  }
}

/** What a client of upstream is made with. */
export interface UpstreamClientOptions {
  readonly servers: readonly ServerDescription[]
  readonly encoding: UpstreamEncoding
  /** The secret of convergent keys; a random one where it is not given. */
  readonly convergence?: Uint8Array
}

/**
 * Makes a node of upstream in a new folder that is a client of the given servers and stores shares
 * itself, starts it and waits until it is connected to all of them.
 */
export async function startUpstreamGateway(
  folder: string,
  options: UpstreamClientOptions,
): Promise<UpstreamClient> {
  await createStorageNode(folder, encodingArgs(options.encoding))
  await configureClient(folder, options)
  return asClient(await startStorageNode(folder), options)
}

/**
 * Starts a node of upstream that has a directory already.
 *
 * @param serverCount - waits until it is connected to so many servers. Default: to none.
 */
export async function startUpstreamNode(folder: string, serverCount = 0): Promise<UpstreamNode> {
  const node = await startNode(folder)
  if (serverCount > 0) await waitForServers(node, serverCount)
  return node
}

/**
 * Makes a client of upstream in a new folder that knows the given servers, starts it and waits until
 * it is connected to all of them.
 */
export async function startUpstreamClient(
  folder: string,
  options: UpstreamClientOptions,
): Promise<UpstreamClient> {
  await tahoe([
    'create-client',
    '--webport=tcp:0:interface=127.0.0.1',
    ...encodingArgs(options.encoding),
    folder,
  ])
  await configureClient(folder, options)
  return asClient(await startNode(folder), options)
}

function encodingArgs({ requiredShares, happyShares, totalShares }: UpstreamEncoding): string[] {
  return [
    `--shares-needed=${requiredShares}`,
    `--shares-happy=${happyShares}`,
    `--shares-total=${totalShares}`,
  ]
}

/** Puts in a node directory what no option of the command says. */
async function configureClient(
  folder: string,
  { servers, encoding, convergence }: UpstreamClientOptions,
): Promise<void> {
  const { maxSegmentSize } = encoding
  if (maxSegmentSize !== undefined) {
    const name = 'shares._max_immutable_segment_size_for_testing'
    await editConfig(folder, 'client', { [name]: String(maxSegmentSize) })
  }
  const inPrivate = (name: string): string => join(folder, 'private', name)
  await writeFile(inPrivate('servers.yaml'), formatServersYaml(servers))
  if (convergence !== undefined) {
    await writeFile(inPrivate('convergence'), `${toBase32(convergence)}\n`)
  }
}

/** A node as a client, once it is connected to its servers. */
async function asClient(
  node: UpstreamNode,
  { servers }: UpstreamClientOptions,
): Promise<UpstreamClient> {
  await waitForServers(node, servers.length)
  const web = (path: string, init?: RequestInit): Promise<Uint8Array> =>
    askWeb(node.webUrl, path, init)
  return {
    ...node,
    web,
    put: async (data) =>
      new TextDecoder().decode(await web('uri', { method: 'PUT', body: data.slice() })),
    get: (cap) => web(`uri/${encodeURIComponent(cap)}`),
  }
}

/** Asks the web API of a node. @throws when the status is none of 2xx, with what the node said. */
async function askWeb(webUrl: string, path: string, init: RequestInit = {}): Promise<Uint8Array> {
  const response = await fetch(new URL(path, webUrl), init)
  const body = new Uint8Array(await response.arrayBuffer())
  if (response.ok) return body
  const said = new TextDecoder().decode(body).slice(0, 4000)
  throw new Error(`${init.method ?? 'GET'} on the web API: HTTP status ${response.status}: ${said}`)
}

/** Runs one command of upstream to its end. @returns what it printed. */
export async function tahoe(args: readonly string[]): Promise<string> {
  const child = spawn(join(upstreamFolder, 'bin/tahoe'), args, {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output = collect(child)
  await once(child, 'close')
  if (child.exitCode !== 0) throw new Error(`tahoe ${args[0]} failed: ${output()}`)
  return output()
}

/** Gathers what a process prints. */
function collect(child: ChildProcess): () => string {
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  }
  return () => text
}

/**
 * Runs a node until it says that it is ready. Its standard input is a pipe from this process, and
 * upstream's nodes stop when that closes: none of them outlives its test.
 */
async function startNode(folder: string, port?: number): Promise<UpstreamNode> {
  const child = spawn(join(upstreamFolder, 'bin/tahoe'), ['run', folder])
  const output = collect(child)
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGTERM')
    const killer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
    await exited
    clearTimeout(killer)
  }
  try {
    await until('the node is running', START_TIMEOUT_MS, () => {
      if (child.exitCode !== null) throw new Error(`the node ended with code ${child.exitCode}`)
      return Promise.resolve(output().includes('client running'))
    })
    // Upstream runs on without a word when it cannot listen.
    if (port !== undefined && !output().includes(`Listener starting on ${port}\n`)) {
      throw new Error(`port ${port} is already in use`)
    }
    const webUrl = (await readFile(join(folder, 'node.url'), 'utf8')).trim()
    return { folder, webUrl, stop, [Symbol.asyncDispose]: stop }
  } catch (error) {
    await stop()
    throw new Error(`node in ${folder}: ${output()}`, { cause: error })
  }
}

/** Whether a node failed to start because somebody else listens on its port. */
function isPortTaken(error: unknown): boolean {
  return error instanceof Error && /already in use/.test(String(error.cause))
}

/** Waits until a condition holds. @throws when it does not in time. */
async function until(
  what: string,
  timeoutMs: number,
  condition: () => Promise<boolean>,
): Promise<void> {
  const end = Date.now() + timeoutMs
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`expected within ${timeoutMs} ms that ${what}`)
    await sleep(50)
  }
}

async function waitForServers(node: UpstreamNode, count: number): Promise<void> {
  let statuses: string[] = []
  const connected = async (): Promise<boolean> => {
    const welcome: { servers: { connection_status: string }[] } = JSON.parse(
      new TextDecoder().decode(await askWeb(node.webUrl, '?t=json')),
    )
    statuses = welcome.servers.map((server) => server.connection_status)
    return statuses.filter((status) => /^connected/i.test(status)).length === count
  }
  try {
    await until(`the node is connected to ${count} servers`, START_TIMEOUT_MS, connected)
  } catch (error) {
    await node.stop()
    throw new Error(`connections: ${statuses.join(', ')}`, { cause: error })
  }
}

/** Sets values of one section of a tahoe.cfg, over those that stand there. */
async function editConfig(
  folder: string,
  section: string,
  values: Readonly<Record<string, string>>,
): Promise<void> {
  const file = join(folder, 'tahoe.cfg')
  const lines = (await readFile(file, 'utf8'))
    .split('\n')
    .filter((line) => !Object.keys(values).some((name) => line.startsWith(`${name} =`)))
  const at = lines.indexOf(`[${section}]`)
  if (at < 0) throw new Error(`expected a section [${section}] in ${file}`)
  lines.splice(at + 1, 0, ...Object.entries(values).map(([name, value]) => `${name} = ${value}`))
  await writeFile(file, lines.join('\n'))
}

/** What a server of either kind would announce, from the files of its node directory. */
export async function describeServer(folder: string, port: number): Promise<ServerDescription> {
  const read = async (...path: string[]): Promise<string> =>
    (await readFile(join(folder, ...path), 'utf8')).trim()
  const furl = await read('private', 'storage.furl')
  const certificate = new X509Certificate(await read('private', 'node.pem'))
  const key = certificate.publicKey.export({ type: 'spki', format: 'der' })
  const pin = createHash('sha256').update(key).digest('base64url')
  const swissnum = furl.slice(furl.lastIndexOf('/') + 1)
  return {
    serverId: (await read('node.pubkey')).replace(/^pub-/, ''),
    announcement: {
      'service-name': 'storage',
      nickname: `server-${port}`,
      'anonymous-storage-FURL': furl,
      'anonymous-storage-NURLs': [`pb://${pin}@127.0.0.1:${port}/${swissnum}#v=1`],
      'permutation-seed-base32': await read('permutation-seed'),
    },
  }
}
