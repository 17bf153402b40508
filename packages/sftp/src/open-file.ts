import { isMutableFileNode } from '@lafs/filesystem-interface'
import type {
  ChildMetadata,
  IDirectoryNode,
  IFileNode,
  IReadable,
} from '@lafs/filesystem-interface'
import { attributesOf, withAttributes } from './attributes.ts'
import { FileReader } from './file-reader.ts'
import { OPEN, STATUS, StatusError } from './protocol.ts'
import type { Attributes } from './protocol.ts'
import { TemporaryContent } from './temporary-content.ts'
import type { Transfers } from './transfers.ts'

/** An entry of a directory, there or to be made. */
export interface Place {
  readonly directory: IDirectoryNode
  readonly name: string
}

/** What a file is opened with. */
export interface OpenedFile {
  /** Undefined for a new file. */
  readonly node: IFileNode | undefined
  /** Undefined for a file that was named by its cap alone. */
  readonly place: Place | undefined
  readonly metadata: ChildMetadata
  readonly flags: number
  /** Where content waits that is being written. */
  readonly temporaryFolder: string | undefined
  /** Those of the connection. */
  readonly transfers: Transfers
}

/** A file that somebody has opened. Requests about it are met one after another. */
export interface OpenFile {
  /** @returns no bytes at the end of the file. */
  read(offset: number, length: number): Promise<Uint8Array>
  write(offset: number, data: Uint8Array): Promise<void>
  attributes(): Promise<Attributes>
  setAttributes(set: Attributes): Promise<void>
  /** What has not been closed by now is never stored, and nothing more is fetched for it. */
  abandon(): void
  /** Stores what was written; rejects where that fails. */
  close(): Promise<void>
}

const denied = (message: string): StatusError => new StatusError(STATUS.permissionDenied, message)

/** A file that was opened for reading alone: as it is now, whatever becomes of it. */
export class FileToRead implements OpenFile {
  readonly #opened: OpenedFile
  readonly #reader: Promise<FileReader>
  readonly #gone = new AbortController()
  #queue: Promise<unknown> = Promise.resolve()

  constructor(opened: OpenedFile & { readonly node: IFileNode }) {
    this.#opened = opened
    const { signal } = this.#gone
    this.#reader = opened.node
      .bestReadableVersion({ signal })
      .then((version) => new FileReader(version, signal))
    this.#reader.catch(() => {})
  }

  abandon(): void {
    this.#gone.abort()
  }

  read(offset: number, length: number): Promise<Uint8Array> {
    const result = this.#queue.then(async () => {
      const reader = await this.#reader
      return this.#opened.transfers.use(reader, () => reader.read(offset, length))
    })
    this.#queue = result.catch(() => {})
    return result
  }

  async write(): Promise<never> {
    throw denied('file handle was not opened for writing')
  }

  async attributes(): Promise<Attributes> {
    const { node, metadata, place } = this.#opened
    const parentReadonly = place?.directory.readonly ?? true
    return attributesOf({ node, metadata, parentReadonly }, await node?.currentSize())
  }

  async setAttributes(): Promise<never> {
    throw denied('file handle was not opened for writing')
  }

  /** Never fails: reads that needed what could not be had have failed themselves. */
  async close(): Promise<void> {
    await this.#queue
    await this.#reader.then((reader) => this.#opened.transfers.end(reader)).catch(() => {})
  }
}

/**
 * A file that was opened to be written: its content is in a temporary file until it is closed, and
 * then it is stored. Where one request fails all later ones do, and nothing is stored.
 */
export class FileToWrite implements OpenFile {
  readonly #opened: OpenedFile
  #place: Place | undefined
  #metadata: ChildMetadata
  #changed: boolean
  #metadataChanged = false
  /** Aborts once nobody will want it any more. */
  #gone = new AbortController()
  #content: TemporaryContent | undefined
  /** Settles when all requests so far are met; rejects once one has failed. */
  #queue: Promise<unknown>
  #closing: Promise<void> | undefined

