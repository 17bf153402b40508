import { once } from 'node:events'
import { createServer, isIPv6 } from 'node:net'
import { join } from 'node:path'
import { createNodeDirectory, isNodeDirectoryError, parseEndpoint } from '@lafs/node-directory'
import type { NewNode } from '@lafs/node-directory'
import type { CommandContext } from '../command-context.ts'
import { FailureWithStatus, UsageError } from '../failure.ts'
import { kebabJson } from '../kebab-json.ts'
import type { JsonOption } from '../outcome.ts'
import { quoteOutput } from '../quote.ts'
import { writeLine } from '../terminal.ts'

/** The options of `create-node`, and those of `create-client`, which has fewer. */
export interface CreateNodeOptions extends JsonOption {
  readonly nickname?: string
  readonly introducer?: string
  readonly webport: string
  readonly sharesNeeded: string
  readonly sharesHappy: string
  readonly sharesTotal: string
  readonly join?: string
  readonly hideIp?: boolean
  readonly storageDir?: string
  readonly storage: boolean
  readonly hostname?: string
  readonly port?: string
  readonly location?: string
  readonly listen: string
  readonly helper?: boolean
  readonly torLaunch?: boolean
  readonly torExecutable?: string
  readonly torControlPort?: string
  readonly i2pLaunch?: boolean
  readonly i2pExecutable?: string
  readonly i2pSamPort?: string
}

/** Upstream's exit status where there is something in the folder. */
const EXIT_NOT_EMPTY = 255

/** Options for what is not there, by what they need. */
const MISSING: readonly (readonly [option: keyof CreateNodeOptions, flag: string, what: string])[] =
  [
    ['join', '--join', 'magic wormholes'],
    ['hideIp', '--hide-ip', 'Tor or I2P'],
    ['torLaunch', '--tor-launch', 'Tor'],
    ['torExecutable', '--tor-executable', 'Tor'],
    ['torControlPort', '--tor-control-port', 'Tor'],
    ['i2pLaunch', '--i2p-launch', 'I2P'],
    ['i2pExecutable', '--i2p-executable', 'I2P'],
    ['i2pSamPort', '--i2p-sam-port', 'I2P'],
  ]

/**
 * Makes a node directory.
 *
 * @see allmydata.scripts.create_node.create_node
 */
export async function createNodeCommand(
  { terminal, nodeDirectory, quiet }: CommandContext,
  options: CreateNodeOptions,
): Promise<void> {
  for (const [option, flag, what] of MISSING) {
    if (options[option] === undefined) continue
    throw new UsageError(`${flag} needs ${what}, which this version does not have yet.`)
  }
  const node: NewNode = {
    nickname: oneLine(options.nickname ?? '', '--nickname'),
    webPort: webPort(options.webport),
    ...sharesOf(options),
    introducer: options.introducer === undefined ? undefined : introducerFurl(options.introducer),
    tub: await tubOf(options),
    storage: options.storage,
    storageFolder: options.storageDir && oneLine(options.storageDir, '--storage-dir'),
    helper: options.helper === true,
  }
  try {
    await createNodeDirectory(nodeDirectory, node)
  } catch (error) {
    if (isNodeDirectoryError(error, 'NODEDIR_NOT_EMPTY')) {
      throw new FailureWithStatus(EXIT_NOT_EMPTY, error)
    }
    throw error
  }
  const created = {
    nodeDirectory,
    nickname: node.nickname,
    configFile: join(nodeDirectory, 'tahoe.cfg'),
    serversFile: join(nodeDirectory, 'private', 'servers.yaml'),
    introducerIsJoined: node.introducer === undefined ? undefined : false,
  }
  if (options.json === true) await writeLine(terminal.stdout, kebabJson(created))
  else if (!quiet) for (const line of linesOf(created)) await writeLine(terminal.stdout, line)
}

/** What has been made, and what is to be done next. */
interface CreatedNode {
  readonly nodeDirectory: string
  /** Empty: none. */
  readonly nickname: string
  readonly configFile: string
  /** To list storage servers in. */
  readonly serversFile: string
  /** Undefined where there is no introducer to join. */
  readonly introducerIsJoined: boolean | undefined
}

function linesOf(created: CreatedNode): string[] {
  return [
    `Node created in ${quoteOutput(created.nodeDirectory)}`,
    ...(created.introducerIsJoined === false
      ? [' Introducers cannot be joined yet: list storage servers, too.']
      : []),
    ` Please list storage servers in ${quoteOutput(created.serversFile)}!`,
    ' The node cannot connect to a grid without it.',
    ...(created.nickname === ''
      ? [` Please set [node]nickname= in ${quoteOutput(created.configFile)}`]
      : []),
  ]
}

