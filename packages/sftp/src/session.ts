import type { Client } from '@lafs/client'
import {
  isDirectoryNode,
  isFileNode,
  isFilesystemError,
  isMutableFileNode,
} from '@lafs/filesystem-interface'
import type { ChildMetadata, IDirectoryNode, IFilesystemNode } from '@lafs/filesystem-interface'
import { attributesOf, isWriteProtected, longName, withAttributes } from './attributes.ts'
import type { Shown } from './attributes.ts'
import type { FilesInWork } from './files-in-work.ts'
import { FileToRead, FileToWrite } from './open-file.ts'
import type { OpenedFile, OpenFile, Place } from './open-file.ts'
import { OPEN, STATUS, StatusError } from './protocol.ts'
import type { Attributes, NameEntry } from './protocol.ts'
import type { Transfers } from './transfers.ts'

/** What the sessions of a frontend share. */
export interface SessionContext {
  readonly client: Client
  readonly filesInWork: FilesInWork
  readonly temporaryFolder: string | undefined
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/** Where a path leads: something that is there, or an entry that may be. */
type Target =
  | { readonly place: Place; readonly node?: undefined }
  | { readonly place?: undefined; readonly node: IFilesystemNode }

/** An empty file, as the cap that holds it. */
const EMPTY_FILE = 'URI:LIT:'

const noSuchFile = (message: string): StatusError => new StatusError(STATUS.noSuchFile, message)
const denied = (message: string): StatusError => new StatusError(STATUS.permissionDenied, message)
const failure = (message: string): StatusError => new StatusError(STATUS.failure, message)

/**
 * The names of a path, from the user's root on: `.` and empty names are nothing, `..` leads up, but
 * never above the root. A path that begins with `/uri/CAP` counts from that cap.
 */
export function namesOf(path: string): string[] {
  const names: string[] = []
  for (const name of path.split('/')) {
    if (name === '..') names.pop()
    else if (name !== '.' && name !== '') names.push(name)
  }
  return names
}

/** What the user of one connection may do, path by path. @see allmydata.frontends.sftpd.SFTPUserHandler */
export class Session {
  readonly #context: SessionContext
  readonly #transfers: Transfers
  readonly #root: IFilesystemNode

  /**
   * @param transfers - those of the connection.
   * @param rootCap - the text of the cap of the user's directory.
   */
  constructor(context: SessionContext, transfers: Transfers, rootCap: string) {
    this.#context = context
    this.#transfers = transfers
    this.#root = context.client.createNodeFromUri(rootCap)
  }

  /** @param flags - of {@link OPEN}. @returns what {@link close} is to be called with in the end. */
  async open(path: string, flags: number, set: Attributes): Promise<OpenFile> {
    if ((flags & (OPEN.read | OPEN.write)) === 0) {
      throw new StatusError(STATUS.badMessage, 'a file is opened to be read, written, or both')
    }
    if ((flags & OPEN.exclusive) !== 0 && (flags & OPEN.create) === 0) {
      throw new StatusError(STATUS.badMessage, 'only a file that is created can be exclusive')
    }
    const target = await this.#target(path)
    return target.place === undefined
      ? this.#openNode(target.node, flags)
      : this.#openEntry(target.place, flags, set)
  }

  /** Stores what was written to a file, unless it was abandoned; rejects where that fails. */
  async close(file: OpenFile): Promise<void> {
    try {
      await file.close()
    } finally {
      if (file instanceof FileToWrite) this.#context.filesInWork.remove(file)
    }
  }

  /** The entries of a directory, but for those whose names no path leads to. */
  async list(path: string): Promise<NameEntry[]> {
    const node = await this.#node(path)
    if (!isDirectoryNode(node)) throw denied('this is no directory that could be listed')
    const nowSeconds = this.#context.now() / 1000
    const entries = [...(await node.list())].filter(([name]) => canStandInPath(name))
    return entries.map(([name, child]) => {
      const attributes = attributesOf({ ...child, parentReadonly: node.readonly })
      return { name, attributes, longName: longName(name, attributes, nowSeconds) }
    })
  }

  async attributes(path: string): Promise<Attributes> {
    const { place, node } = await this.#target(path)
    if (place === undefined) {
      return sizedAttributes({ node, metadata: {}, parentReadonly: true })
    }
    await this.#context.filesInWork.settle(place)
    const inWork = this.#context.filesInWork.at(place).at(-1)
    if (inWork !== undefined) return inWork.attributes()
    const child = await place.directory.childAndMetadataAtPath([place.name])
    return sizedAttributes({ ...child, parentReadonly: place.directory.readonly })
  }

