import { readdir, realpath, stat } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { explicitGridPlace } from '../aliases.ts'
import { CommandError } from '../failure.ts'
import { quoteOutput } from '../quote.ts'
import { decodeUtf8 } from '../text.ts'
import type { WalkFailures } from '../walk-failures.ts'
import type { WebContext } from '../web-command.ts'
import { isOfOneObject, isWebApiError } from '../web-error.ts'
import { bestCap, describe, withoutSlash } from '../web-path.ts'
import type { NodeFacts } from '../web-path.ts'
import type { Listings } from './listings.ts'

/** A file to be copied. Its name is undefined where a cap alone names it. */
export type FileSource =
  | { readonly kind: 'local-file'; readonly name: string; readonly path: string }
  | { readonly kind: 'grid-file'; readonly name: string | undefined; readonly facts: NodeFacts }

/** A directory to be copied. Its name is undefined where a cap or an alias alone names it. */
export type DirectorySource =
  | { readonly kind: 'local-directory'; readonly name: string; readonly path: string }
  | {
      readonly kind: 'grid-directory'
      readonly name: string | undefined
      readonly facts: NodeFacts
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
export async function findSource(web: WebContext, word: string): Promise<Source> {
  const typed = explicitGridPlace(web.aliases, word)
  if (typed === undefined) return findLocalSource(web, word)
  const place = withoutSlash(typed)
  const { facts } = await describe(web, place).catch((error: unknown) => {
    throw isWebApiError(error, 404) ? missing(word, error) : error
  })
  const name = place.path === '' ? undefined : place.path.slice(place.path.lastIndexOf('/') + 1)
  if (facts.type === 'dirnode') return { kind: 'grid-directory', name, facts }
  if (facts.type === 'unknown') throw unknown(word)
  if (place.path !== typed.path) throw notDirectory(word)
  return { kind: 'grid-file', name, facts }
}

async function findLocalSource({ terminal }: WebContext, word: string): Promise<Source> {
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
 * nor a folder of the local file system is left out with a warning, as are links that lead nowhere.
 *
 * @param names - that lead to the directory from where the copy begins.
 * @param failures - hears of entries that cannot be copied, and of a directory that cannot be read.
 */
export async function childrenOf(
  { listings, failures }: { readonly listings: Listings; readonly failures: WalkFailures },
  source: DirectorySource,
  names: readonly string[],
): Promise<NamedSource[]> {
  if (source.kind === 'local-directory') return localChildren(source.path, failures)
  const found: NamedSource[] = []
  try {
    const children = [...(await listings.of(source.facts))]
    for (const [, facts] of children) if (facts.type === 'dirnode') listings.prepare(facts)
    for (const [name, facts] of children) {
      if (facts.type === 'dirnode') found.push({ kind: 'grid-directory', name, facts })
      else if (facts.type === 'filenode') found.push({ kind: 'grid-file', name, facts })
      else await failures.tell([...names, name], unknown(name))
    }
  } catch (error) {
    if (!isOfOneObject(error)) throw error
    await failures.tell(names, error)
  }
  return found
}

type NamedSource = Source & { readonly name: string }

async function localChildren(folder: string, failures: WalkFailures): Promise<NamedSource[]> {
  const names: string[] = []
  for (const bytes of await readdir(folder, { encoding: 'buffer' })) {
    const name = decodeUtf8(bytes)
    if (name !== undefined) names.push(name)
    else await failures.tell([join(folder, new TextDecoder().decode(bytes))], undecodable())
  }
  const found: NamedSource[] = []
  for (const name of names.toSorted()) {
    const path = join(folder, name)
    try {
      const entry = await stat(path)
      if (entry.isDirectory()) found.push({ kind: 'local-directory', name, path })
      else if (entry.isFile()) found.push({ kind: 'local-file', name, path })
      else await failures.warn(path, 'it is no file and no folder')
    } catch (error) {
      if (leadsNowhere(error)) await failures.warn(path, 'it is a link that leads nowhere')
      else await failures.tell([path], error)
    }
  }
  return found
}

/** Whether a link was followed to nothing, or in a circle. */
function leadsNowhere(error: unknown): boolean {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined
  return code === 'ENOENT' || code === 'ELOOP'
}

function undecodable(): CommandError {
  return new CommandError('CLI_UNSAFE_NAME', 'not copied: its name is no UTF-8')
}

/** What is the same for two sources exactly when they are the same directory. */
export async function identityOf(source: DirectorySource): Promise<string> {
  if (source.kind === 'local-directory') return realpath(source.path)
  return source.facts.verifyUri ?? bestCap(source.facts)
}

function missing(word: string, cause: unknown): CommandError {
  return new CommandError('CLI_NO_SUCH_FILE', `No such file or directory ${quoteOutput(word)}`, {
    cause,
  })
}

function unknown(name: string): CommandError {
  const text = `cannot copy ${quoteOutput(name)}: the gateway does not know what it is`
  return new CommandError('CLI_UNKNOWN_NODE', text)
}

function notDirectory(word: string): CommandError {
  const text = `source ${quoteOutput(word)} is not a directory, but ends with a slash`
  return new CommandError('CLI_BAD_COPY', text)
}
