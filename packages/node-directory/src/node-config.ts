import { join } from 'node:path'
import { NodeDirectoryError } from './errors.ts'
import { parseEndpoint } from './endpoints.ts'
import type { Endpoint } from './endpoints.ts'
import { folderIn, readIfThere } from './files.ts'
import { introducedServers, introducerNames } from './introducers.ts'
import { readTahoeCfg } from './known-options.ts'
import { missingParts } from './missing-parts.ts'
import { storageSettings } from './storage-settings.ts'
import type { StorageSettings } from './storage-settings.ts'
import { badOption, booleanOption, parseTahoeCfg, placeOf, tahoeCfgOption } from './tahoe-cfg.ts'
import type { TahoeCfg } from './tahoe-cfg.ts'

/** Where to listen, and where it says so. */
export interface ListenAddress {
  readonly host: string
  /** 0: any that is free. */
  readonly port: number
  /** Such as `tahoe.cfg line 7: [node] web.port`. */
  readonly place: string
}

/** How clients reach the storage server of a node. */
export interface TubSettings {
  /** Undefined where tahoe.cfg leaves it to the file `client.port`. */
  readonly listen: readonly ListenAddress[] | undefined
  /** What is announced, such as `tcp:example.org:3457`; `AUTO` stands for the addresses of this machine. */
  readonly locations: readonly string[]
}

/** The SFTP frontend of a node: absolute paths of its files. */
export interface SftpSettings {
  readonly listen: ListenAddress
  readonly hostPrivateKeyFile: string
  readonly accountsFile: string
}

/** What the `tahoe.cfg` of a node asks for, beside what is in {@link readClientDirectory}. */
export interface NodeConfig {
  readonly nickname: string
  /** The web API; undefined where there is to be none. */
  readonly web: ListenAddress | undefined
  /** The folder behind `/static`: an absolute path. */
  readonly staticFolder: string
  /** An absolute path. */
  readonly temporaryFolder: string
  /** Whether the client may connect to anybody. */
  readonly connects: boolean
  /** Undefined where the node is to have no storage server. */
  readonly storage: (StorageSettings & { readonly tub: TubSettings }) | undefined
  readonly sftp: SftpSettings | undefined
  /** The files of the certificates that the storage server has: absolute paths. */
  readonly gridManagerCertificateFiles: readonly string[]
  /** A line about each thing that is asked for and not there; the node is of use without it. */
  readonly notes: readonly string[]
}

/** What a folder with servers and no tahoe.cfg is. */
const CLIENT_ALONE = parseTahoeCfg('[storage]\nenabled = false\n')

/**
 * Reads and checks the `tahoe.cfg` of a node directory.
 *
 * @throws {@link NodeDirectoryError} `NODEDIR_ABSENT`, `NODEDIR_BAD_CONFIG`, `NODEDIR_UNKNOWN_OPTION`,
 *   `NODEDIR_UNAVAILABLE`.
 * @see Tahoe-LAFS docs/configuration.rst
 */
export async function readNodeConfig(folder: string): Promise<NodeConfig> {
  const cfg = await readTahoeCfg(folder)
  if (cfg !== undefined) return withIntroducers(nodeConfig(cfg, folder), cfg, folder)
  if ((await readIfThere(join(folder, 'private', 'servers.yaml'))) !== undefined) {
    return nodeConfig(CLIENT_ALONE, folder)
  }
  throw new NodeDirectoryError(
    'NODEDIR_ABSENT',
    `expected a node directory with a tahoe.cfg or a private/servers.yaml at ${folder}, found neither`,
  )
}

async function withIntroducers(
  config: NodeConfig,
  cfg: TahoeCfg,
  folder: string,
): Promise<NodeConfig> {
  const names = await introducerNames(folder, cfg)
  if (names.length === 0) return config
  const { length } = await introducedServers(folder, names)
  const note = `introducers (${names.join(', ')}) are not joined: they speak Foolscap; servers are those of private/servers.yaml, and ${length} that they told of earlier`
  return { ...config, notes: [...config.notes, note] }
}

/** What a `tahoe.cfg` asks for. @see {@link readNodeConfig} */
export function nodeConfig(cfg: TahoeCfg, folder: string): NodeConfig {
  const pathOption = (section: string, option: string, fallback: string): string =>
    folderIn(folder, tahoeCfgOption(cfg, section, option) ?? fallback)
  for (const option of ['timeout.keepalive', 'timeout.disconnect']) {
    const text = tahoeCfgOption(cfg, 'node', option) ?? ''
    if (!/^\d{0,9}$/.test(text)) throw badOption(cfg, 'node', option, 'a number of seconds')
  }
  const notes = missingParts(cfg)
  return {
    nickname: tahoeCfgOption(cfg, 'node', 'nickname') ?? '<unspecified>',
    web: webAddress(cfg),
    staticFolder: pathOption('node', 'web.static', 'public_html'),
    temporaryFolder: pathOption('node', 'tempdir', 'tmp'),
    connects: tahoeCfgOption(cfg, 'connections', 'tcp')?.toLowerCase() !== 'disabled',
    storage: storageOf(cfg, folder, notes),
    sftp: sftpSettings(cfg, pathOption),
    gridManagerCertificateFiles: certificateFiles(cfg, folder),
    notes,
  }
}

