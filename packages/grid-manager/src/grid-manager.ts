import type { SignedCertificate } from '@lafs/client'
import {
  createSigningKeypair,
  defaultCrypto,
  EncodingError,
  signingKeypairFromString,
  stringFromSigningKey,
  stringFromVerifyingKey,
  toBase32,
  verifyingKeyFromString,
} from '@lafs/crypto'
import type { CryptoProvider } from '@lafs/crypto'
import { GridManagerError } from './errors.ts'

/** The version of the configuration that is read and written. */
const CONFIG_VERSION = 0
const DAY_MS = 24 * 60 * 60 * 1000
/** A certificate is for so many days at most. */
export const MAX_CERTIFICATE_DAYS: number = 5 * 365

/** A grid manager: a key, and the storage servers that it may vouch for. */
export interface GridManager {
  /** `priv-v0-…`: a secret. */
  readonly privateKey: string
  /** The keys of storage servers, `pub-v0-…`, by the names that they have here. */
  readonly servers: ReadonlyMap<string, string>
}

/** A new grid manager that knows no servers. */
export function createGridManager(crypto: CryptoProvider = defaultCrypto): GridManager {
  const { seed } = createSigningKeypair(crypto)
  return { privateKey: stringFromSigningKey(seed), servers: new Map() }
}

/**
 * Reads the `config.json` of a grid manager.
 *
 * @throws {@link GridManagerError} `GRID_MANAGER_BAD_CONFIG`.
 * @see allmydata.grid_manager.load_grid_manager
 */
export function parseGridManager(text: string): GridManager {
  const config = parseObject(text)
  const version = config?.['grid_manager_config_version']
  if (config === undefined || version !== CONFIG_VERSION) {
    const got = typeof version === 'number' ? String(version) : 'none'
    throw badConfig(`expected version ${CONFIG_VERSION} of Grid Manager config, got ${got}`)
  }
  const { private_key: privateKey, storage_servers: servers = {} } = config
  if (typeof privateKey !== 'string') throw badConfig("'private_key' required in config")
  if (!isKey(() => signingKeypairFromString(privateKey))) {
    throw badConfig('expected priv-v0-… as private_key')
  }
  if (!isObject(servers)) throw badConfig('expected an object as storage_servers')
  return {
    privateKey,
    servers: new Map(
      Object.entries(servers).map(([name, server]) => {
        const key = isObject(server) ? server['public_key'] : undefined
        if (typeof key === 'string' && isKey(() => verifyingKeyFromString(key))) return [name, key]
        throw badConfig(`expected pub-v0-… as 'public_key' for storage server '${name}'`)
      }),
    ),
  }
}

/** Writes a `config.json` that {@link parseGridManager} and upstream read. */
export function formatGridManager({ privateKey, servers }: GridManager): string {
  return pythonJson({
    grid_manager_config_version: CONFIG_VERSION,
    private_key: privateKey,
    ...(servers.size > 0 && {
      storage_servers: Object.fromEntries(
        [...servers].map(([name, publicKey]) => [name, { public_key: publicKey }]),
      ),
    }),
  })
}

/** The public key of a grid manager, `pub-v0-…`, which clients name in `[grid_managers]`. */
export function publicIdentity(
  { privateKey }: GridManager,
  crypto: CryptoProvider = defaultCrypto,
): string {
  return stringFromVerifyingKey(signingKeypairFromString(privateKey, crypto).publicKey)
}

/**
 * The same grid manager with one more server.
 *
 * @param name - what certificates for it are filed under.
 * @param publicKey - the content of its `node.pubkey`.
 * @throws {@link GridManagerError} `GRID_MANAGER_BAD_NAME`, `GRID_MANAGER_BAD_KEY`,
 *   `GRID_MANAGER_EXISTING_SERVER`.
 */
export function addServer(manager: GridManager, name: string, publicKey: string): GridManager {
  if (!isFileName(name)) {
    throw new GridManagerError(
      'GRID_MANAGER_BAD_NAME',
      "the name of a storage-server cannot be empty, begin with '.', or have '/' or control characters in it",
    )
  }
  const key = publicKey.trim()
  if (!isKey(() => verifyingKeyFromString(key))) {
    throw new GridManagerError(
      'GRID_MANAGER_BAD_KEY',
      'expected the key of a storage-server, pub-v0-…, as it stands in its node.pubkey',
    )
  }
  if (manager.servers.has(name)) {
    throw new GridManagerError(
      'GRID_MANAGER_EXISTING_SERVER',
      `A storage-server called '${name}' already exists`,
    )
  }
  return { ...manager, servers: new Map([...manager.servers, [name, key]]) }
}

/**
 * The same grid manager without a server.
 *
 * @throws {@link GridManagerError} `GRID_MANAGER_NO_SUCH_SERVER`.
 */
export function removeServer(manager: GridManager, name: string): GridManager {
  assertServer(manager, name)
  return { ...manager, servers: new Map([...manager.servers].filter(([other]) => other !== name)) }
}

/**
 * A certificate for a server, from now on.
 *
 * @param options.days - a whole number from 1 to {@link MAX_CERTIFICATE_DAYS}.
 * @param options.nowMs - milliseconds since 1970.
 * @throws {@link GridManagerError} `GRID_MANAGER_NO_SUCH_SERVER`.
 * @throws RangeError for another number of days.
 * @see allmydata.grid_manager._GridManager.sign
 */
export function signCertificate(
  manager: GridManager,
  name: string,
  { days, nowMs }: { readonly days: number; readonly nowMs: number },
  crypto: CryptoProvider = defaultCrypto,
): SignedCertificate {
  if (!Number.isInteger(days) || days < 1 || days > MAX_CERTIFICATE_DAYS) {
    throw new RangeError(`expected 1 to ${MAX_CERTIFICATE_DAYS} days, got ${days}`)
  }
  const publicKey = assertServer(manager, name)
  // The fields in the order of their names, without spaces.
  const certificate = JSON.stringify({
    expires: isoTime(nowMs + days * DAY_MS),
    public_key: publicKey,
    version: 1,
  })
  const { seed } = signingKeypairFromString(manager.privateKey, crypto)
  const signature = crypto.ed25519Sign(seed, new TextEncoder().encode(certificate))
  return { certificate, signature: toBase32(signature) }
}

/** A certificate as it stands in a file. */
export function formatCertificate({ certificate, signature }: SignedCertificate): string {
  return pythonJson({ certificate, signature })
}

/** The key of a server. */
function assertServer({ servers }: GridManager, name: string): string {
  const publicKey = servers.get(name)
  if (publicKey !== undefined) return publicKey
  throw new GridManagerError(
    'GRID_MANAGER_NO_SUCH_SERVER',
    `No storage-server called '${name}' exists`,
  )
}

/** UTC as Python's isoformat writes it: with microseconds, unless there are none. */
function isoTime(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', '+00:00').replace('Z', '000+00:00')
}

function isFileName(name: string): boolean {
  return name !== '' && !/^\.|[/\\\p{Cc}]/u.test(name)
}

function isKey(parse: () => unknown): boolean {
  try {
    parse()
    return true
  } catch (error) {
    if (error instanceof EncodingError) return false
    throw error
  }
}

/** JSON as Python's `json.dumps(value, indent=4)` writes it. */
function pythonJson(value: object): string {
  return JSON.stringify(value, undefined, 4).replaceAll(
    /[\x7F-\uFFFF]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : undefined
  } catch {
    // The cause would show the secret.
    throw badConfig('expected JSON')
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function badConfig(what: string): GridManagerError {
  return new GridManagerError('GRID_MANAGER_BAD_CONFIG', what)
}
