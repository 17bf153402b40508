import * as fs from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'

/**
 * Keeps a bounded number of files open: those used last.
 *
 * A file that was closed to make room is opened again when it is used. Files whose name is about to
 * go are kept open whatever their number, so that a reader reads on in what it opened.
 */
export class FilePool {
  readonly #limit: number
  /** Open files, the one used longest ago first. */
  readonly #open = new Set<PooledFile>()
  readonly #byPath = new Map<string, Set<PooledFile>>()

  constructor(limit: number) {
    this.#limit = limit
  }

  /** Takes an open file into the pool, which closes it when it sees fit. */
  add(path: string, handle: FileHandle, flags: 'r' | 'r+'): PooledFile {
    const file = new PooledFile(this, path, handle, flags)
    const ofPath = this.#byPath.get(path) ?? new Set<PooledFile>()
    this.#byPath.set(path, ofPath.add(file))
    this.touch(file)
    return file
  }

  /** Whether anybody has a file of this path open. */
  has(path: string): boolean {
    return this.#byPath.has(path)
  }

  /** Makes every pooled file of a path independent of the path. */
  async detach(path: string): Promise<void> {
    for (const file of this.#byPath.get(path) ?? []) await file.keepOpen()
    this.#byPath.delete(path)
  }

  /** Notes a use, and closes files that are over the limit and idle. */
  touch(file: PooledFile): void {
    this.#open.delete(file)
    this.#open.add(file)
    let excess = this.#open.size - this.#limit
    for (const candidate of this.#open) {
      if (excess <= 0) break
      if (!candidate.release()) continue
      this.#open.delete(candidate)
      excess -= 1
    }
  }

  remove(file: PooledFile): void {
    this.#open.delete(file)
    const ofPath = this.#byPath.get(file.path)
    ofPath?.delete(file)
    if (ofPath?.size === 0) this.#byPath.delete(file.path)
  }

  async close(): Promise<void> {
    const all = [...this.#byPath.values()].flatMap((files) => [...files])
    for (const file of new Set([...all, ...this.#open])) await file.close()
  }
}

/** A file that is open while it is used, and maybe longer. */
export class PooledFile {
  readonly path: string
  readonly #pool: FilePool
  readonly #flags: 'r' | 'r+'
  #handle: Promise<FileHandle> | undefined
  #closing: Promise<void> = Promise.resolve()
  #users = 0
  #kept = false
  #closed = false

  constructor(pool: FilePool, path: string, handle: FileHandle, flags: 'r' | 'r+') {
    this.#pool = pool
    this.path = path
    this.#handle = Promise.resolve(handle)
    this.#flags = flags
  }

  async use<T>(task: (handle: FileHandle) => Promise<T>): Promise<T> {
    if (this.#closed) throw new TypeError('the share has been closed')
    this.#users += 1
    try {
      return await task(await this.#opened())
    } finally {
      this.#users -= 1
      if (this.#closed) await this.#close()
    }
  }

  async keepOpen(): Promise<void> {
    this.#kept = true
    await this.#opened()
  }

  /** Closes the handle for now, unless it is in use or must stay. @returns whether it did. */
  release(): boolean {
    if (this.#users > 0 || this.#kept || this.#handle === undefined) return false
    void this.#close()
    return true
  }

  /** Closes for good, once those who use it are done. Closing twice does nothing. */
  async close(): Promise<void> {
    this.#closed = true
    this.#pool.remove(this)
    if (this.#users === 0) await this.#close()
    await this.#closing
  }

  #opened(): Promise<FileHandle> {
    if (this.#handle === undefined) {
      const opening = fs.open(this.path, this.#flags)
      this.#handle = opening
      opening.catch(() => {
        if (this.#handle === opening) this.#handle = undefined
      })
    }
    this.#pool.touch(this)
    return this.#handle
  }

  async #close(): Promise<void> {
    const handle = this.#handle
    if (handle === undefined || this.#users > 0) return
    this.#handle = undefined
    this.#closing = handle.then((opened) => opened.close()).catch(() => {})
    await this.#closing
  }
}
