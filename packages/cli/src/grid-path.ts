import type { Client } from '@lafs/client'
import { isDirectoryNode } from '@lafs/filesystem-interface'
import type { IDirectoryNode, IFilesystemNode } from '@lafs/filesystem-interface'
import { assertPlace } from './aliases.ts'
import type { GridPlace } from './aliases.ts'
import { CommandError } from './failure.ts'
import { quoteOutput } from './quote.ts'

/** What looking for something needs. */
export interface LookupContext {
  readonly client: Client
  readonly signal: AbortSignal
}

/**
 * What stands at a place. A slash at the end is nothing after a directory.
 *
 * @throws {@link FilesystemError} `DIRECTORY_NO_SUCH_CHILD`, `DIRECTORY_EMPTY_PATHNAME_COMPONENT`;
 *   {@link CommandError} `CLI_NOT_A_DIRECTORY`; {@link UriError} for a malformed cap.
 */
export async function findNode(context: LookupContext, place: GridPlace): Promise<IFilesystemNode> {
  const { signal } = context
  let node = rootNode(context, place)
  for (const name of pathNames(node, place)) {
    const parent = asDirectory(node, name)
    // The name after a last slash.
    if (name !== '') node = await parent.get(name, { signal })
  }
  return node
}

/**
 * The names of a path, in order. The last is empty where a slash stands at the end, and for the root
 * itself where that is a directory.
 */
function pathNames(root: IFilesystemNode, { path }: GridPlace): string[] {
  return path === '' && !isDirectoryNode(root) ? [] : path.split('/')
}

function rootNode({ client }: LookupContext, place: GridPlace): IFilesystemNode {
  assertPlace(place)
  return client.createNodeFromUri(place.root)
}

function asDirectory(node: IFilesystemNode, name: string): IDirectoryNode {
  if (isDirectoryNode(node)) return node
  throw new CommandError('CLI_NOT_A_DIRECTORY', `Files have no children named ${quoteOutput(name)}`)
}
