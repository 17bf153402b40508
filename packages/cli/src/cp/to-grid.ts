import type { ProgressListener } from '@lafs/filesystem-interface'
import type { GridPlace } from '../aliases.ts'
import { CommandError } from '../failure.ts'
import { quoteOutput } from '../quote.ts'
import { askCap, askText } from '../web-api.ts'
import { localFileContent, readFile, storeFile } from '../web-file.ts'
import type { FileContent } from '../web-file.ts'
import { bestCap, placeTarget } from '../web-path.ts'
import type { NodeFacts } from '../web-path.ts'
import { allEnded } from './concurrently.ts'
import type { CopyProgress } from './copy-progress.ts'
import type { CopyContext, PlannedDirectory } from './plan.ts'
import type { FileSource } from './sources.ts'

/** What is to stand in a directory, as JSON for the web API. */
type NewChild = readonly [
  'filenode' | 'dirnode',
  { readonly rw_uri?: string; readonly ro_uri?: string },
]

/**
 * Copies one file to a place on the grid. An immutable file of the grid is linked there.
 *
 * @param there - what stands there now.
 */
export async function copyToGridFile(
  context: CopyContext,
  source: FileSource,
  place: GridPlace,
  there: NodeFacts | undefined,
  onProgress: ProgressListener,
): Promise<void> {
  const linked = linkable(source)
  if (linked !== undefined && place.path !== '' && there?.mutable !== true) {
    await linkAt(context, place, linked, 'only-files')
    return
  }
  const content = await contentOf(context, source)
  await storeFile(context, place, content, { onProgress })
}

/** Makes an entry for a cap, and the directories on the way to it. */
export async function linkAt(
  { api, signal }: CopyContext,
  place: GridPlace,
  cap: string,
  replace: 'only-files' | 'false',
): Promise<void> {
  const body = new TextEncoder().encode(cap)
  await askText(api, 'PUT', placeTarget(place, { t: 'uri', replace }), { signal, body })
}

/**
 * Copies what is planned into a directory, with one write to it. Mutable files that stand there keep
 * standing and get new content. A local file that cannot be read to its end is told, and the rest goes on.
 *
 * @param existing - undefined for a new directory, which stands in no other yet.
 * @param names - that lead to the directory from where the copy begins.
 * @returns the cap of the directory.
 */
export async function copyToGridDirectory(
  context: CopyContext,
  plan: PlannedDirectory,
  existing: NodeFacts | undefined,
  progress: CopyProgress,
  names: readonly string[] = [],
): Promise<string> {
  const { limit } = context
  const before = existing === undefined ? undefined : await context.listings.of(existing)
  const children = new Map<string, NewChild>()
  const files = [...plan.files].map(([name, source]) =>
    limit(async () => {
      const { update, done } = progress.file()
      try {
        const child = await copyChild(context, source, name, before?.get(name), update)
        if (child !== undefined) children.set(name, child)
      } catch (error) {
        context.signal.throwIfAborted()
        if (!isOfLocalFile(error)) throw error
        await context.failures.tell([...names, name], error)
      }
      done()
    }),
  )
  const filesDone = allEnded(files).then(() => {
    if (files.length > 0) progress.directoryDone()
  })
  const directories = [...plan.directories].map(async ([name, directory]) => {
    const there = before?.get(name)
    await limit(() => assertDirectory(name, there))
    const cap = await copyToGridDirectory(context, directory, there, progress, [...names, name])
    if (there === undefined) children.set(name, ['dirnode', { rw_uri: cap }])
  })
  await allEnded([filesDone, ...directories])
  if (existing === undefined) return limit(() => makeDirectory(context, children))
  if (children.size > 0) await limit(() => setChildren(context, bestCap(existing), children))
  return bestCap(existing)
}

/** Whether an error is about the reading of a local file, not about the grid. */
function isOfLocalFile(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if (error instanceof CommandError) return error.code === 'CLI_SOURCE_CHANGED'
  return 'syscall' in error && ['open', 'read', 'stat'].includes(String(error.syscall))
}

/** @throws {@link CommandError} `CLI_NOT_A_DIRECTORY` where something else stands. */
async function assertDirectory(name: string, there: NodeFacts | undefined): Promise<void> {
  if (there !== undefined && there.type !== 'dirnode') throw inTheWay(name, 'a file', 'directory')
}

/** @returns the child to set; undefined where a mutable file that stands there has the content now. */
async function copyChild(
  context: CopyContext,
  source: FileSource,
  name: string,
  there: NodeFacts | undefined,
  onProgress: ProgressListener,
): Promise<NewChild | undefined> {
  if (there?.type === 'dirnode') throw inTheWay(name, 'a directory', 'file')
  const inPlace = there?.mutable === true ? there : undefined
  const linked = linkable(source)
  if (linked !== undefined && inPlace === undefined) return ['filenode', { ro_uri: linked }]
  const content = await contentOf(context, source)
  const place = inPlace && { root: bestCap(inPlace), path: '' }
  const { cap } = await storeFile(context, place, content, { onProgress })
  return inPlace === undefined ? ['filenode', { ro_uri: cap }] : undefined
}

/** Makes a directory, whose entries have the times that an existing one would note. */
async function makeDirectory(
  { api, signal, terminal }: CopyContext,
  children: ReadonlyMap<string, NewChild>,
): Promise<string> {
  const seconds = terminal.now() / 1000
  const metadata = { tahoe: { linkcrtime: seconds, linkmotime: seconds } }
  const entries = [...children].map(([name, [type, caps]]) => [name, [type, { ...caps, metadata }]])
  const target = '/uri?t=mkdir-with-children'
  return askCap(api, 'POST', target, { signal, body: jsonBody(entries) })
}

async function setChildren(
  { api, signal }: CopyContext,
  directory: string,
  children: ReadonlyMap<string, NewChild>,
): Promise<void> {
  const query = { t: 'set_children', replace: 'only-files' }
  const target = placeTarget({ root: directory, path: '' }, query)
  await askText(api, 'POST', target, { signal, body: jsonBody([...children]) })
}

function jsonBody(entries: readonly (readonly unknown[])[]): Uint8Array {
  // Any name may be a key, even __proto__.
  const children: unknown = Object.fromEntries(entries as [string, unknown][])
  return new TextEncoder().encode(JSON.stringify(children))
}

/** The cap of a file where another link to it is a copy: it cannot change. */
function linkable(source: FileSource): string | undefined {
  return source.kind === 'grid-file' && !source.facts.mutable ? bestCap(source.facts) : undefined
}

async function contentOf(context: CopyContext, source: FileSource): Promise<FileContent> {
  if (source.kind === 'local-file') return localFileContent(source.path, context.signal)
  const place = { root: bestCap(source.facts), path: '' }
  return { size: undefined, pieces: readFile(context, place, () => undefined) }
}

function inTheWay(name: string, what: string, wanted: string): CommandError {
  const code = wanted === 'file' ? 'CLI_IS_A_DIRECTORY' : 'CLI_NOT_A_DIRECTORY'
  return new CommandError(code, `${what} named ${quoteOutput(name)} is in the way of a ${wanted}`)
}
