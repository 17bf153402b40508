import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadVectors } from '@lafs/vectors'
import { describe, expect, it } from 'vitest'
import { readStorageSettings, storageSettings } from '../src/storage-settings.ts'
import type { StorageSettings } from '../src/storage-settings.ts'
import { parseTahoeCfg } from '../src/tahoe-cfg.ts'

interface Recorded {
  readonly text: string
  readonly settings?: {
    readonly expiration_enabled: boolean
    readonly expiration_mode: 'age' | 'cutoff-date'
    readonly expiration_override_lease_duration: number | null
    readonly expiration_cutoff_date: number | null
    readonly expiration_sharetypes: readonly string[]
    readonly storedir: string
  }
  readonly error?: string
}

const { cases } = await loadVectors<{ cases: Recorded[] }>('client/storage-settings')

const NODE = '/home/somebody/node'
const BAD = /^tahoe\.cfg(?: line \d+)?: expected .* at \[storage\] expire\.[a-z_]+$/

/** What upstream takes and we do not: it decides over what is deleted, and can only be a mistake. */
const REFUSED = new Set([
  'expire.override_lease_duration = -7days',
  'expire.mode = cutoff-date\nexpire.cutoff_date = 1969-12-31',
  'expire.mode = cutoff-date\nexpire.cutoff_date = 2009-12-32',
  'expire.mode = cutoff-date\nexpire.cutoff_date = 2009-02-31',
  'expire.mode = cutoff-date\nexpire.cutoff_date = 2023-02-29',
  'expire.mode = cutoff-date\nexpire.cutoff_date = 2009-02-00',
  'expire.mode = cutoff-date\nexpire.cutoff_date = 2009-01-16T10:20:30',
])

/** What 1.20 refuses and later versions take. */
const TAKEN: Readonly<Record<string, number>> = {
  'expire.override_lease_duration = 1 YEAR': 365 * 86400,
  'expire.override_lease_duration = 10s': 10,
  'expire.override_lease_duration = 5 second': 5,
  'expire.override_lease_duration = 6 Seconds': 6,
}

function settingsOf(text: string): StorageSettings {
  return storageSettings(parseTahoeCfg(`[storage]\n${text}`), NODE)
}

function expected({ settings }: Recorded): object {
  const mode =
    settings?.expiration_mode === 'age'
      ? {
          kind: 'age',
          overrideLeaseDurationSeconds: settings.expiration_override_lease_duration ?? undefined,
        }
      : { kind: 'cutoff-date', cutoffSeconds: settings?.expiration_cutoff_date }
  return {
    storageFolder: settings?.storedir.replace('NODE', NODE),
    expiration: {
      enabled: settings?.expiration_enabled,
      mode,
      immutable: settings?.expiration_sharetypes.includes('immutable'),
      mutable: settings?.expiration_sharetypes.includes('mutable'),
    },
  }
}

describe('storageSettings', () => {
  const known = ({ text }: Recorded): boolean => REFUSED.has(text.trim()) || text.trim() in TAKEN
  const same = cases.filter((recorded) => !known(recorded))

  it.each(same.filter(({ settings }) => settings !== undefined))(
    'reads what upstream reads: $text',
    (recorded) => {
      expect(settingsOf(recorded.text)).toMatchObject(expected(recorded))
    },
  )

  it.each(same.filter(({ error }) => error !== undefined))(
    'refuses what upstream refuses ($error): $text',
    ({ text }) => {
      expect(() => settingsOf(text)).toThrow(
        expect.objectContaining({
          code: 'NODEDIR_BAD_CONFIG',
          message: expect.stringMatching(BAD),
        }),
      )
    },
  )

  it('refuses what can only be a mistake, and takes the durations of later versions', () => {
    const texts = cases.map(({ text }) => text.trim())
    expect(texts).toEqual(expect.arrayContaining([...REFUSED, ...Object.keys(TAKEN)]))
    for (const text of REFUSED) expect(() => settingsOf(text)).toThrow(BAD)
    for (const [text, seconds] of Object.entries(TAKEN)) {
      const { mode } = settingsOf(text).expiration
      expect(mode).toEqual({ kind: 'age', overrideLeaseDurationSeconds: seconds })
    }
  })

  it.each(['constructor', '1 constructor', '__proto__'])('knows no unit %s', (text) => {
    expect(() => settingsOf(`expire.override_lease_duration = ${text}`)).toThrow(BAD)
    expect(() => settingsOf(`expire.enabled = ${text}`)).toThrow(BAD)
  })

  it('finds the storage folder in a home, too', () => {
    expect(settingsOf('storage_dir = ~/shares').storageFolder).toBe(join(homedir(), 'shares'))
  })
})

describe('readStorageSettings', () => {
  it('reads the tahoe.cfg of a node directory', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lafs-test-'))
    try {
      await expect(readStorageSettings(folder)).rejects.toThrow(
        expect.objectContaining({ code: 'NODEDIR_ABSENT' }),
      )
      await writeFile(
        join(folder, 'tahoe.cfg'),
        '[storage]\nexpire.enabled = true\nexpire.mode = age',
      )
      const { storageFolder, expiration } = await readStorageSettings(folder)
      expect(storageFolder).toBe(join(folder, 'storage'))
      expect(expiration.enabled).toBe(true)
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
