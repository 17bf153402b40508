import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { defaultCrypto, toBase32 } from '@lafs/crypto'
import type { IDirectoryNode } from '@lafs/filesystem-interface'
import { readIfThere, writeWhole } from '@lafs/node-directory/files'
import { CommandError } from './failure.ts'

/** What is kept between the renewals of a tree. It holds names of files, and no cap. */
export interface RenewalRecord {
  /** Where the last renewal was interrupted; null where it came to its end. */
  readonly cursor: readonly string[] | null
  /** Objects that it has dealt with, and those before it that it went on from. */
  readonly objects: number
  /** Objects of the last whole renewal; null where there was none. */
  readonly total: number | null
}

/** The file of the record of a tree, named after the storage index of its root. */
export function renewalFile(nodeDirectory: string, root: IDirectoryNode): string {
  const text = new TextEncoder().encode(root.readonlyUri ?? '')
  // A directory that is stored nowhere has no storage index.
  const name = root.storageIndex ?? defaultCrypto.sha256(text).subarray(0, 16)
  return join(nodeDirectory, 'private', 'renewals', `${toBase32(name)}.json`)
}

/**
 * Reads the record of a tree.
 *
 * @returns undefined where it was never renewed.
 * @throws {@link CommandError} `CLI_NO_STATE` when the file is damaged.
 */
export async function readRenewalRecord(file: string): Promise<RenewalRecord | undefined> {
  const text = await readIfThere(file)
  if (text === undefined) return undefined
  const record = parse(text)
  if (isRecord(record)) return record
  throw new CommandError(
    'CLI_NO_STATE',
    'the record of the last renewal is damaged; remove it to begin anew',
  )
}

/** Keeps the record of a tree. */
export async function saveRenewalRecord(file: string, record: RenewalRecord): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  await writeWhole(file, `${JSON.stringify(record)}\n`)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isRecord(value: unknown): value is RenewalRecord {
  if (typeof value !== 'object' || value === null) return false
  const { cursor, objects, total } = value as Partial<RenewalRecord>
  return (
    (cursor === null || isPath(cursor)) && isCount(objects) && (total === null || isCount(total))
  )
}

function isPath(value: unknown): boolean {
  return Array.isArray(value) && value.every((name) => typeof name === 'string')
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && Number(value) >= 0
}
