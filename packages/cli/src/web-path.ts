import { assertPlace } from './aliases.ts'
import type { GridPlace } from './aliases.ts'
import { CommandError } from './failure.ts'
import { askText, capTarget, isRecord, parseAnswer } from './web-api.ts'
import type { ApiContext } from './web-api.ts'

/** What the web API says of something with `t=json`. */
export interface NodeFacts {
  readonly type: 'filenode' | 'dirnode' | 'unknown'
  readonly mutable: boolean
  /** Bytes of a file, where that is known. */
  readonly size: number | undefined
  readonly writeUri: string | undefined
  readonly readonlyUri: string | undefined
  readonly verifyUri: string | undefined
  /** What is noted beside the entry; empty where it is not told. */
  readonly metadata: Readonly<Record<string, unknown>>
  /** The entries of a directory, where they are told. */
  readonly children: ReadonlyMap<string, NodeFacts> | undefined
}

/** What {@link describe} found out. */
export interface Description {
  readonly facts: NodeFacts
  /** All of it, as it came. */
  readonly json: string
}

/**
 * The target of a request about a place. What is wrong with the place itself is told here, before
 * anything is asked or changed.
 *
 * @throws what {@link assertPlace} throws.
 */
export function placeTarget(
  place: GridPlace,
  query: Readonly<Record<string, string | undefined>> = {},
): string {
  assertPlace(place)
  return capTarget(place, query)
}

/** The place, where a path of one slash is the root itself, whatever it is. @see allmydata.scripts.tahoe_check */
export function rootPlace(place: GridPlace): GridPlace {
  return place.path === '/' ? { ...place, path: '' } : place
}

/** The place without a slash at its end: after a directory that is nothing. */
export function withoutSlash(place: GridPlace): GridPlace {
  return { ...place, path: place.path.replace(/\/$/, '') }
}

/** A place taken apart into the directory that it is in and its name there. */
export interface EntryPlace {
  readonly parent: GridPlace
  readonly name: string
}

/** Where the entry of a place stands; undefined for what a cap alone names. */
export function entryPlace(place: GridPlace): EntryPlace | undefined {
  const { root, path } = withoutSlash(place)
  if (path === '') return undefined
  const slash = path.lastIndexOf('/')
  return { parent: { root, path: path.slice(0, Math.max(0, slash)) }, name: path.slice(slash + 1) }
}

/**
 * What stands at a place.
 *
 * @throws {@link WebApiError} `CLI_NO_SUCH_FILE` and others.
 */
export async function describe(
  { api, signal }: ApiContext,
  place: GridPlace,
): Promise<Description> {
  const json = await askText(api, 'GET', placeTarget(place, { t: 'json' }), { signal })
  return { facts: parseNodeFacts(json), json }
}

/** Reads what the web API says of something with `t=json`. @throws {@link CommandError} `CLI_BAD_ANSWER`. */
export function parseNodeFacts(json: string): NodeFacts {
  return nodeFacts(parseAnswer(json))
}

function nodeFacts(value: unknown): NodeFacts {
  const [type, facts] = Array.isArray(value) ? (value as unknown[]) : []
  if ((type !== 'filenode' && type !== 'dirnode' && type !== 'unknown') || !isRecord(facts)) {
    throw new CommandError(
      'CLI_BAD_ANSWER',
      'expected [type, facts] from the gateway, got something else',
    )
  }
  const text = (name: string): string | undefined => {
    const cap = facts[name]
    return typeof cap === 'string' ? cap : undefined
  }
  const { size, metadata, children } = facts
  return {
    type,
    mutable: facts['mutable'] === true,
    size: typeof size === 'number' ? size : undefined,
    writeUri: text('rw_uri'),
    readonlyUri: text('ro_uri'),
    verifyUri: text('verify_uri'),
    metadata: isRecord(metadata) ? metadata : {},
    children: isRecord(children)
      ? new Map(Object.entries(children).map(([name, child]) => [name, nodeFacts(child)]))
      : undefined,
  }
}

/** The strongest cap that is known of something. @throws {@link CommandError} `CLI_UNKNOWN_NODE`. */
export function bestCap({ writeUri, readonlyUri }: NodeFacts): string {
  const cap = writeUri ?? readonlyUri
  if (cap !== undefined) return cap
  throw new CommandError('CLI_UNKNOWN_NODE', 'the gateway knows no cap of it')
}