  constructor(opened: OpenedFile) {
    const { flags, node } = opened
    this.#opened = opened
    this.#place = opened.place
    this.#metadata = opened.metadata
    // With "exclusive" an empty file has been linked already.
    this.#changed =
      node === undefined || ((flags & OPEN.truncate) !== 0 && (flags & OPEN.exclusive) === 0)
    this.#queue = this.#load()
    this.#queue.catch(() => {})
  }

  get place(): Place | undefined {
    return this.#place
  }

  /** From now on it belongs to another entry. */
  moveTo(place: Place): void {
    this.#place = place
  }

  abandon(): void {
    this.#gone.abort(new StatusError(STATUS.failure, 'the file was removed'))
  }

  /** It is stored after all, unless it has been closed meanwhile. */
  keep(): void {
    if (this.#gone.signal.aborted) this.#gone = new AbortController()
  }

  /** Settles once it is closed, however that went; at once where nobody is closing it. */
  async settled(): Promise<void> {
    await this.#closing?.catch(() => {})
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    if ((this.#opened.flags & OPEN.read) === 0) {
      throw denied('file handle was not opened for reading')
    }
    return this.#next((content) => content.read(offset, length))
  }

  async write(offset: number, data: Uint8Array): Promise<void> {
    this.#changed = true
    const isAppending = (this.#opened.flags & OPEN.append) !== 0
    return this.#next((content) =>
      content.write(isAppending ? content.size : offset, data, this.#gone.signal),
    )
  }

  async attributes(): Promise<Attributes> {
    return this.#next(async (content) => {
      const { node } = this.#opened
      const parentReadonly = this.#place?.directory.readonly ?? true
      return attributesOf({ node, metadata: this.#metadata, parentReadonly }, content.size)
    })
  }

  async setAttributes(set: Attributes): Promise<void> {
    if (set.size !== undefined) this.#changed = true
    return this.#next(async (content) => {
      this.#metadata = withAttributes(this.#metadata, set)
      this.#metadataChanged = true
      if (set.size !== undefined) await content.resize(set.size, this.#gone.signal)
    })
  }

  close(): Promise<void> {
    const place = this.#place
    const isStored = !this.#gone.signal.aborted
    this.#closing ??= this.#finish(isStored, place)
    return this.#closing
  }

  async #finish(isStored: boolean, place: Place | undefined): Promise<void> {
    const { transfers } = this.#opened
    try {
      await this.#next(async (content) => {
        if (isStored) await transfers.useOnce(() => this.#store(content, place))
      })
    } finally {
      await this.#content?.close()
    }
  }

  async #load(): Promise<void> {
    const { node, flags, temporaryFolder } = this.#opened
    const content = await TemporaryContent.create(temporaryFolder)
    this.#content = content
    if (node === undefined || (flags & OPEN.truncate) !== 0) return
    await this.#opened.transfers.useOnce(() => this.#fetch(node, content))
  }

  async #fetch(node: IFileNode, content: TemporaryContent): Promise<void> {
    const { signal } = this.#gone
    signal.throwIfAborted()
    const version: IReadable = await node.bestReadableVersion({ signal })
    for await (const piece of version.read({ signal })) {
      signal.throwIfAborted()
      await content.write(content.size, piece)
    }
  }

  #next<T>(work: (content: TemporaryContent) => Promise<T>): Promise<T> {
    const result = this.#queue.then(() => {
      if (this.#content === undefined) throw new Error('a file was used before it was loaded')
      return work(this.#content)
    })
    this.#queue = result
    this.#queue.catch(() => {})
    return result
  }

  async #store(content: TemporaryContent, place: Place | undefined): Promise<void> {
    const { node } = this.#opened
    const source = {
      size: content.size,
      read: (options: Parameters<TemporaryContent['readAll']>[0]) => content.readAll(options),
      close: async () => {},
    }
    const metadata = withAttributes(this.#metadata, {})
    if (node !== undefined && isMutableFileNode(node)) {
      if (this.#changed) await node.overwrite(source)
    } else if (this.#changed && place !== undefined) {
      await place.directory.addFile(place.name, source, { metadata })
      return
    }
    if (this.#metadataChanged && place !== undefined) {
      await place.directory.setMetadataFor(place.name, metadata)
    }
  }
}
