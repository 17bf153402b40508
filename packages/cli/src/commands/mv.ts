import { parseCap } from '@lafs/uri'
import { assertPlace, gridPlace } from '../aliases.ts'
import type { GridPlace } from '../aliases.ts'
import type { CommandContext } from '../command-context.ts'
import { CommandError, FailureWithStatus } from '../failure.ts'
import { askCap, askText } from '../web-api.ts'
import { writeOutcome } from '../outcome.ts'
import { withWebApi } from '../web-command.ts'
import type { PrintOptions, WebContext } from '../web-command.ts'
import { bestCap, describe, entryPlace, placeTarget } from '../web-path.ts'
import type { EntryPlace, NodeFacts } from '../web-path.ts'

const EXIT_NOT_REMOVED = 2

/**
 * Moves an entry to another place on the grid, with what is noted beside it.
 *
 * @throws {@link FailureWithStatus} with upstream's exit status 2 where the entry stands in both
 *   places now.
 * @see allmydata.scripts.tahoe_mv
 */
export async function mvCommand(
  context: CommandContext,
  from: string,
  to: string,
  options: PrintOptions,
): Promise<void> {
  await withWebApi(context, options, async (web) => {
    const source = gridPlace(web.aliases, from)
    const target = targetEntry(web, source, to)
    const { facts } = await describe(web, source)
    await move(web, entryPlace(source), facts, target)
  })
  await writeOutcome(context, options, 'OK', { moved: true })
}

/** Makes another entry for what an entry leads to. @see allmydata.scripts.tahoe_mv */
export async function lnCommand(
  context: CommandContext,
  from: string,
  to: string,
  options: PrintOptions,
): Promise<void> {
  await withWebApi(context, options, async (web) => {
    const source = gridPlace(web.aliases, from)
    const target = targetEntry(web, source, to)
    const { facts } = await describe(web, source)
    await link(web, facts, target)
  })
  await writeOutcome(context, options, 'OK', { linked: true })
}

async function link(
  web: WebContext,
  facts: NodeFacts,
  { parent, name }: EntryPlace,
): Promise<void> {
  const { api, signal } = web
  const path = parent.path === '' ? name : `${parent.path}/${name}`
  const target = placeTarget({ ...parent, path }, { t: 'uri', replace: 'only-files' })
  const body = new TextEncoder().encode(bestCap(facts))
  await askText(api, 'PUT', target, { signal, body })
}

/** @param source - undefined for a cap alone. */
async function move(
  web: WebContext,
  source: EntryPlace | undefined,
  facts: NodeFacts,
  target: EntryPlace,
): Promise<void> {
  const { api, signal } = web
  if (source === undefined) {
    await link(web, facts, target)
    throw notRemoved('a cap alone stands in no directory that it could be removed from')
  }
  if (facts.type === 'dirnode' && leadsThrough(target.parent, source)) throw intoItself()
  // Paths may meet in one directory, from which the only entry must not be removed.
  const from = await existingDirectory(web, source.parent)
  const to = await directoryForWriting(web, target.parent)
  if (facts.type === 'dirnode' && isOneDirectory(to, bestCap(facts))) throw intoItself()
  const isSameDirectory = parseCap(from).format() === parseCap(to).format()
  // In a directory names have one form of Unicode, and so are one when they differ in that alone.
  if (isSameDirectory && source.name.normalize('NFC') === target.name.normalize('NFC')) return
  if (isSameDirectory && isPlain(source.name) && isPlain(target.name)) {
    const names = { from_name: source.name, to_name: target.name, replace: 'only-files' }
    const place = { root: from, path: '' }
    await askText(api, 'POST', placeTarget(place, { t: 'relink', ...names }), { signal })
    return
  }
  await linkWithMetadata(web, to, target.name, facts)
  try {
    await askText(api, 'DELETE', placeTarget({ root: from, path: source.name }), { signal })
  } catch (error) {
    signal.throwIfAborted()
    throw notRemoved(error instanceof Error ? error.message : String(error), error)
  }
}

function notRemoved(why: string, cause?: unknown): FailureWithStatus {
  const message = `it stands at the new place, and at the old one still: ${why}`
  const error = new CommandError('CLI_NOT_REMOVED', message, { cause })
  return new FailureWithStatus(EXIT_NOT_REMOVED, error)
}

/** Nothing would lead to such a directory any more. */
function intoItself(): CommandError {
  return new CommandError('CLI_INTO_ITSELF', 'a directory cannot be moved into itself')
}

/** Whether the names of a place lead through an entry. */
function leadsThrough(place: GridPlace, { parent, name }: EntryPlace): boolean {
  const entry = parent.path === '' ? name : `${parent.path}/${name}`
  const inside = `${place.path}/`.normalize('NFC').startsWith(`${entry}/`.normalize('NFC'))
  return inside && isOneDirectory(place.root, parent.root)
}

/** Whether two caps, however strong, are of one directory. */
function isOneDirectory(one: string, other: string): boolean {
  const [first, second] = [one, other].map((text) => parseCap(text).verifyCap()?.format())
  return first !== undefined && first === second
}

async function linkWithMetadata(
  { api, signal }: WebContext,
  directory: string,
  name: string,
  { type, readonlyUri, writeUri, metadata }: NodeFacts,
): Promise<void> {
  const child = [type, { rw_uri: writeUri, ro_uri: readonlyUri, metadata }]
  // Any name may be a key, even __proto__.
  const children: unknown = Object.fromEntries([[name, child]])
  const query = { t: 'set_children', replace: 'only-files' }
  const body = new TextEncoder().encode(JSON.stringify(children))
  await askText(api, 'POST', placeTarget({ root: directory, path: '' }, query), { signal, body })
}

/** The cap of a directory that is there. */
async function existingDirectory(web: WebContext, place: GridPlace): Promise<string> {
  if (place.path === '') return place.root
  const { api, signal } = web
  return askCap(api, 'GET', placeTarget(place, { t: 'uri' }), { signal })
}

/** The cap of a directory, which is made where it is missing. */
async function directoryForWriting(web: WebContext, place: GridPlace): Promise<string> {
  if (place.path === '') return place.root
  const { api, signal } = web
  return askCap(api, 'POST', placeTarget(place, { t: 'mkdir' }), { signal })
}

/** Whether upstream's gateway takes a name as it is: it cuts off what is white at the ends of some. */
function isPlain(name: string): boolean {
  return name === name.trim()
}

/**
 * The entry to make. Below a place that ends with a slash it has the name of the source.
 *
 * @throws {@link CommandError} `CLI_NO_NAME`.
 */
function targetEntry({ aliases }: WebContext, source: GridPlace, to: string): EntryPlace {
  const place = gridPlace(aliases, to)
  const name = source.path.split('/').at(-1) ?? ''
  const path = place.path.endsWith('/') ? place.path + name : place.path
  assertPlace({ ...place, path })
  const entry = entryPlace({ ...place, path })
  if (entry !== undefined) return entry
  throw new CommandError('CLI_NO_NAME', 'The new place needs a name at its end.')
}
