import { sameBytes } from '@lafs/crypto'
import {
  ChildOfWrongTypeError,
  ExistingChildError,
  isDirectoryNode,
  NoSuchChildError,
} from '@lafs/filesystem-interface'
import type {
  DeleteOptions,
  IFilesystemNode,
  MutableModifier,
  NewChild,
  Overwrite,
} from '@lafs/filesystem-interface'
import { asksForNoWrite, updateMetadata } from './metadata-json.ts'
import type { MetadataObject } from './metadata-json.ts'
import { packTable, unpackTable } from './packing.ts'
import type { Table, TableEntry } from './packing.ts'

/** What edits ask of the directory whose table they change. */
export interface EditContext {
  /** The child of an entry; undefined where its caps may not stand there, so that nobody sees it. */
  childOf(name: string, entry: TableEntry): Promise<IFilesystemNode | undefined>
  /** The bytes of an entry, and their parts. */
  pack(name: string, child: IFilesystemNode, metadata: MetadataObject): Promise<TableEntry>
  /** The same child without the authority to write to it. */
  readonlyChild(name: string, child: IFilesystemNode): IFilesystemNode
}

/** The child that an entry shows, and the entry. */
interface Visible {
  readonly child: IFilesystemNode
  readonly entry: TableEntry
}

async function visible(
  context: EditContext,
  table: Table,
  name: string,
): Promise<Visible | undefined> {
  const entry = table.get(name)
  const child = entry && (await context.childOf(name, entry))
  return entry && child && { child, entry }
}

/** Puts an entry into a table. @returns whether that changes it. */
function put(table: Table, name: string, entry: TableEntry): boolean {
  const old = table.get(name)
  if (old !== undefined && sameBytes(old.packed, entry.packed)) return false
  table.set(name, entry)
  return true
}

function noSuchChild(name: string): NoSuchChildError {
  return new NoSuchChildError('there is no child of this name', { childName: name })
}

function assertReplaceable(name: string, child: IFilesystemNode, overwrite: Overwrite): void {
  if (overwrite === true) return
  if (overwrite === false) {
    throw new ExistingChildError('there is a child of this name', { childName: name })
  }
  if (isDirectoryNode(child)) {
    throw new ExistingChildError('there is a directory of this name', { childName: name })
  }
}

/** How entries are added. */
export interface AddEdit {
  readonly overwrite: Overwrite
  /** Taken once for all tries, so that an entry which an earlier try wrote is known again. */
  readonly nowSeconds: number
}

async function packNew(
  context: EditContext,
  name: string,
  { node, metadata }: NewChild,
  old: MetadataObject | undefined,
  nowSeconds: number,
): Promise<TableEntry> {
  node.raiseError()
  const updated = updateMetadata(old, metadata, nowSeconds)
  const child = asksForNoWrite(updated) ? context.readonlyChild(name, node) : node
  return context.pack(name, child, updated)
}

/**
 * A modifier that adds entries, or replaces them.
 *
 * @param children - in the order in which they are added, by normalised names.
 * @see allmydata.dirnode.Adder
 */
export function adder(
  context: EditContext,
  children: readonly (readonly [name: string, child: NewChild])[],
  { overwrite, nowSeconds }: AddEdit,
): MutableModifier {
  const written = new Map<string, Uint8Array>()
  return async (oldContents) => {
    if (children.length === 0) return undefined
    const table = unpackTable(oldContents, true)
    let changed = false
    for (const [name, child] of children) {
      const there = await visible(context, table, name)
      const ours = written.get(name)
      if (there !== undefined) {
        // An earlier try that seemed to lose may have won.
        if (ours !== undefined && sameBytes(there.entry.packed, ours)) continue
        assertReplaceable(name, there.child, overwrite)
      }
      const entry = await packNew(context, name, child, there?.entry.metadata, nowSeconds)
      changed = put(table, name, entry) || changed
    }
    for (const [name] of children) written.set(name, table.get(name)?.packed ?? new Uint8Array())
    return changed ? packTable(table) : undefined
  }
}

/** A modifier, and what it has taken out of the table. */
export interface Deleter {
  readonly modify: MutableModifier
  /** The child whose entry was removed; undefined where there was none. */
  removed(): IFilesystemNode | undefined
}

/**
 * A modifier that removes an entry.
 *
 * @param name - normalised.
 * @see allmydata.dirnode.Deleter
 */
export function deleter(
  context: EditContext,
  name: string,
  { mustExist = true, mustBeDirectory = false, mustBeFile = false }: DeleteOptions,
): Deleter {
  let removed: IFilesystemNode | undefined
  const modify: MutableModifier = async (oldContents, _servermap, firstTime) => {
    const table = unpackTable(oldContents, true)
    const there = await visible(context, table, name)
    if (there === undefined) {
      // After an earlier try, it may be this one that has removed it.
      if (firstTime && mustExist) throw noSuchChild(name)
      return undefined
    }
    const { kind } = there.child
    const isFile = kind === 'immutable-file' || kind === 'mutable-file'
    if (mustBeDirectory && isFile) {
      throw new ChildOfWrongTypeError('expected a directory, got a file', { childName: name })
    }
    if (mustBeFile && kind === 'directory') {
      throw new ChildOfWrongTypeError('expected a file, got a directory', { childName: name })
    }
    removed = there.child
    table.delete(name)
    return packTable(table)
  }
  return { modify, removed: () => removed }
}

/**
 * A modifier that removes the entry of a child that stands elsewhere by now. What another writer has
 * put under the name meanwhile stays.
 *
 * @param name - normalised.
 */
export function movedAway(
  context: EditContext,
  name: string,
  child: IFilesystemNode,
): MutableModifier {
  return async (oldContents) => {
    const table = unpackTable(oldContents, true)
    const there = await visible(context, table, name)
    if (there === undefined || there.child.uri !== child.uri) return undefined
    table.delete(name)
    return packTable(table)
  }
}

/**
 * A modifier that replaces what is noted beside a child.
 *
 * @param name - normalised.
 * @see allmydata.dirnode.MetadataSetter
 */
export function metadataSetter(
  context: EditContext,
  name: string,
  metadata: Readonly<MetadataObject>,
  nowSeconds: number,
): MutableModifier {
  return async (oldContents) => {
    const table = unpackTable(oldContents, true)
    const there = await visible(context, table, name)
    if (there === undefined) throw noSuchChild(name)
    const { child, entry } = there
    const update = { node: child, metadata }
    const changed = await packNew(context, name, update, entry.metadata, nowSeconds)
    return put(table, name, changed) ? packTable(table) : undefined
  }
}

/**
 * A modifier that gives an entry another name, in one write: what {@link adder} and {@link deleter}
 * would do one after the other.
 *
 * @param from - normalised, as `to`; the two differ.
 */
export function renamer(
  context: EditContext,
  from: string,
  to: string,
  { overwrite, nowSeconds }: AddEdit,
): MutableModifier {
  let written: Uint8Array | undefined
  return async (oldContents) => {
    const table = unpackTable(oldContents, true)
    const moving = await visible(context, table, from)
    const there = await visible(context, table, to)
    if (moving === undefined) {
      // An earlier try that seemed to lose may have won.
      if (written && there && sameBytes(there.entry.packed, written)) return undefined
      throw noSuchChild(from)
    }
    if (there !== undefined) assertReplaceable(to, there.child, overwrite)
    const child = { node: moving.child, metadata: moving.entry.metadata }
    const entry = await packNew(context, to, child, there?.entry.metadata, nowSeconds)
    table.set(to, entry)
    table.delete(from)
    written = entry.packed
    return packTable(table)
  }
}
