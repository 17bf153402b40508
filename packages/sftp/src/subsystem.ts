import { Buffer } from 'node:buffer'
import { isFilesystemError } from '@lafs/filesystem-interface'
import type { OpenFile } from './open-file.ts'
import { OrderedWork } from './ordered-work.ts'
import {
  FieldReader,
  frame,
  messages,
  OPEN,
  READ_MAX,
  reply,
  REQUEST,
  STATUS,
  StatusError,
  uint64,
  versionFrame,
} from './protocol.ts'
import type { NameEntry, Reply } from './protocol.ts'
import { namesOf } from './session.ts'
import type { Session } from './session.ts'

/** How many requests of a connection may be under way; further ones wait in the socket. */
const REQUESTS_MAX = 64
/** How many files and directories a connection may have open. */
const HANDLES_MAX = 1024
/** How many entries of a directory one answer holds. */
const NAMES_MAX = 100
/** So much of their names; clients take messages of up to 256 KiB, and each name is there twice. */
const NAMES_SIZE_MAX = 64 * 1024

/** How many characters of entries that are still to be told there may be when another directory is opened. */
const LISTED_MAX = 8 * 1024 * 1024

const EXTENSIONS = {
  'posix-rename@openssh.com': '1',
  'statvfs@openssh.com': '2',
  'fstatvfs@openssh.com': '2',
}

/**
 * What `df` is told, as numbers of 64 bits: block size, fragment size, blocks, free, available; files,
 * free, available; id, flags (no set-uid), longest name. A grid has no end that anybody knows.
 *
 * @see allmydata.frontends.sftpd.SFTPUserHandler.extendedRequest
 */
const FILE_SYSTEM = [
  1024, 1024, 628318530, 314159265, 314159265, 200000000, 100000000, 100000000, 0x1af5, 2, 65535,
].map(uint64)

/** Something open: a file, or the entries of a directory that are still to be told. */
type Handle =
  | { readonly kind: 'file'; readonly file: OpenFile }
  | { readonly kind: 'directory'; readonly entries: NameEntry[] }

/** The requests of one connection. */
export class Subsystem {
  readonly #session: Session
  readonly #order = new OrderedWork()
  readonly #handles = new Map<number, Handle>()
  #nextHandle = 1

  constructor(session: Session) {
    this.#session = session
  }

  /**
   * Answers requests until there are no more. Files that are still open then are not stored.
   *
   * @param send - settles once more may be sent.
   */
  async serve(
    stream: AsyncIterable<Uint8Array>,
    send: (bytes: Uint8Array) => Promise<void>,
  ): Promise<void> {
    const underWay = new Set<Promise<void>>()
    try {
      for await (const message of messages(stream)) {
        const fields = new FieldReader(message)
        const type = fields.byte()
        if (type === REQUEST.init) {
          await send(versionFrame(EXTENSIONS))
          continue
        }
        const id = fields.uint32()
        const answered: Promise<void> = this.#answer(type, fields)
          .catch(statusOf)
          .then((answer) => send(frame(id, answer)))
          .catch(() => undefined)
          .finally(() => underWay.delete(answered))
        underWay.add(answered)
        if (underWay.size >= REQUESTS_MAX) await Promise.race(underWay)
      }
    } finally {
      // What is under way need not come to its end for a file that nobody can close any more.
      this.#abandon()
      await Promise.all(underWay)
      await this.#end()
    }
  }

