import type { Client } from '@lafs/client'
import {
  EmptyPathnameComponentError,
  isDirectoryNode,
  isFilesystemError,
} from '@lafs/filesystem-interface'
import type { ChildMetadata, IDirectoryNode, IFilesystemNode } from '@lafs/filesystem-interface'
import { isUriError, parseCapStrict } from '@lafs/uri'
import type { GridPlace } from './aliases.ts'
import { CommandError } from './failure.ts'
import { quoteOutput } from './quote.ts'

/** What looking for something needs. */
export interface LookupContext {
  readonly client: Client
  readonly signal: AbortSignal
}

/** Where an entry stands. */
export interface Entry {
  readonly parent: IDirectoryNode
  readonly name: string
}

/** Something on the grid. */
export interface FoundNode {
  readonly node: IFilesystemNode
  /** Where it was found; undefined for what a cap alone names. */
  readonly entry: Entry | undefined
  readonly metadata: ChildMetadata | undefined
}

/** Where something is, or is to be written. */
export interface WriteTarget {
  /** What stands there now. */
  readonly node: IFilesystemNode | undefined
  /** Undefined for what a cap alone names. */
  readonly entry: Entry | undefined
}

/**
 * What stands at a place. A slash at the end is nothing after a directory.
 *
 * @throws {@link FilesystemError} `DIRECTORY_NO_SUCH_CHILD`, `DIRECTORY_EMPTY_PATHNAME_COMPONENT`;
 *   {@link CommandError} `CLI_NOT_A_DIRECTORY`; {@link UriError} for a malformed cap.
 */
export async function findNode(context: LookupContext, place: GridPlace): Promise<FoundNode> {
  const { signal } = context
  let found: FoundNode = { node: rootNode(context, place), entry: undefined, metadata: undefined }
  for (const name of pathNames(found.node, place)) {
    const parent = asDirectory(found.node, name)
    // The name after a last slash.
    if (name === '') continue
    const { node, metadata } = await parent.childAndMetadataAtPath([name], { signal })
    found = { node, entry: { parent, name }, metadata }
  }
  return found
}

/**
 * Where an entry stands, without a look whether it is there.
 *
 * @returns undefined for a place that is a cap alone.
 */
export async function findEntry(
  context: LookupContext,
  place: GridPlace,
): Promise<Entry | undefined> {
  const { signal } = context
  let node = rootNode(context, place)
  const names = pathNames(node, place).filter((name) => name !== '')
  const last = names.pop()
  if (last === undefined) return undefined
  for (const name of names) node = await asDirectory(node, name).get(name, { signal })
  return { parent: asDirectory(node, last), name: last }
}

/**
 * As {@link findNode}, for somebody who is going to write there: directories on the way are made
 * where they are missing, and so is one before a slash at the end.
 *
 * @throws what {@link findNode} throws, but `DIRECTORY_NO_SUCH_CHILD`.
 */
export async function findWriteTarget(
  context: LookupContext,
  place: GridPlace,
): Promise<WriteTarget> {
  const root = rootNode(context, place)
  const names = pathNames(root, place)
  let target: WriteTarget = { node: root, entry: undefined }
  for (const [index, name] of names.entries()) {
    const parent = asDirectory(target.node, name)
    if (name === '') continue
    const node = await childOf(context, parent, name)
    target = { node, entry: { parent, name } }
    if (node === undefined && index < names.length - 1) {
      target = { ...target, node: await makeDirectory(context, { parent, name }) }
    }
  }
  return target
}

/**
 * Makes a directory, unless something of that name stands there meanwhile.
 *
 * @param version - `SDMF_VERSION` or `MDMF_VERSION`. Default: the client's.
 * @returns what stands there now.
 */
export async function makeDirectory(
  { signal }: LookupContext,
  { parent, name }: Entry,
  version?: number,
): Promise<IFilesystemNode> {
  const options = { overwrite: false, mutableVersion: version, signal }
  try {
    return await parent.createSubdirectory(name, options)
  } catch (error) {
    if (!isFilesystemError(error, 'DIRECTORY_EXISTING_CHILD')) throw error
    return parent.get(name, { signal })
  }
}

async function childOf(
  { signal }: LookupContext,
  parent: IDirectoryNode,
  name: string,
): Promise<IFilesystemNode | undefined> {
  try {
    return await parent.get(name, { signal })
  } catch (error) {
    if (isFilesystemError(error, 'DIRECTORY_NO_SUCH_CHILD')) return undefined
    throw error
  }
}

/**
 * The names of a path, in order. The last is empty where a slash stands at the end, and for the root
 * itself where that is a directory.
 */
function pathNames(root: IFilesystemNode, { path }: GridPlace): string[] {
  if (path === '' && !isDirectoryNode(root)) return []
  const names = path.split('/')
  if (names.slice(0, -1).includes('')) {
    throw new EmptyPathnameComponentError(
      'expected names between the slashes of a path, got a double slash',
    )
  }
  return names
}

function rootNode({ client }: LookupContext, { root }: GridPlace): IFilesystemNode {
  try {
    parseCapStrict(root)
  } catch (error) {
    // What is not known may be known to others; what is malformed is of no use to anybody.
    if (!isUriError(error, 'URI_UNKNOWN_KIND')) throw error
  }
  return client.createNodeFromUri(root)
}

function asDirectory(node: IFilesystemNode | undefined, name: string): IDirectoryNode {
  if (node !== undefined && isDirectoryNode(node)) return node
  throw new CommandError('CLI_NOT_A_DIRECTORY', `Files have no children named ${quoteOutput(name)}`)
}
