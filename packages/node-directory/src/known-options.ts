import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { NodeDirectoryError } from './errors.ts'
import { readBytesIfThere } from './files.ts'
import { parseTahoeCfg, tahoeCfgOption } from './tahoe-cfg.ts'
import type { TahoeCfg } from './tahoe-cfg.ts'

/**
 * Every option of each section, in lower case.
 *
 * @see allmydata.client._client_config, allmydata.node._common_valid_config
 */
const KNOWN_OPTIONS: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ['connections', new Set(['tcp'])],
  [
    'node',
    new Set([
      'log_gatherer.furl',
      'nickname',
      'reveal-ip-address',
      'tempdir',
      'timeout.disconnect',
      'timeout.keepalive',
      'tub.location',
      'tub.port',
      'web.port',
      'web.static',
    ]),
  ],
  [
    'client',
    new Set([
      'force_foolscap',
      'helper.furl',
      'introducer.furl',
      'key_generator.furl',
      'mutable.format',
      'peers.preferred',
      'shares._max_immutable_segment_size_for_testing',
      'shares.happy',
      'shares.needed',
      'shares.total',
      'storage.plugins',
    ]),
  ],
  [
    'storage',
    new Set([
      'anonymous',
      'debug_discard',
      'enabled',
      'expire.cutoff_date',
      'expire.enabled',
      'expire.immutable',
      'expire.mode',
      'expire.mutable',
      'expire.override_lease_duration',
      'force_foolscap',
      'grid_management',
      'plugins',
      'readonly',
      'reserved_space',
      'storage_dir',
    ]),
  ],
  ['sftpd', new Set(['accounts.file', 'enabled', 'host_privkey_file', 'host_pubkey_file', 'port'])],
  ['helper', new Set(['enabled'])],
  [
    'tor',
    new Set([
      'control.port',
      'enabled',
      'launch',
      'onion',
      'onion.external_port',
      'onion.local_port',
      'onion.private_key_file',
      'socks.port',
      'tor.executable',
    ]),
  ],
  [
    'i2p',
    new Set([
      'dest',
      'dest.port',
      'dest.private_key_file',
      'enabled',
      'i2p.configdir',
      'i2p.executable',
      'launch',
      'sam.port',
    ]),
  ],
])

/** Sections whose options their users name. */
const FREE_SECTION: RegExp =
  /^(?:grid_managers|grid_manager_certificates|storage(?:server|client)\.plugins\..*)$/

/** Files of nodes from before tahoe.cfg: upstream starts no node beside one, since it would not be read. */
const FILES_BEFORE_TAHOE_CFG = [
  'nickname',
  'webport',
  'keepalive_timeout',
  'log_gatherer.furl',
  'disconnect_timeout',
  'advertised_ip_addresses',
  'introducer.furl',
  'helper.furl',
  'key_generator.furl',
  'stats_gatherer.furl',
  'no_storage',
  'readonly_storage',
  'sizelimit',
  'debug_discard_storage',
  'run_helper',
]

/**
 * Reads the `tahoe.cfg` of a node directory, all of which must be known.
 *
 * @returns undefined when there is none.
 * @throws {@link NodeDirectoryError} `NODEDIR_BAD_CONFIG`, `NODEDIR_UNKNOWN_OPTION`.
 * @see allmydata.node.read_config
 */
export async function readTahoeCfg(folder: string): Promise<TahoeCfg | undefined> {
  for (const name of FILES_BEFORE_TAHOE_CFG) {
    const isThere = await access(join(folder, name)).then(
      () => true,
      () => false,
    )
    if (isThere) {
      throw new NodeDirectoryError(
        'NODEDIR_BAD_CONFIG',
        `the file ${name} is of a node older than tahoe.cfg: move what it says there, and remove it`,
      )
    }
  }
  const bytes = await readBytesIfThere(join(folder, 'tahoe.cfg'))
  if (bytes === undefined) return undefined
  const cfg = parseTahoeCfg(decodeCfg(bytes))
  checkTahoeCfg(cfg)
  return cfg
}

function decodeCfg(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new NodeDirectoryError('NODEDIR_BAD_CONFIG', 'tahoe.cfg: expected text in UTF-8')
  }
}

/**
 * Makes sure that all of a `tahoe.cfg` is known, since what is misspelt would be passed over.
 *
 * @throws {@link NodeDirectoryError} `NODEDIR_UNKNOWN_OPTION`, naming the line; `NODEDIR_BAD_CONFIG` for
 *   a `#` in a FURL, which is what is left of one when a comment is put behind it.
 * @see allmydata.util.configutil.validate_config
 */
export function checkTahoeCfg(cfg: TahoeCfg): void {
  for (const [name, { line, options }] of cfg) {
    if (FREE_SECTION.test(name)) continue
    const known = KNOWN_OPTIONS.get(name)
    if (known === undefined) {
      throw new NodeDirectoryError(
        'NODEDIR_UNKNOWN_OPTION',
        `tahoe.cfg line ${line}: unknown section [${name}]`,
      )
    }
    for (const [option, { line: optionLine }] of options) {
      if (!known.has(option)) {
        throw new NodeDirectoryError(
          'NODEDIR_UNKNOWN_OPTION',
          `tahoe.cfg line ${optionLine}: unknown option '${option}' in [${name}], which has ${[...known].join(', ')}`,
        )
      }
      if (option.endsWith('.furl') && tahoeCfgOption(cfg, name, option)?.includes('#') === true) {
        throw new NodeDirectoryError(
          'NODEDIR_BAD_CONFIG',
          `tahoe.cfg line ${optionLine}: expected a FURL without a # at [${name}] ${option}`,
        )
      }
    }
  }
}
