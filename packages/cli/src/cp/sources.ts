import { readdir, realpath, stat } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { isDirectoryNode, isFilesystemError } from '@lafs/filesystem-interface'
import type { IDirectoryNode, IFilesystemNode } from '@lafs/filesystem-interface'
import { explicitGridPlace } from '../aliases.ts'
import { CommandError } from '../failure.ts'
import type { GridContext } from '../grid-command.ts'
import { findNode } from '../grid-path.ts'
import { quoteOutput } from '../quote.ts'

/** A file to be copied. Its name is undefined where a cap alone names it. */
export type FileSource =
  | { readonly kind: 'local-file'; readonly name: string; readonly path: string }
  | {
      readonly kind: 'grid-file'
      readonly name: string | undefined
      readonly node: IFilesystemNode
    }

/** A directory to be copied. Its name is undefined where a cap or an alias alone names it. */
export type DirectorySource =
  | { readonly kind: 'local-directory'; readonly name: string; readonly path: string }
  | {
      readonly kind: 'grid-directory'
      readonly name: string | undefined
      readonly node: IDirectoryNode
    }

/** Anything to be copied. */
export type Source = FileSource | DirectorySource

/** Whether a source is a directory. */
export function isDirectorySource(source: Source): source is DirectorySource {
  return source.kind === 'local-directory' || source.kind === 'grid-directory'
}

/**
 * What a word of the command line names: with an alias or a cap something on the grid, else a local
 * file or folder.
 *
 * @throws {@link CommandError} `CLI_NO_SUCH_FILE`, `CLI_BAD_COPY`.
 */
export async function findSource(grid: GridContext, word: string): Promise<Source> {
  const place = explicitGridPlace(grid.aliases, word)
  if (place === undefined) return findLocalSource(grid, word)
  const path = place.path.replace(/\/$/, '')
  const node = await nodeAt(grid, { ...place, path }, word)
  const name = path === '' ? undefined : path.slice(path.lastIndexOf('/') + 1)
  if (isDirectoryNode(node)) return { kind: 'grid-directory', name, node }
  if (path !== place.path) throw notDirectory(word)
  return { kind: 'grid-file', name, node }
}

async function nodeAt(
  grid: GridContext,
  place: Parameters<typeof findNode>[1],
  word: string,
): Promise<IFilesystemNode> {
  try {
    return (await findNode(grid, place)).node
  } catch (error) {
    if (isFilesystemError(error, 'DIRECTORY_NO_SUCH_CHILD')) throw missing(word, error)
    throw error
  }
}

async function findLocalSource({ terminal }: GridContext, word: string): Promise<Source> {
  const path = resolve(terminal.cwd, word)
  const found = await stat(path.replace(/\/$/, '')).catch((error: unknown) => {
    throw missing(word, error)
  })
  const name = basename(path)
  if (found.isDirectory()) return { kind: 'local-directory', name, path }
  if (word.endsWith('/')) throw notDirectory(word)
  if (found.isFile()) return { kind: 'local-file', name, path }
  throw new CommandError(
    'CLI_BAD_COPY',
    `source ${quoteOutput(path)} is neither a file nor a directory, I can't handle it`,
  )
}

/**
 * What stands in a directory, in the order of the names; every entry has one. What is neither a file
 * nor a folder of the local file system is left out.
 *
 * @throws {@link CommandError} `CLI_UNKNOWN_NODE`.
 */
export async function childrenOf(
  grid: GridContext,
  source: DirectorySource,
): Promise<(Source & { readonly name: string })[]> {
  if (source.kind === 'grid-directory') {
    const children = await source.node.list({ signal: grid.signal })
    return [...children].map(([name, { node }]) => {
      if (isDirectoryNode(node)) return { kind: 'grid-directory', name, node }
      if (!node.unknown) return { kind: 'grid-file', name, node }
      throw new CommandError(
        'CLI_UNKNOWN_NODE',
        `cannot copy ${quoteOutput(name)}: this version of lafs does not know what it is`,
      )
    })
  }
  const found: (Source & { readonly name: string })[] = []
  for (const name of (await readdir(source.path)).toSorted()) {
    const path = join(source.path, name)
    const entry = await stat(path).catch(() => undefined)
    if (entry?.isDirectory() === true) found.push({ kind: 'local-directory', name, path })
    else if (entry?.isFile() === true) found.push({ kind: 'local-file', name, path })
  }
  return found
}

/** What is the same for two sources exactly when they are the same directory. */
export async function identityOf(source: DirectorySource): Promise<string> {
  if (source.kind === 'local-directory') return realpath(source.path)
  return source.node.verifyCap?.format() ?? source.node.uri
}

function missing(word: string, cause: unknown): CommandError {
  return new CommandError('CLI_NO_SUCH_FILE', `No such file or directory ${quoteOutput(word)}`, {
    cause,
  })
}

function notDirectory(word: string): CommandError {
  const text = `source ${quoteOutput(word)} is not a directory, but ends with a slash`
  return new CommandError('CLI_BAD_COPY', text)
}