  async setAttributes(path: string, set: Attributes): Promise<void> {
    if (set.size !== undefined) {
      const file = await this.open(path, OPEN.read | OPEN.write, {})
      try {
        await file.setAttributes(set)
      } finally {
        await this.close(file)
      }
      return
    }
    const { place } = await this.#target(path)
    if (place === undefined) throw noSuchFile('only an entry of a directory has attributes to set')
    await this.#context.filesInWork.settle(place)
    const inWork = this.#context.filesInWork.at(place)
    for (const file of inWork) await file.setAttributes(set)
    try {
      const metadata = await place.directory.metadataFor(place.name)
      await place.directory.setMetadataFor(place.name, withAttributes(metadata, set))
    } catch (error) {
      if (inWork.length === 0 || !isFilesystemError(error, 'DIRECTORY_NO_SUCH_CHILD')) throw error
    }
  }

  /** Makes a directory, and those that lead to it. */
  async makeDirectory(path: string, set: Attributes): Promise<void> {
    if (withAttributes({}, set)['no-write'] === true) {
      throw denied('a directory cannot be made read-only')
    }
    const [root, names] = this.#start(path)
    let node = root
    for (const name of names) {
      if (!isDirectoryNode(node)) throw failure('there is a file in the way')
      const directory: IDirectoryNode = node
      try {
        node = await directory.get(name)
      } catch (error) {
        if (!isFilesystemError(error, 'DIRECTORY_NO_SUCH_CHILD')) throw error
        node = await makeMissingDirectory(directory, name)
      }
    }
    if (!isDirectoryNode(node)) throw failure('there is a file in the way')
  }

  async remove(path: string, kind: 'file' | 'directory'): Promise<void> {
    const place = await this.#place(path)
    const inWork = kind === 'file' ? this.#context.filesInWork.at(place) : []
    for (const file of inWork) file.abandon()
    await this.#context.filesInWork.settle(place)
    try {
      await place.directory.delete(place.name, {
        mustExist: inWork.length === 0,
        mustBeFile: kind === 'file',
        mustBeDirectory: kind === 'directory',
      })
    } catch (error) {
      for (const file of inWork) file.keep()
      throw error
    }
    for (const file of inWork) this.#context.filesInWork.remove(file)
  }

