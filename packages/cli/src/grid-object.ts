import type { CheckTarget } from '@lafs/checker'
import { isDirectoryNode } from '@lafs/filesystem-interface'
import type { IDirectoryNode, IFilesystemNode } from '@lafs/filesystem-interface'
import { gridPlace } from './aliases.ts'
import { CommandError } from './failure.ts'
import type { GridContext } from './grid-command.ts'
import { findNode } from './grid-path.ts'

/** What a word of the command line names; a path of one slash is the root, whatever it is. */
async function findObject(grid: GridContext, where: string): Promise<IFilesystemNode> {
  const place = gridPlace(grid.aliases, where)
  const path = place.path === '/' ? '' : place.path
  return findNode(grid, { ...place, path })
}

/** The same for a check: a verify cap is no node, but all that a check needs. */
export async function findCheckTarget(grid: GridContext, where: string): Promise<CheckTarget> {
  const node = await findObject(grid, where)
  const { root, path } = gridPlace(grid.aliases, where)
  return node.unknown && path === '' ? root : node
}

/** The directory that a walk begins at. */
export async function rootDirectory(grid: GridContext, where: string): Promise<IDirectoryNode> {
  const node = await findObject(grid, where)
  if (isDirectoryNode(node)) return node
  throw new CommandError('CLI_NOT_A_DIRECTORY', 'expected a directory to begin at, got a file')
}
