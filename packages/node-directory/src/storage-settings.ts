import type { ExpirationPolicy } from '@lafs/storage-server'
import { NodeDirectoryError } from './errors.ts'
import { folderIn } from './files.ts'
import { readTahoeCfg } from './known-options.ts'
import { badOption, booleanOption, tahoeCfgOption } from './tahoe-cfg.ts'
import type { TahoeCfg } from './tahoe-cfg.ts'

/** What a node directory says of its storage server. */
export interface StorageSettings {
  /** Whether there is to be one. */
  readonly enabled: boolean
  /** Whether whoever knows the server's secret address may use it; the only way there is here. */
  readonly anonymous: boolean
  /** Refuse new immutable shares. */
  readonly readonly: boolean
  /** Throw the data of new immutable shares away: to measure what all the rest takes. */
  readonly discard: boolean
  /** Bytes of the disk that are left alone. */
  readonly reservedSpace: number
  /** Whether it announces the certificates in `[grid_manager_certificates]`. */
  readonly gridManagement: boolean
  /** The absolute path of the folder that holds `shares`. */
  readonly storageFolder: string
  readonly expiration: ExpirationPolicy
}

const DAY_SECONDS = 24 * 60 * 60

/** Seconds of a unit of time; a month has 31 days. */
const UNIT_SECONDS: Readonly<Record<string, number>> = {
  s: 1,
  second: 1,
  seconds: 1,
  day: DAY_SECONDS,
  days: DAY_SECONDS,
  mo: 31 * DAY_SECONDS,
  month: 31 * DAY_SECONDS,
  months: 31 * DAY_SECONDS,
  year: 365 * DAY_SECONDS,
  years: 365 * DAY_SECONDS,
}

/** Bytes of a unit of space, without the B that may stand at its end. */
const UNIT_BYTES: Readonly<Record<string, number>> = Object.fromEntries(
  ['', 'K', 'M', 'G', 'T', 'P', 'E'].flatMap((letter, power) => [
    [letter, 1000 ** power],
    [`${letter}I`, 1024 ** power],
  ]),
)

/**
 * Reads what a node directory says of its storage server.
 *
 * @throws {@link NodeDirectoryError} `NODEDIR_ABSENT` without a `tahoe.cfg`, and those of
 *   {@link readTahoeCfg}.
 */
export async function readStorageSettings(folder: string): Promise<StorageSettings> {
  const cfg = await readTahoeCfg(folder)
  if (cfg === undefined) {
    throw new NodeDirectoryError(
      'NODEDIR_ABSENT',
      `expected a node directory with a tahoe.cfg at ${folder}, found none`,
    )
  }
  return storageSettings(cfg, folder)
}

/**
 * What the section `[storage]` of a `tahoe.cfg` says.
 *
 * @param folder - the node directory, against which `storage_dir` counts.
 * @throws {@link NodeDirectoryError} `NODEDIR_BAD_CONFIG`, naming the option. What would decide over shares is
 *   checked even where nothing expires.
 * @see Tahoe-LAFS docs/garbage-collection.rst; allmydata.client._Client.get_anonymous_storage_server
 */
export function storageSettings(cfg: TahoeCfg, folder: string): StorageSettings {
  const flag = (option: string, fallback: boolean): boolean =>
    booleanOption(cfg, 'storage', option, fallback)
  const expires = flag('expire.enabled', false)
  return {
    enabled: flag('enabled', true),
    anonymous: flag('anonymous', true),
    readonly: flag('readonly', false),
    discard: flag('debug_discard', false),
    reservedSpace: reservedSpace(cfg),
    gridManagement: flag('grid_management', false),
    storageFolder: folderIn(folder, storageOption(cfg, 'storage_dir') ?? 'storage'),
    expiration: {
      enabled: expires,
      mode: expirationMode(cfg, expires),
      immutable: flag('expire.immutable', true),
      mutable: flag('expire.mutable', true),
    },
  }
}

/** A number and a unit such as 1G, 500MiB or none. @see allmydata.util.abbreviate.parse_abbreviated_size */
function reservedSpace(cfg: TahoeCfg): number {
  const text = storageOption(cfg, 'reserved_space') ?? ''
  if (text === '') return 0
  const [, number, unit] = /^(\d+)([KMGTPE]?I?)B?$/.exec(text.toUpperCase()) ?? []
  const bytes = Number(number) * (UNIT_BYTES[unit ?? ''] ?? Number.NaN)
  if (Number.isSafeInteger(bytes)) return bytes
  throw badOption(cfg, 'storage', 'reserved_space', 'a size such as 1G or 500MiB')
}

function expirationMode(cfg: TahoeCfg, enabled: boolean): ExpirationPolicy['mode'] {
  const mode = storageOption(cfg, 'expire.mode') ?? (enabled ? undefined : 'age')
  const duration = storageOption(cfg, 'expire.override_lease_duration')
  const overrideLeaseDurationSeconds =
    duration === undefined ? undefined : parseDuration(cfg, duration)
  if (mode === 'age') return { kind: 'age', overrideLeaseDurationSeconds }
  if (mode === 'cutoff-date') {
    const date = storageOption(cfg, 'expire.cutoff_date') ?? ''
    return { kind: 'cutoff-date', cutoffSeconds: parseDate(cfg, date) }
  }
  throw badOption(cfg, 'storage', 'expire.mode', 'age or cutoff-date')
}

/**
 * A duration in seconds: a whole number and one of s, second, seconds, day, days, mo, month, months (of
 * 31 days), year, years (of 365).
 *
 * @see allmydata.util.time_format.parse_duration
 */
function parseDuration(cfg: TahoeCfg, text: string): number {
  const [, number, unit = ''] = /^\s*(\d{1,9})\s*([a-z]+)\s*$/i.exec(text) ?? []
  const seconds = Object.hasOwn(UNIT_SECONDS, unit.toLowerCase())
    ? UNIT_SECONDS[unit.toLowerCase()]
    : undefined
  if (seconds === undefined) {
    throw badOption(
      cfg,
      'storage',
      'expire.override_lease_duration',
      'a number and a unit such as 60 days',
    )
  }
  return Number(number) * seconds
}

/**
 * Seconds since 1970 at the beginning of a day, UTC. Upstream takes the 31st of February for a day in
 * March; where shares are deleted by it, it is a mistake.
 *
 * @see allmydata.util.time_format.parse_date
 */
function parseDate(cfg: TahoeCfg, text: string): number {
  const milliseconds = /^\d{4}-\d{2}-\d{2}$/.test(text)
    ? Date.parse(`${text}T00:00:00Z`)
    : Number.NaN
  const exists =
    !Number.isNaN(milliseconds) && new Date(milliseconds).toISOString().startsWith(text)
  if (!exists || milliseconds < 0) {
    throw badOption(cfg, 'storage', 'expire.cutoff_date', 'a date from 1970 on, such as 2009-01-16')
  }
  return milliseconds / 1000
}

function storageOption(cfg: TahoeCfg, option: string): string | undefined {
  return tahoeCfgOption(cfg, 'storage', option)
}