function webPort(text: string): string {
  if (['', 'none'].includes(text.toLowerCase())) return ''
  if (parseEndpoint(text)?.port !== undefined) return text
  throw new UsageError('--webport must be none, or such as tcp:3456:interface=127.0.0.1.')
}

function sharesOf(
  options: CreateNodeOptions,
): Pick<NewNode, 'requiredShares' | 'happyShares' | 'totalShares'> {
  const number = (text: string, flag: string): number => {
    if (/^\d{1,3}$/.test(text)) return Number(text)
    throw new UsageError(`${flag} must be an integer.`)
  }
  const requiredShares = number(options.sharesNeeded, '--shares-needed')
  const happyShares = number(options.sharesHappy, '--shares-happy')
  const totalShares = number(options.sharesTotal, '--shares-total')
  if (requiredShares < 1 || requiredShares > totalShares || totalShares > 256) {
    throw new UsageError('expected 1 <= --shares-needed <= --shares-total <= 256.')
  }
  if (happyShares < 1 || happyShares > totalShares) {
    throw new UsageError('expected 1 <= --shares-happy <= --shares-total.')
  }
  return { requiredShares, happyShares, totalShares }
}

/** Where the node listens, and what it announces. @see allmydata.scripts.create_node.validate_where_options */
async function tubOf(options: CreateNodeOptions): Promise<NewNode['tub']> {
  const { hostname, port, location } = options
  const kinds = options.listen.split(',')
  if (options.listen === 'none') {
    if (hostname !== undefined) {
      throw new UsageError('--hostname cannot be used when --listen=none.')
    }
    if (port !== undefined || location !== undefined) {
      throw new UsageError('--port/--location cannot be used when --listen=none.')
    }
    if (options.storage) {
      throw new UsageError('--listen=none needs --no-storage: nobody could reach the storage.')
    }
    return undefined
  }
  if (kinds.some((kind) => !['tcp', 'tor', 'i2p', 'none'].includes(kind))) {
    throw new UsageError('--listen= must be one/some of: i2p, none, tcp, tor.')
  }
  if (kinds.some((kind) => kind === 'tor' || kind === 'i2p')) {
    throw new UsageError('--listen=tor and i2p need Tor and I2P, which are not there yet.')
  }
  if (location !== undefined && port === undefined) {
    throw new UsageError('--location must be used with --port.')
  }
  if (port !== undefined && location === undefined) {
    throw new UsageError('--port must be used with --location.')
  }
  if (port !== undefined && location !== undefined) {
    if (hostname !== undefined) {
      throw new UsageError('--hostname cannot be used with --location/--port.')
    }
    return { port: listenText(port), location: locationText(location) }
  }
  if (hostname === undefined) throw new UsageError('--listen=tcp requires --hostname=.')
  const host = hostText(oneLine(hostname, '--hostname'))
  const free = await freePort()
  return { port: `tcp:${free}`, location: `tcp:${host}:${free}` }
}

/** Where to listen: endpoints with commas between them. */
function listenText(text: string): string {
  const isListened = (endpoint: string): boolean => {
    const { port } = parseEndpoint(endpoint.trim()) ?? { port: 0 }
    return port !== 0
  }
  if (text === 'disabled' || text.split(',').every(isListened)) return oneLine(text, '--port')
  throw new UsageError('--port must be such as tcp:12345:interface=192.0.2.7.')
}

/** Where others find the node: hints with commas between them. */
function locationText(text: string): string {
  const isHint = (hint: string): boolean =>
    /^(?:AUTO|(?:[a-z0-9]+:)?\S+:\d{1,5})$/.test(hint.trim())
  if (text === 'disabled' || text.split(',').every(isHint)) return oneLine(text, '--location')
  throw new UsageError('--location must be such as tcp:example.org:12345.')
}

/** A name or an address; one of IPv6 as it stands in hints. */
function hostText(text: string): string {
  if (isIPv6(text)) return `[${text}]`
  if (/^(?:\[[\da-f:]+\]|[^\s:,/[\]@]+)$/i.test(text)) return text
  throw new UsageError('--hostname must be a name or an address, such as example.org.')
}

/** @param text - a FURL: a secret. */
function introducerFurl(text: string): string {
  if (/^pb:\/\/\S+$/.test(text)) return text
  throw new UsageError('--introducer must be a FURL, pb://….')
}

function oneLine(text: string, flag: string): string {
  if (!/[\r\n]/.test(text)) return text
  throw new UsageError(`${flag} must stand on one line.`)
}

/** A port that nobody listens on now. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0)
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('not listening on a port')
  return address.port
}
