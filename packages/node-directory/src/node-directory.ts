import { join } from 'node:path'
import { EncodingError, fromBase32, toBase32, verifyingKeyFromString } from '@lafs/crypto'
import { nodeCrypto } from '@lafs/crypto/node'
import type { EncodingDefaults } from '@lafs/filesystem-interface'
import type { ServerDescription } from '@lafs/client'
import { createClient, DEFAULT_ENCODING } from '@lafs/client'
import type { Client, ClientOptions, MutableFormat } from '@lafs/client'
import { NodeDirectoryError } from './errors.ts'
import { readIfThere, writeOnce } from './files.ts'
import { parseServersYaml } from '@lafs/client'
import { introducedServers, introducerNames } from './introducers.ts'
import { readTahoeCfg } from './known-options.ts'
import { badOption, placeOf, tahoeCfgOption } from './tahoe-cfg.ts'
import type { TahoeCfg } from './tahoe-cfg.ts'

/** Bytes of the secrets that a node makes for itself. */
const SECRET_SIZE = 32

/** What a node directory says of its client. */
export interface ClientDirectory {
  readonly servers: readonly ServerDescription[]
  readonly preferredServerIds: readonly string[]
  /** The keys in the section `[grid_managers]`, whose word servers need to be sent new shares. */
  readonly gridManagerKeys: readonly Uint8Array[]
  readonly encoding: EncodingDefaults
  /** `mutable.format` in the section `[client]`. */
  readonly mutableFormat: MutableFormat
  /** The content of `private/convergence`: a secret. */
  readonly convergence: Uint8Array
  /** The content of `private/secret`: a secret of 32 bytes. */
  readonly leaseSecret: Uint8Array
}

/**
 * Reads what a client needs from a node directory: `tahoe.cfg`, `private/servers.yaml`,
 * `private/convergence` and `private/secret`, and the servers that introducers told of earlier. A secret
 * that is missing is made and kept, as by upstream's node when it starts.
 *
 * @throws {@link NodeDirectoryError} `NODEDIR_ABSENT`, `NODEDIR_BAD_SECRET`, those of
 *   {@link readTahoeCfg} and {@link parseServersYaml}.
 * @see Tahoe-LAFS docs/configuration.rst
 */
export async function readClientDirectory(folder: string): Promise<ClientDirectory> {
  const found = await readTahoeCfg(folder)
  const serversText = await readIfThere(join(folder, 'private', 'servers.yaml'))
  if (found === undefined && serversText === undefined) {
    throw new NodeDirectoryError(
      'NODEDIR_ABSENT',
      `expected a node directory with a tahoe.cfg or a private/servers.yaml at ${folder}, found neither`,
    )
  }
  const cfg: TahoeCfg = found ?? new Map()
  const leaseSecret = await readOrMakeSecret(folder, 'secret')
  if (leaseSecret.length !== SECRET_SIZE) throw badSecret('secret', `${SECRET_SIZE} bytes`)
  return {
    servers: await serversOf(folder, cfg, serversText ?? ''),
    preferredServerIds: (tahoeCfgOption(cfg, 'client', 'peers.preferred') ?? '')
      .split(',')
      .map((serverId) => serverId.trim())
      .filter((serverId) => serverId !== ''),
    gridManagerKeys: readGridManagerKeys(cfg),
    encoding: readEncoding(cfg),
    mutableFormat: readMutableFormat(cfg),
    convergence: await readOrMakeSecret(folder, 'convergence'),
    leaseSecret,
  }
}

/** The servers of `servers.yaml`, and those that introducers told of earlier, which it may correct. */
async function serversOf(
  folder: string,
  cfg: TahoeCfg,
  serversText: string,
): Promise<ServerDescription[]> {
  const listed = parseServersYaml(serversText)
  const known = new Set(listed.map(({ serverId }) => serverId))
  const introduced = await introducedServers(folder, await introducerNames(folder, cfg))
  return [...listed, ...introduced.filter(({ serverId }) => !known.has(serverId))]
}

/** A client with the servers, secrets and parameters of a node directory. */
export async function createClientFromDirectory(
  folder: string,
  overrides: Partial<ClientOptions> = {},
): Promise<Client> {
  return createClient({ ...(await readClientDirectory(folder)), ...overrides })
}

/** Reads a secret of `private/`, and makes it where there is none. Surrounding space is nothing. */
export async function readOrMakeSecret(folder: string, name: string): Promise<Uint8Array> {
  const file = join(folder, 'private', name)
  const text = (await readIfThere(file)) ?? (await writeOnce(file, newSecret()))
  try {
    return fromBase32(text.trim())
  } catch {
    // The cause would show the secret.
    throw badSecret(name, 'base32')
  }
}

function readGridManagerKeys(cfg: TahoeCfg): Uint8Array[] {
  return [...(cfg.get('grid_managers')?.options.keys() ?? [])].map((name) => {
    try {
      return verifyingKeyFromString((tahoeCfgOption(cfg, 'grid_managers', name) ?? '').trim())
    } catch (error) {
      if (!(error instanceof EncodingError)) throw error
      throw badOption(cfg, 'grid_managers', name, 'the public key of a grid manager, pub-v0-…')
    }
  })
}

function newSecret(): string {
  return `${toBase32(nodeCrypto.randomBytes(SECRET_SIZE))}\n`
}

function readEncoding(cfg: TahoeCfg): EncodingDefaults {
  const number = (option: string, fallback: number): number => {
    const text = tahoeCfgOption(cfg, 'client', option)
    if (text === undefined) return fallback
    if (/^\s*\+?\d{1,9}\s*$/.test(text)) return Number(text)
    throw badOption(cfg, 'client', option, 'a number')
  }
  const requiredShares = number('shares.needed', DEFAULT_ENCODING.requiredShares)
  const happyShares = number('shares.happy', DEFAULT_ENCODING.happyShares)
  const totalShares = number('shares.total', DEFAULT_ENCODING.totalShares)
  const maxSegmentSize = number(
    'shares._max_immutable_segment_size_for_testing',
    DEFAULT_ENCODING.maxSegmentSize,
  )
  if (requiredShares < 1 || requiredShares > totalShares || totalShares > 256) {
    throw new NodeDirectoryError(
      'NODEDIR_BAD_CONFIG',
      `${placeOf(cfg, 'client', 'shares.needed')}: expected 1 <= shares.needed <= shares.total <= 256, got ${requiredShares} and ${totalShares}`,
    )
  }
  if (happyShares < 1 || happyShares > totalShares) {
    throw new NodeDirectoryError(
      'NODEDIR_BAD_CONFIG',
      `${placeOf(cfg, 'client', 'shares.happy')}: expected 1 <= shares.happy <= shares.total, got ${happyShares} of ${totalShares}`,
    )
  }
  return { requiredShares, happyShares, totalShares, maxSegmentSize }
}

/** Upstream takes anything but MDMF for SDMF; here a misspelt format is no silent SDMF. */
function readMutableFormat(cfg: TahoeCfg): MutableFormat {
  const format = (tahoeCfgOption(cfg, 'client', 'mutable.format') ?? 'SDMF').trim().toUpperCase()
  if (format === 'SDMF' || format === 'MDMF') return format
  throw badOption(cfg, 'client', 'mutable.format', 'SDMF or MDMF')
}

function badSecret(name: string, expected: string): NodeDirectoryError {
  return new NodeDirectoryError('NODEDIR_BAD_SECRET', `expected ${expected} in private/${name}`)
}
