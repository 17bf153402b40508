import { link, mkdir, readFile, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fromBase32, toBase32 } from '@lafs/crypto'
import { nodeCrypto } from '@lafs/crypto/node'
import type { EncodingDefaults } from '@lafs/filesystem-interface'
import type { ServerDescription } from '@lafs/client'
import { createClient, DEFAULT_ENCODING } from '@lafs/client'
import type { Client, ClientOptions, MutableFormat } from '@lafs/client'
import { ClientError } from '@lafs/client'
import { hasSystemCode, readIfThere } from './files.ts'
import { parseServersYaml } from '@lafs/client'
import { parseTahoeCfg, tahoeCfgOption } from './tahoe-cfg.ts'
import type { TahoeCfg } from './tahoe-cfg.ts'

/** Bytes of the secrets that a node makes for itself. */
const SECRET_SIZE = 32

/** What a node directory says of its client. */
export interface ClientDirectory {
  readonly servers: readonly ServerDescription[]
  readonly preferredServerIds: readonly string[]
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
 * `private/convergence` and `private/secret`. A secret that is missing is made and kept, as by
 * upstream's node when it starts.
 *
 * @throws {@link ClientError} `CLIENT_NO_NODE_DIRECTORY`, `CLIENT_BAD_CONFIG`, `CLIENT_BAD_SECRET`,
 *   and those of {@link parseServersYaml}.
 * @see Tahoe-LAFS docs/configuration.rst
 */
export async function readClientDirectory(folder: string): Promise<ClientDirectory> {
  const cfgText = await readIfThere(join(folder, 'tahoe.cfg'))
  const serversText = await readIfThere(join(folder, 'private', 'servers.yaml'))
  if (cfgText === undefined && serversText === undefined) {
    throw new ClientError(
      'CLIENT_NO_NODE_DIRECTORY',
      `expected a node directory with a tahoe.cfg or a private/servers.yaml at ${folder}, found neither`,
    )
  }
  const cfg = parseTahoeCfg(cfgText ?? '')
  const leaseSecret = await readOrMakeSecret(folder, 'secret')
  if (leaseSecret.length !== SECRET_SIZE) throw badSecret('secret', `${SECRET_SIZE} bytes`)
  return {
    servers: parseServersYaml(serversText ?? ''),
    preferredServerIds: (tahoeCfgOption(cfg, 'client', 'peers.preferred') ?? '')
      .split(',')
      .map((serverId) => serverId.trim())
      .filter((serverId) => serverId !== ''),
    encoding: readEncoding(cfg),
    mutableFormat: readMutableFormat(cfg),
    convergence: await readOrMakeSecret(folder, 'convergence'),
    leaseSecret,
  }
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
  const text = (await readIfThere(file)) ?? (await makeSecret(folder, file))
  try {
    return fromBase32(text.trim())
  } catch {
    // The cause would show the secret.
    throw badSecret(name, 'base32')
  }
}

/** Makes a secret in one step: whoever reads it meanwhile sees none or all of it. */
async function makeSecret(folder: string, file: string): Promise<string> {
  await mkdir(join(folder, 'private'), { recursive: true, mode: 0o700 })
  const text = `${toBase32(nodeCrypto.randomBytes(SECRET_SIZE))}\n`
  const temporary = `${file}.${toBase32(nodeCrypto.randomBytes(5))}.tmp`
  await writeFile(temporary, text, { flag: 'wx', mode: 0o600 })
  try {
    await link(temporary, file)
    return text
  } catch (error) {
    if (!hasSystemCode(error, 'EEXIST')) throw error
    return await readFile(file, 'utf8')
  } finally {
    await unlink(temporary)
  }
}

function readEncoding(cfg: TahoeCfg): EncodingDefaults {
  const number = (option: string, fallback: number): number => {
    const text = tahoeCfgOption(cfg, 'client', option)
    if (text === undefined) return fallback
    if (/^\s*\+?\d{1,9}\s*$/.test(text)) return Number(text)
    throw new ClientError('CLIENT_BAD_CONFIG', `tahoe.cfg: expected a number at [client] ${option}`)
  }
  const requiredShares = number('shares.needed', DEFAULT_ENCODING.requiredShares)
  const happyShares = number('shares.happy', DEFAULT_ENCODING.happyShares)
  const totalShares = number('shares.total', DEFAULT_ENCODING.totalShares)
  const maxSegmentSize = number(
    'shares._max_immutable_segment_size_for_testing',
    DEFAULT_ENCODING.maxSegmentSize,
  )
  if (requiredShares < 1 || requiredShares > totalShares || totalShares > 256) {
    throw new ClientError(
      'CLIENT_BAD_CONFIG',
      `tahoe.cfg: expected 1 <= shares.needed <= shares.total <= 256, got ${requiredShares} and ${totalShares}`,
    )
  }
  if (happyShares < 1 || happyShares > totalShares) {
    throw new ClientError(
      'CLIENT_BAD_CONFIG',
      `tahoe.cfg: expected 1 <= shares.happy <= shares.total, got ${happyShares} of ${totalShares}`,
    )
  }
  return { requiredShares, happyShares, totalShares, maxSegmentSize }
}

/** Upstream takes anything but MDMF for SDMF; here a misspelt format is no silent SDMF. */
function readMutableFormat(cfg: TahoeCfg): MutableFormat {
  const format = (tahoeCfgOption(cfg, 'client', 'mutable.format') ?? 'SDMF').trim().toUpperCase()
  if (format === 'SDMF' || format === 'MDMF') return format
  throw new ClientError(
    'CLIENT_BAD_CONFIG',
    'tahoe.cfg: expected SDMF or MDMF at [client] mutable.format',
  )
}

function badSecret(name: string, expected: string): ClientError {
  return new ClientError('CLIENT_BAD_SECRET', `expected ${expected} in private/${name}`)
}