/** The web API is for whoever sits at this machine, unless it says otherwise. */
function webAddress(cfg: TahoeCfg): ListenAddress | undefined {
  const text = tahoeCfgOption(cfg, 'node', 'web.port')?.trim() ?? ''
  return text === '' ? undefined : listenAddress(cfg, 'node', 'web.port', text, '127.0.0.1')
}

function sftpSettings(
  cfg: TahoeCfg,
  pathOption: (section: string, option: string, fallback: string) => string,
): SftpSettings | undefined {
  if (!booleanOption(cfg, 'sftpd', 'enabled', false)) return undefined
  for (const option of ['host_pubkey_file', 'host_privkey_file', 'accounts.file']) {
    if ((tahoeCfgOption(cfg, 'sftpd', option) ?? '') === '') {
      throw badOption(cfg, 'sftpd', option, 'the name of a file, since SFTP is enabled,')
    }
  }
  const port = tahoeCfgOption(cfg, 'sftpd', 'port')?.trim() ?? 'tcp:8022'
  return {
    listen: listenAddress(cfg, 'sftpd', 'port', port, '0.0.0.0'),
    hostPrivateKeyFile: pathOption('sftpd', 'host_privkey_file', ''),
    accountsFile: pathOption('sftpd', 'accounts.file', ''),
  }
}

function storageOf(cfg: TahoeCfg, folder: string, notes: string[]): NodeConfig['storage'] {
  const settings = storageSettings(cfg, folder)
  const tub = tubSettings(cfg, notes)
  if (!settings.enabled) return undefined
  if (tub === undefined) {
    throw new NodeDirectoryError(
      'NODEDIR_BAD_CONFIG',
      `${placeOf(cfg, 'storage', 'enabled')}: storage is enabled, but [node] tub.port is not: say where to listen there, or enabled = false in [storage]`,
    )
  }
  return { ...settings, tub }
}

/** @see allmydata.node._tub_portlocation */
function tubSettings(cfg: TahoeCfg, notes: string[]): TubSettings | undefined {
  const port = tahoeCfgOption(cfg, 'node', 'tub.port')?.trim()
  const location = tahoeCfgOption(cfg, 'node', 'tub.location')?.trim()
  if (port === '') throw badOption(cfg, 'node', 'tub.port', 'a port, or disabled')
  if (location === '') throw badOption(cfg, 'node', 'tub.location', 'a location, or disabled')
  if (port === 'disabled' && location === 'disabled') return undefined
  if (port === 'disabled') {
    throw badOption(cfg, 'node', 'tub.location', 'disabled, as tub.port is,')
  }
  if (location === 'disabled') {
    throw badOption(cfg, 'node', 'tub.port', 'disabled, as tub.location is,')
  }
  const locations = (location ?? 'AUTO').split(',').map((one) => one.trim())
  if (!booleanOption(cfg, 'node', 'reveal-ip-address', true)) {
    if (locations.some((one) => !/^(tor|i2p):/.test(one))) {
      throw badOption(cfg, 'node', 'tub.location', 'no address, as reveal-IP-address = false,')
    }
  }
  return { listen: port === undefined ? undefined : tubListeners(cfg, port, notes), locations }
}

function tubListeners(cfg: TahoeCfg, text: string, notes: string[]): ListenAddress[] {
  const ports = text.split(',').map((one) => one.trim())
  const usable = ports.filter((one) => !/^listen:(tor|i2p)$/.test(one))
  const place = `${placeOf(cfg, 'node', 'tub.port')}: [node] tub.port`
  if (usable.length === 0) {
    throw new NodeDirectoryError('NODEDIR_UNAVAILABLE', `${place}: Tor and I2P are not spoken here`)
  }
  if (usable.length < ports.length) notes.push(`${place}: Tor and I2P are not spoken here`)
  return usable.map((one) => {
    const address = listenAddress(cfg, 'node', 'tub.port', one, '0.0.0.0')
    if (address.port !== 0) return address
    throw badOption(cfg, 'node', 'tub.port', 'a port other than 0, which clients can keep,')
  })
}

/**
 * @param everywhere - the address that stands for all of IPv4 where an endpoint names no interface, or
 *   the loopback address.
 */
function listenAddress(
  cfg: TahoeCfg,
  section: string,
  option: string,
  text: string,
  everywhere: '0.0.0.0' | '127.0.0.1',
): ListenAddress {
  const endpoint: Endpoint | undefined = parseEndpoint(text)
  if (endpoint === undefined) {
    throw badOption(cfg, section, option, 'such as tcp:3456:interface=127.0.0.1')
  }
  const place = `${placeOf(cfg, section, option)}: [${section}] ${option}`
  if (endpoint.port === undefined) {
    throw new NodeDirectoryError(
      'NODEDIR_UNAVAILABLE',
      `${place}: expected tcp:… or tcp6:…, since nothing listens on ${endpoint.kind}: here`,
    )
  }
  const sixth = everywhere === '0.0.0.0' ? '::' : '::1'
  const fallback = endpoint.kind === 'tcp6' ? sixth : everywhere
  return { host: endpoint.host ?? fallback, port: endpoint.port, place }
}

function certificateFiles(cfg: TahoeCfg, folder: string): string[] {
  const section = 'grid_manager_certificates'
  const names = [...(cfg.get(section)?.options.keys() ?? [])]
  return names.map((name) => folderIn(folder, tahoeCfgOption(cfg, section, name) ?? ''))
}
