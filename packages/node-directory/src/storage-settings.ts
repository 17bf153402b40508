import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import type { ExpirationPolicy } from '@lafs/storage-server'
import { ClientError } from '@lafs/client'
import { readIfThere } from './files.ts'
import { parseTahoeCfg, tahoeCfgOption } from './tahoe-cfg.ts'
import type { TahoeCfg } from './tahoe-cfg.ts'

/** What a node directory says of its storage server. */
export interface StorageSettings {
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

const BOOLEANS: Readonly<Record<string, boolean>> = {
  '1': true,
  yes: true,
  true: true,
  on: true,
  '0': false,
  no: false,
  false: false,
  off: false,
}

/**
 * Reads what a node directory says of its storage server.
 *
 * @throws {@link ClientError} `CLIENT_NO_NODE_DIRECTORY` without a `tahoe.cfg`, `CLIENT_BAD_CONFIG`.
 */
export async function readStorageSettings(folder: string): Promise<StorageSettings> {
  const text = await readIfThere(join(folder, 'tahoe.cfg'))
  if (text === undefined) {
    throw new ClientError(
      'CLIENT_NO_NODE_DIRECTORY',
      `expected a node directory with a tahoe.cfg at ${folder}, found none`,
    )
  }
  return storageSettings(parseTahoeCfg(text), folder)
}

/**
 * What the section `[storage]` of a `tahoe.cfg` says.
 *
 * @param folder - the node directory, against which `storage_dir` counts.
 * @throws {@link ClientError} `CLIENT_BAD_CONFIG`, naming the option. What would decide over shares is
 *   checked even where nothing expires.
 * @see Tahoe-LAFS docs/garbage-collection.rst; allmydata.client._Client.get_anonymous_storage_server
 */
export function storageSettings(cfg: TahoeCfg, folder: string): StorageSettings {
  const enabled = booleanOption(cfg, 'expire.enabled', false)
  return {
    storageFolder: resolve(folder, expandHome(storageOption(cfg, 'storage_dir') ?? 'storage')),
    expiration: {
      enabled,
      mode: expirationMode(cfg, enabled),
      immutable: booleanOption(cfg, 'expire.immutable', true),
      mutable: booleanOption(cfg, 'expire.mutable', true),
    },
  }
}

function expirationMode(cfg: TahoeCfg, enabled: boolean): ExpirationPolicy['mode'] {
  const mode = storageOption(cfg, 'expire.mode') ?? (enabled ? undefined : 'age')
  const duration = storageOption(cfg, 'expire.override_lease_duration')
  const overrideLeaseDurationSeconds = duration === undefined ? undefined : parseDuration(duration)
  if (mode === 'age') return { kind: 'age', overrideLeaseDurationSeconds }
  if (mode === 'cutoff-date') {
    const date = storageOption(cfg, 'expire.cutoff_date') ?? ''
    return { kind: 'cutoff-date', cutoffSeconds: parseDate(date) }
  }
  throw badOption('expire.mode', 'age or cutoff-date')
}

/**
 * A duration in seconds: a whole number and one of s, second, seconds, day, days, mo, month, months (of
 * 31 days), year, years (of 365).
 *
 * @see allmydata.util.time_format.parse_duration
 */
function parseDuration(text: string): number {
  const [, number, unit = ''] = /^\s*(\d{1,9})\s*([a-z]+)\s*$/i.exec(text) ?? []
  const seconds = Object.hasOwn(UNIT_SECONDS, unit.toLowerCase())
    ? UNIT_SECONDS[unit.toLowerCase()]
    : undefined
  if (seconds === undefined) {
    throw badOption('expire.override_lease_duration', 'a number and a unit such as 60 days')
  }
  return Number(number) * seconds
}

/**
 * Seconds since 1970 at the beginning of a day, UTC. Upstream takes the 31st of February for a day in
 * March; where shares are deleted by it, it is a mistake.
 *
 * @see allmydata.util.time_format.parse_date
 */
function parseDate(text: string): number {
  const milliseconds = /^\d{4}-\d{2}-\d{2}$/.test(text)
    ? Date.parse(`${text}T00:00:00Z`)
    : Number.NaN
  const exists =
    !Number.isNaN(milliseconds) && new Date(milliseconds).toISOString().startsWith(text)
  if (!exists || milliseconds < 0) {
    throw badOption('expire.cutoff_date', 'a date from 1970 on, such as 2009-01-16')
  }
  return milliseconds / 1000
}

function booleanOption(cfg: TahoeCfg, option: string, fallback: boolean): boolean {
  const text = storageOption(cfg, option)?.toLowerCase()
  if (text === undefined) return fallback
  const value = Object.hasOwn(BOOLEANS, text) ? BOOLEANS[text] : undefined
  if (value === undefined) throw badOption(option, 'true or false')
  return value
}

function storageOption(cfg: TahoeCfg, option: string): string | undefined {
  return tahoeCfgOption(cfg, 'storage', option)
}

function expandHome(path: string): string {
  return /^~(?=\/|$)/.test(path) ? join(homedir(), path.slice(1)) : path
}

function badOption(option: string, expected: string): ClientError {
  return new ClientError(
    'CLIENT_BAD_CONFIG',
    `tahoe.cfg: expected ${expected} at [storage] ${option}`,
  )
}
