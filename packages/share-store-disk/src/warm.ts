import { closeSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs'
import { systemCode } from './files.ts'

/** How many folders are remembered. */
const FOLDERS_MAX = 4096
/** For so long the operating system is taken to keep what it has read in memory. */
const WARMTH_MS = 20_000

/**
 * The folders whose small files were used a moment ago. What lies in them is in memory, so reading it
 * here and now takes a tenth of what a thread takes to be asked; anything else may wait for a disk.
 */
export class WarmFolders {
  /** When each was used last, the one used longest ago first. */
  readonly #used = new Map<string, number>()

  has(folder: string): boolean {
    return Date.now() - (this.#used.get(folder) ?? -Infinity) < WARMTH_MS
  }

  note(folder: string): void {
    this.#used.delete(folder)
    this.#used.set(folder, Date.now())
    if (this.#used.size <= FOLDERS_MAX) return
    const [oldest] = this.#used.keys()
    if (oldest !== undefined) this.#used.delete(oldest)
  }
}

/** The names in a warm folder; none when it is not there. */
export function warmNames(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return []
    throw error
  }
}

/** All of a file in a warm folder; undefined for one of more than `sizeMax` bytes. */
export function warmFile(path: string, sizeMax: number): Uint8Array | undefined {
  const file = openSync(path, 'r')
  try {
    const { size } = fstatSync(file)
    if (size > sizeMax) return undefined
    const bytes = new Uint8Array(size)
    let filled = 0
    while (filled < size) {
      const count = readSync(file, bytes, filled, size - filled, filled)
      if (count === 0) break
      filled += count
    }
    return bytes.subarray(0, filled)
  } finally {
    closeSync(file)
  }
}
