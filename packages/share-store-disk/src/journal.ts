import * as fs from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { defaultCrypto, sameBytes } from '@lafs/crypto'
import { uint32, uint64, viewOf } from './bytes.ts'
import { makeFolder, readUpTo, syncFolder, syncFolders, systemCode, writeAll } from './files.ts'

/** A span of a file that is to change: what stands there, and what will; both of one size. */
export interface SpanChange {
  readonly position: number
  readonly before: Uint8Array
  readonly after: Uint8Array
}

const encoder = new TextEncoder()
const MAGIC = encoder.encode('lafs journal 1\n')
const HASH_SIZE = 32

/**
 * Changes files in place so that a crash at any point leaves each as it was or as it should be: what
 * changes is first written to a file of the journal, which the next start finishes.
 *
 * A journal holds the old bytes too. The next start finishes a change only where every byte is the
 * old or the new one, and both are there: a file that somebody else has changed since is left alone.
 */
export class Journal {
  readonly #folder: string
  /** Against which the names of files count. */
  readonly #root: string
  /** Files whose changes are done, and their entries, which may come back after a power cut. */
  readonly #unsettled = new Map<string, string>()
  #entries = 0

  constructor(folder: string, root: string) {
    this.#folder = folder
    this.#root = root
  }

  /** Finishes what a crash has interrupted. */
  async recover(): Promise<void> {
    await syncFolders(await makeFolder(this.#folder))
    const names = await fs.readdir(this.#folder)
    if (names.length === 0) return
    this.#entries = Math.max(0, ...names.map(Number).filter(Number.isSafeInteger))
    for (const name of names) {
      const path = join(this.#folder, name)
      // What the disk does not let us read or change keeps its entry, and the other files are served.
      const bytes = await fs.readFile(path).catch(() => undefined)
      if (bytes === undefined) continue
      const entry = parseEntry(bytes)
      const done =
        entry === undefined || (await finished(join(this.#root, entry.name), entry.changes))
      if (done) await fs.rm(path, { force: true })
    }
    await syncFolder(this.#folder)
  }

  /**
   * Writes down what is to change in a file.
   *
   * @param name - of the file, below the root.
   * @param changes - disjoint, and within the file.
   */
  async begin(name: string, changes: readonly SpanChange[]): Promise<JournalEntry> {
    this.#entries += 1
    const path = join(this.#folder, String(this.#entries))
    try {
      const handle = await fs.open(path, 'w', 0o600)
      try {
        await writeAll(handle, 0, formatEntry(name, changes))
        await handle.datasync()
      } finally {
        await handle.close()
      }
      await this.#settleAll()
    } catch (error) {
      await fs.rm(path, { force: true })
      throw error
    }
    /** Whether the file needs the entry, or the entry is somebody else's to remove. */
    let kept = false
    return {
      commit: async () => {
        kept = true
        const failure = await apply(join(this.#root, name), changes)
        kept = failure === undefined
        if (failure !== undefined) throw failure
        this.#unsettled.set(name, path)
        await fs.rm(path, { force: true }).catch(() => {})
      },
      discard: async () => {
        if (!kept) await fs.rm(path, { force: true })
      },
    }
  }

  /** Makes sure that no entry comes back for a file that is about to change in another way. */
  async settle(name: string): Promise<void> {
    if (this.#unsettled.has(name)) await this.#settleAll()
  }

  /** Makes what was added to the folder and what went from it outlast a power cut. */
  async #settleAll(): Promise<void> {
    const settled = [...this.#unsettled]
    for (const [, path] of settled) await fs.rm(path, { force: true })
    await syncFolder(this.#folder)
    for (const [name, path] of settled)
      if (this.#unsettled.get(name) === path) this.#unsettled.delete(name)
  }
}

/** A change that is written down. */
export interface JournalEntry {
  /** Makes the change. When it rejects the file is as it was, or the next start finishes it. */
  commit(): Promise<void>
  /** Forgets the change, unless it was made. */
  discard(): Promise<void>
}

/**
 * Makes a change.
 *
 * @returns what went wrong when the file is as it was before.
 * @throws when it may be neither.
 */
async function apply(path: string, changes: readonly SpanChange[]): Promise<unknown> {
  const handle = await fs.open(path, 'r+')
  const write = async (bytes: 'before' | 'after'): Promise<void> => {
    for (const change of changes) await writeAll(handle, change.position, [change[bytes]])
    await handle.datasync()
  }
  try {
    await write('after')
    return undefined
  } catch (error) {
    await write('before')
    return error
  } finally {
    await handle.close()
  }
}

async function finished(path: string, changes: readonly SpanChange[]): Promise<boolean> {
  return finish(path, changes).then(
    () => true,
    () => false,
  )
}

/** Makes a change whole that may have been made in part. */
async function finish(path: string, changes: readonly SpanChange[]): Promise<void> {
  let handle: FileHandle
  try {
    handle = await fs.open(path, 'r+')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return
    throw error
  }
  try {
    let old = 0
    for (const change of changes) {
      const found = await readUpTo(handle, change.position, change.after.length)
      if (sameBytes(found, change.before)) old += 1
      else if (!isBetween(found, change)) return
    }
    if (old === changes.length) return
    for (const { position, after } of changes) await writeAll(handle, position, [after])
    await handle.datasync()
  } finally {
    await handle.close()
  }
}

/** Whether each byte is the old or the new one. */
function isBetween(found: Uint8Array, { before, after }: SpanChange): boolean {
  if (found.length !== after.length) return false
  return found.every((byte, index) => byte === before[index] || byte === after[index])
}

/*
 * size  field
 * 15    magic
 * 32    SHA-256 of the rest
 * 4, n  name of the file
 * 4     number of changes, each:
 *   8     position
 *   4     size
 *   n, n  old and new bytes
 */
function formatEntry(name: string, changes: readonly SpanChange[]): Uint8Array[] {
  const nameBytes = encoder.encode(name)
  const rest = [uint32(nameBytes.length), nameBytes, uint32(changes.length)]
  for (const { position, before, after } of changes)
    rest.push(uint64(position), uint32(after.length), before, after)
  return [MAGIC, defaultCrypto.sha256(...rest), ...rest]
}

/** Undefined for one that was not written to its end: its change has not begun. */
function parseEntry(
  bytes: Uint8Array,
): { readonly name: string; readonly changes: readonly SpanChange[] } | undefined {
  const start = MAGIC.length + HASH_SIZE
  const rest = bytes.subarray(start)
  if (bytes.length < start + 8 || !sameBytes(bytes.subarray(0, MAGIC.length), MAGIC))
    return undefined
  if (!sameBytes(defaultCrypto.sha256(rest), bytes.subarray(MAGIC.length, start))) return undefined
  const view = viewOf(rest)
  let at = 0
  const take = (size: number): Uint8Array => rest.subarray(at, (at += size))
  const number = (): number => view.getUint32((at += 4) - 4)
  const name = new TextDecoder().decode(take(number()))
  const changes = Array.from({ length: number() }, () => {
    const position = Number(view.getBigUint64((at += 8) - 8))
    const size = number()
    return { position, before: take(size), after: take(size) }
  })
  return { name, changes }
}
