import {
  isDirectoryNode,
  isImmutableFileNode,
  isMutableFileNode,
  NotWriteableError,
} from '@lafs/filesystem-interface'
import type {
  IDirectoryNode,
  IFilesystemNode,
  IUploadable,
  NewChild,
  ProgressListener,
} from '@lafs/filesystem-interface'
import { uploadableFromFile } from '@lafs/immutable/node'
import { CommandError } from '../failure.ts'
import type { WriteTarget } from '../grid-path.ts'
import { quoteOutput } from '../quote.ts'
import { readableOf } from '../read-file.ts'
import { storeAt } from '../store-file.ts'
import { mapConcurrently } from './concurrently.ts'
import { FILES_AT_ONCE } from './copy-progress.ts'
import type { CopyProgress } from './copy-progress.ts'
import type { CopyContext, PlannedDirectory } from './plan.ts'
import type { FileSource } from './sources.ts'

/** Copies one file to a place on the grid. An immutable file of the grid is linked there. */
export async function copyToGridFile(
  context: CopyContext,
  source: FileSource,
  target: WriteTarget,
  onProgress: ProgressListener,
): Promise<void> {
  const { client, signal } = context
  const { node, entry } = target
  const linked = linkable(source)
  if (linked !== undefined && entry !== undefined && !(node && isMutableFileNode(node))) {
    await entry.parent.setNode(entry.name, linked, { overwrite: 'only-files', signal })
    return
  }
  const content = await contentOf(context, source)
  try {
    await storeAt(client, target, content, { signal, onProgress })
  } finally {
    await content.close()
  }
}

/**
 * Copies what is planned into a directory, with one write to it. Mutable files that stand there keep
 * standing and get new content.
 *
 * @param existing - undefined for a new directory, which stands in no other yet.
 * @returns the directory.
 */
export async function copyToGridDirectory(
  context: CopyContext,
  plan: PlannedDirectory,
  existing: IDirectoryNode | undefined,
  progress: CopyProgress,
): Promise<IDirectoryNode> {
  const { client, signal } = context
  const before = await existing?.list({ signal })
  const children = new Map<string, NewChild>()
  await mapConcurrently(plan.files, FILES_AT_ONCE, async ([name, source]) => {
    const { update, done } = progress.file()
    const node = await copyChild(context, source, name, before?.get(name)?.node, update)
    if (node !== undefined) children.set(name, { node })
    done()
  })
  if (plan.files.size > 0) progress.directoryDone()
  for (const [name, directory] of plan.directories) {
    const there = before?.get(name)?.node
    if (there !== undefined && !isDirectoryNode(there)) throw inTheWay(name, 'a file', 'directory')
    const node = await copyToGridDirectory(context, directory, there, progress)
    if (there === undefined) children.set(name, { node })
  }
  if (existing === undefined) return client.createDirnode(linkedNow(context, children), { signal })
  if (children.size > 0) {
    if (existing.readonly) throw new NotWriteableError('the target directory is read-only')
    await existing.setNodes(children, { overwrite: 'only-files', signal })
  }
  return existing
}

/** @returns the child to set; undefined where a mutable file that stands there has the content now. */
async function copyChild(
  context: CopyContext,
  source: FileSource,
  name: string,
  there: IFilesystemNode | undefined,
  onProgress: ProgressListener,
): Promise<IFilesystemNode | undefined> {
  const { client, signal } = context
  if (there !== undefined && isDirectoryNode(there)) throw inTheWay(name, 'a directory', 'file')
  const inPlace = there !== undefined && isMutableFileNode(there) ? there : undefined
  const linked = linkable(source)
  if (linked !== undefined && inPlace === undefined) return linked
  const content = await contentOf(context, source)
  try {
    const options = { signal, onProgress }
    if (inPlace === undefined) {
      return client.createNodeFromUri((await client.upload(content, options)).uri)
    }
    await inPlace.overwrite(content, options)
    return undefined
  } finally {
    await content.close()
  }
}

/** The file itself where another link to it is a copy: it cannot change. */
function linkable(source: FileSource): IFilesystemNode | undefined {
  return source.kind === 'grid-file' && isImmutableFileNode(source.node) ? source.node : undefined
}

async function contentOf({ signal }: CopyContext, source: FileSource): Promise<IUploadable> {
  if (source.kind === 'local-file') return uploadableFromFile(source.path)
  const readable = await readableOf(source.node, { signal })
  return {
    size: readable.size,
    read: ({ offset, signal: passSignal = signal } = {}) =>
      readable.read({ offset, signal: passSignal }),
    close: () => Promise.resolve(),
  }
}

/** The entries of a new directory with the times that an existing one would note. */
function linkedNow(
  { terminal }: CopyContext,
  children: ReadonlyMap<string, NewChild>,
): Map<string, NewChild> {
  const seconds = terminal.now() / 1000
  const metadata = { tahoe: { linkcrtime: seconds, linkmotime: seconds } }
  return new Map([...children].map(([name, { node }]) => [name, { node, metadata }]))
}

function inTheWay(name: string, what: string, wanted: string): CommandError {
  const code = wanted === 'file' ? 'CLI_IS_A_DIRECTORY' : 'CLI_NOT_A_DIRECTORY'
  return new CommandError(code, `${what} named ${quoteOutput(name)} is in the way of a ${wanted}`)
}
