import type { IDirectoryNode } from './directory.ts'
import type { IFileNode, IFilesystemNode, IImmutableFileNode, IMutableFileNode } from './node.ts'

/** Whether a node is a file, immutable or mutable. */
export function isFileNode(node: IFilesystemNode): node is IFileNode {
  return node.kind === 'immutable-file' || node.kind === 'mutable-file'
}

/** Whether a node is an immutable file. */
export function isImmutableFileNode(node: IFilesystemNode): node is IImmutableFileNode {
  return node.kind === 'immutable-file'
}

/** Whether a node is a mutable file. */
export function isMutableFileNode(node: IFilesystemNode): node is IMutableFileNode {
  return node.kind === 'mutable-file'
}

/** Whether a node is a directory. */
export function isDirectoryNode(node: IFilesystemNode): node is IDirectoryNode {
  return node.kind === 'directory'
}
