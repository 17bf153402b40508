import { isDirectoryNode, isImmutableFileNode, isMutableFileNode } from '@lafs/filesystem-interface'
import type { IFilesystemNode, IReadable, ProgressOptions } from '@lafs/filesystem-interface'
import { CommandError } from './failure.ts'

/**
 * What can be read of a file: itself, or the best version of a mutable one.
 *
 * @throws {@link CommandError} `CLI_IS_A_DIRECTORY`, `CLI_UNKNOWN_NODE`.
 */
export async function readableOf(
  node: IFilesystemNode,
  options: ProgressOptions,
): Promise<IReadable> {
  if (isImmutableFileNode(node)) return node
  if (isMutableFileNode(node)) return node.bestReadableVersion(options)
  if (isDirectoryNode(node)) {
    throw new CommandError('CLI_IS_A_DIRECTORY', 'expected a file, got a directory')
  }
  throw new CommandError(
    'CLI_UNKNOWN_NODE',
    'expected a file, got something that this version of lafs does not know',
  )
}

/** The content of a file in order; throws as {@link readableOf} does. */
export async function* readFileNode(
  node: IFilesystemNode,
  options: ProgressOptions,
): AsyncGenerator<Uint8Array> {
  const { signal } = options
  const readable = await readableOf(node, signal ? { signal } : {})
  yield* readable.read(options)
}