  #abandon(): void {
    for (const handle of this.#handles.values()) {
      if (handle.kind === 'file') handle.file.abandon()
    }
  }

  async #end(): Promise<void> {
    this.#abandon()
    const open = [...this.#handles.values()]
    this.#handles.clear()
    for (const handle of open) {
      if (handle.kind !== 'file') continue
      await this.#session.close(handle.file).catch(() => {})
    }
  }

  // The fields of a request are read before anything is waited for, so that requests keep their order.
  async #answer(type: number, fields: FieldReader): Promise<Reply> {
    switch (type) {
      case REQUEST.open:
        return this.#open(fields.text(), fields.uint32(), fields)
      case REQUEST.opendir:
        return this.#openDirectory(fields.text())
      case REQUEST.close:
        return this.#closeHandle(this.#number(fields))
      case REQUEST.read:
        return this.#read(this.#file(fields), fields.uint64(), fields.uint32())
      case REQUEST.write:
        return done(this.#file(fields).write(fields.uint64(), fields.bytes()))
      case REQUEST.fstat:
        return reply.attributes(await this.#file(fields).attributes())
      case REQUEST.fsetstat:
        return done(this.#file(fields).setAttributes(fields.attributes()))
      case REQUEST.readdir:
        return this.#nextEntries(this.#handles.get(this.#number(fields)))
      case REQUEST.extended:
        return this.#extended(fields.text(), fields)
      default:
        return this.#answerPath(type, fields)
    }
  }

  async #answerPath(type: number, fields: FieldReader): Promise<Reply> {
    const session = this.#session
    const path = fields.text()
    switch (type) {
      case REQUEST.stat:
      case REQUEST.lstat:
        return reply.attributes(await this.#order.look(() => session.attributes(path)))
      case REQUEST.setstat: {
        const set = fields.attributes()
        return done(this.#order.change(() => session.setAttributes(path, set)))
      }
      case REQUEST.mkdir: {
        const set = fields.attributes()
        return done(this.#order.change(() => session.makeDirectory(path, set)))
      }
      case REQUEST.remove:
        return done(this.#order.change(() => session.remove(path, 'file')))
      case REQUEST.rmdir:
        return done(this.#order.change(() => session.remove(path, 'directory')))
      case REQUEST.rename:
        return this.#rename(path, fields.text(), false)
      case REQUEST.realpath: {
        const name = `/${namesOf(path).join('/')}`
        return reply.names([{ name, longName: name, attributes: {} }])
      }
      default:
        // Links among them: there are none in the file store.
        throw new StatusError(STATUS.unsupported, 'this server has no such operation')
    }
  }

  async #extended(name: string, fields: FieldReader): Promise<Reply> {
    switch (name) {
      case 'posix-rename@openssh.com':
        return this.#rename(fields.text(), fields.text(), true)
      case 'statvfs@openssh.com':
      case 'fstatvfs@openssh.com':
        return reply.extended(FILE_SYSTEM)
      default:
        throw new StatusError(STATUS.unsupported, 'this server has no such extension')
    }
  }

  #rename(from: string, to: string, overwrite: boolean): Promise<Reply> {
    return done(this.#order.change(() => this.#session.rename(from, to, overwrite)))
  }

  async #open(path: string, flags: number, fields: FieldReader): Promise<Reply> {
    const set = fields.attributes()
    const open = (): Promise<OpenFile> => this.#session.open(path, flags, set)
    const isWriting = (flags & (OPEN.write | OPEN.create)) !== 0
    const file = await (isWriting ? this.#order.change(open) : this.#order.look(open))
    return this.#keep({ kind: 'file', file })
  }

  async #openDirectory(path: string): Promise<Reply> {
    const entries = await this.#order.look(() => this.#session.list(path))
    if (this.#listedLength() > LISTED_MAX) {
      throw new StatusError(STATUS.failure, 'too much of other directories is still to be told')
    }
    return this.#keep({ kind: 'directory', entries })
  }

  /** Characters of the entries that are still to be told. */
  #listedLength(): number {
    let length = 0
    for (const handle of this.#handles.values()) {
      if (handle.kind !== 'directory') continue
      for (const { name, longName } of handle.entries) length += name.length + longName.length
    }
    return length
  }

  async #keep(handle: Handle): Promise<Reply> {
    if (this.#handles.size >= HANDLES_MAX) {
      if (handle.kind === 'file') {
        handle.file.abandon()
        await this.#session.close(handle.file).catch(() => {})
      }
      throw new StatusError(STATUS.failure, 'too many files are open')
    }
    const number = this.#nextHandle++
    this.#handles.set(number, handle)
    return reply.handle(number)
  }

  async #closeHandle(number: number): Promise<Reply> {
    const handle = this.#handles.get(number)
    if (handle === undefined) throw badHandle()
    this.#handles.delete(number)
    if (handle.kind === 'file') await this.#session.close(handle.file)
    return reply.ok()
  }

  async #read(file: OpenFile, offset: number, length: number): Promise<Reply> {
    const data = await file.read(offset, Math.min(length, READ_MAX))
    if (data.length === 0 && length > 0) throw new StatusError(STATUS.eof, 'end of file reached')
    return reply.data(data)
  }

  #nextEntries(handle: Handle | undefined): Reply {
    if (handle?.kind !== 'directory') throw badHandle()
    if (handle.entries.length === 0) throw new StatusError(STATUS.eof, 'no more entries')
    let size = 0
    const end = handle.entries
      .slice(0, NAMES_MAX)
      .findIndex(({ name }) => (size += Buffer.byteLength(name)) > NAMES_SIZE_MAX)
    // A name that is longer than all that should go at once goes alone.
    return reply.names(handle.entries.splice(0, end < 0 ? NAMES_MAX : Math.max(1, end)))
  }

  #file(fields: FieldReader): OpenFile {
    const handle = this.#handles.get(this.#number(fields))
    if (handle?.kind !== 'file') throw badHandle()
    return handle.file
  }

  #number(fields: FieldReader): number {
    const bytes = fields.bytes()
    if (bytes.length !== 4) throw badHandle()
    return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
  }
}

function badHandle(): StatusError {
  return new StatusError(STATUS.badMessage, 'this handle is not open')
}

async function done(work: Promise<unknown>): Promise<Reply> {
  await work
  return reply.ok()
}

/** What the user is told of a failure. */
function statusOf(error: unknown): Reply {
  if (error instanceof StatusError) return reply.status(error.status, error.message)
  const message = error instanceof Error ? error.message : 'the request failed'
  if (isFilesystemError(error, 'DIRECTORY_NO_SUCH_CHILD')) {
    return reply.status(STATUS.noSuchFile, message)
  }
  if (
    isFilesystemError(error, 'NODE_NOT_WRITEABLE') ||
    isFilesystemError(error, 'DIRECTORY_CHILD_OF_WRONG_TYPE')
  ) {
    return reply.status(STATUS.permissionDenied, message)
  }
  return reply.status(STATUS.failure, message)
}