  /** @param overwrite - whether what stands at the new path may be replaced. */
  async rename(from: string, to: string, overwrite: boolean): Promise<void> {
    const [source, target] = await Promise.all([this.#place(from), this.#place(to)])
    if (isBelow(from, to)) throw failure('a directory cannot be moved into itself')
    const { filesInWork } = this.#context
    await Promise.all([filesInWork.settle(source), filesInWork.settle(target)])
    const existing = denied('there is something at the new path')
    if (!overwrite) {
      const isTaken = filesInWork.at(target).length > 0
      if (isTaken || (await target.directory.hasChild(target.name))) throw existing
    }
    const moved = filesInWork.at(source)
    // What was to be written there is replaced, as the entry is; unless both paths lead to one entry.
    const replaced = filesInWork.at(target).filter((file) => !moved.includes(file))
    for (const file of moved) file.moveTo(target)
    try {
      const options = { newChildName: target.name, overwrite }
      await source.directory.moveChildTo(source.name, target.directory, options)
    } catch (error) {
      const isInWorkAlone = moved.length > 0 && isFilesystemError(error, 'DIRECTORY_NO_SUCH_CHILD')
      if (!isInWorkAlone) {
        for (const file of moved) file.moveTo(source)
        throw isFilesystemError(error, 'DIRECTORY_EXISTING_CHILD') && !overwrite ? existing : error
      }
    }
    if (moved.length > 0) for (const file of replaced) file.abandon()
  }

  async #openNode(node: IFilesystemNode, flags: number): Promise<OpenFile> {
    if (!isFileNode(node)) throw denied('this is no file that could be opened')
    const isWriting = (flags & OPEN.write) !== 0
    if (isWriting && (!isMutableFileNode(node) || node.readonly)) {
      throw denied('a file that is named by a cap without write authority cannot be written')
    }
    if ((flags & OPEN.exclusive) !== 0) throw failure('the file exists')
    const opened = { ...this.#opening(flags), node, place: undefined, metadata: {} }
    return isWriting ? this.#inWork(opened) : new FileToRead(opened)
  }

  async #openEntry(place: Place, flags: number, set: Attributes): Promise<OpenFile> {
    const { directory, name } = place
    const opening = { ...this.#opening(flags), place }
    const wanted = { ...set, permissions: undefined }
    await this.#context.filesInWork.settle(place)
    if ((flags & OPEN.exclusive) !== 0) {
      if (directory.readonly) throw failure('the directory is read-only')
      const metadata = withAttributes({}, wanted)
      await directory.setUri(name, undefined, EMPTY_FILE, { metadata, overwrite: false })
    }
    const child = await entryOf(place)
    if (child === undefined) {
      if ((flags & OPEN.create) === 0) throw noSuchFile('the file does not exist')
      if (directory.readonly) throw denied('the directory is read-only')
      const metadata = withAttributes({}, wanted)
      return this.#inWork({ ...opening, node: undefined, metadata })
    }
    const { node } = child
    if (!isFileNode(node)) throw denied('this is no file that could be opened')
    if ((flags & OPEN.write) === 0) return new FileToRead({ ...opening, ...child, node })
    if (isWriteProtected({ ...child, parentReadonly: directory.readonly })) {
      throw denied('the file cannot be written')
    }
    const metadata = withAttributes(child.metadata, wanted)
    return this.#inWork({ ...opening, node, metadata })
  }

  #opening(flags: number): Pick<OpenedFile, 'flags' | 'temporaryFolder' | 'transfers'> {
    const { temporaryFolder } = this.#context
    return { flags, temporaryFolder, transfers: this.#transfers }
  }

  #inWork(opened: OpenedFile): FileToWrite {
    const file = new FileToWrite(opened)
    this.#context.filesInWork.add(file)
    return file
  }

  /** Where a path begins, and the names that lead on. */
  #start(path: string): [root: IFilesystemNode, names: string[]] {
    const names = namesOf(path)
    const [first, cap] = names
    if (first !== 'uri' || cap === undefined) return [this.#root, names]
    return [this.#context.client.createNodeFromUri(cap), names.slice(2)]
  }

  async #target(path: string): Promise<Target> {
    const [root, names] = this.#start(path)
    const name = names.pop()
    if (name === undefined) return { node: root }
    const directory = await nodeBelow(root, names)
    if (!isDirectoryNode(directory)) throw noSuchFile('the path leads through no directory')
    return { place: { directory, name } }
  }

  async #place(path: string): Promise<Place> {
    const { place } = await this.#target(path)
    if (place === undefined) throw noSuchFile('this is no entry of a directory')
    return place
  }

  async #node(path: string): Promise<IFilesystemNode> {
    return nodeBelow(...this.#start(path))
  }
}

/**
 * Whether a path leads to such an entry. Programs would take another name for something that stands
 * elsewhere, and several give up the whole listing for it: kernels over sshfs for a slash, `sftp` for NUL.
 */
function canStandInPath(name: string): boolean {
  return !['', '.', '..'].includes(name) && !/[/\0]/.test(name)
}

/** Whether a path leads through what stands at another: nothing would lead there once that is moved. */
function isBelow(above: string, path: string): boolean {
  const [first, second] = [above, path].map((one) =>
    namesOf(one).map((name) => name.normalize('NFC')),
  )
  if (first === undefined || second === undefined) return false
  return first.length < second.length && first.every((name, index) => name === second[index])
}

async function nodeBelow(
  root: IFilesystemNode,
  names: readonly string[],
): Promise<IFilesystemNode> {
  if (names.length === 0) return root
  if (!isDirectoryNode(root)) throw noSuchFile('the path leads through no directory')
  return root.childAtPath(names)
}

async function entryOf({
  directory,
  name,
}: Place): Promise<{ node: IFilesystemNode; metadata: ChildMetadata } | undefined> {
  try {
    return await directory.childAndMetadataAtPath([name])
  } catch (error) {
    if (isFilesystemError(error, 'DIRECTORY_NO_SUCH_CHILD')) return undefined
    throw error
  }
}

async function sizedAttributes(shown: Shown & { node: IFilesystemNode }): Promise<Attributes> {
  return attributesOf(shown, isFileNode(shown.node) ? await shown.node.currentSize() : undefined)
}

/** Where somebody else has made the directory meanwhile, it is that one. */
async function makeMissingDirectory(
  directory: IDirectoryNode,
  name: string,
): Promise<IFilesystemNode> {
  try {
    return await directory.createSubdirectory(name, { overwrite: false })
  } catch (error) {
    if (!isFilesystemError(error, 'DIRECTORY_EXISTING_CHILD')) throw error
    return directory.get(name)
  }
}
