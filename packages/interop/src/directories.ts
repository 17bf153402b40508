import type { Client, MutableFormat } from '@lafs/client'
import { isDirectoryNode } from '@lafs/filesystem-interface'
import type { DeepStats, IDirectoryNode, NewChild } from '@lafs/filesystem-interface'
import { mutableVersions } from './mutable-files.ts'
import type { UpstreamClient } from './upstream-node.ts'

/** Entries to make, by name. */
export type Children = Record<string, NewEntry>

/** An entry to make. */
export interface NewEntry {
  /** The text of a cap that writes, or of which it is not known whether it does. */
  readonly write?: string | undefined
  /** The text of a cap that reads. */
  readonly read?: string | undefined
  readonly metadata?: Readonly<Record<string, unknown>> | undefined
}

/** What stands in a directory, by name. */
export type Listing = Map<
  string,
  {
    readonly write: string | undefined
    readonly read: string | undefined
    readonly metadata: Readonly<Record<string, unknown>>
  }
>

/** What can be reached from a directory. */
export interface Walk {
  /** The path and the strongest cap of each object, in the order in which they are found. */
  readonly entries: readonly (readonly [path: readonly string[], cap: string | null])[]
  readonly verifyCaps: readonly string[]
  /** In base32. */
  readonly storageIndexes: readonly string[]
  /** Under the names that upstream gives them in JSON. */
  readonly stats: Readonly<Record<string, unknown>>
}

/** What a client of either kind does with directories. */
export interface Directories {
  /** @returns the cap that writes. */
  create(format: MutableFormat, children: Children): Promise<string>
  createImmutable(children: Children): Promise<string>
  list(cap: string): Promise<Listing>
  /** @param replace - whether entries that are there may be replaced. Default: true. */
  set(cap: string, children: Children, replace?: boolean): Promise<void>
  remove(cap: string, name: string): Promise<void>
  walk(cap: string): Promise<Walk>
}

/** Directories through a client of ours. */
export function ownDirectories(client: Client): Directories {
  const newChildren = (children: Children): Map<string, NewChild> =>
    new Map(
      Object.entries(children).map(([name, { write, read, metadata = {} }]) => [
        name,
        { node: client.createNodeFromUri(write, read), metadata },
      ]),
    )
  return {
    create: async (format, children) => {
      const version = mutableVersions[format]
      return (await client.createDirnode(newChildren(children), { version })).uri
    },
    createImmutable: async (children) =>
      (await client.createImmutableDirectory(newChildren(children))).uri,
    list: async (cap) => {
      const children = await directoryNode(client, cap).list()
      return new Map(
        [...children].map(([name, { node, metadata }]) => [
          name,
          { write: node.writeUri, read: node.readonlyUri, metadata },
        ]),
      )
    },
    set: (cap, children, overwrite = true) =>
      directoryNode(client, cap).setChildren(
        new Map(
          Object.entries(children).map(([name, { write, read, metadata }]) => [
            name,
            { writeUri: write, readonlyUri: read, metadata },
          ]),
        ),
        { overwrite },
      ),
    remove: async (cap, name) => {
      await directoryNode(client, cap).delete(name)
    },
    walk: async (cap) => {
      const found = await directoryNode(client, cap).buildManifest().whenDone()
      return {
        entries: found.manifest,
        verifyCaps: [...found.verifyCaps].toSorted(),
        storageIndexes: [...found.storageIndexes].toSorted(),
        stats: upstreamNames(found.stats),
      }
    },
  }
}

/** Directories through upstream's web API. */
export function upstreamDirectories(client: UpstreamClient): Directories {
  const ask = async (path: string, init?: RequestInit): Promise<string> =>
    new TextDecoder().decode(await client.web(path, init))
  const below = (cap: string): string => `uri/${encodeURIComponent(cap)}`
  const body = (children: Children): string =>
    JSON.stringify(
      Object.fromEntries(
        Object.entries(children).map(([name, { write, read, metadata }]) => [
          name,
          ['filenode', { rw_uri: write, ro_uri: read, metadata }],
        ]),
      ),
    )
  return {
    create: async (format, children) => {
      // With children in the same request upstream makes SDMF, whatever is asked for.
      const cap = await ask(`uri?t=mkdir&format=${format}`, { method: 'POST' })
      await ask(`${below(cap)}?t=set_children`, { method: 'POST', body: body(children) })
      return cap
    },
    createImmutable: (children) =>
      ask('uri?t=mkdir-immutable', { method: 'POST', body: body(children) }),
    list: async (cap) => {
      const [, { children }]: JsonDirectory = JSON.parse(await ask(`${below(cap)}?t=json`))
      return new Map(
        Object.entries(children).map(([name, [, entry]]) => [
          name,
          { write: entry.rw_uri, read: entry.ro_uri, metadata: entry.metadata },
        ]),
      )
    },
    set: async (cap, children, replace = true) => {
      const path = `${below(cap)}?t=set_children&replace=${replace}`
      await ask(path, { method: 'POST', body: body(children) })
    },
    remove: async (cap, name) => {
      await ask(`${below(cap)}/${encodeURIComponent(name)}`, { method: 'DELETE' })
    },
    walk: async (cap) => {
      const lines = (await ask(`${below(cap)}?t=stream-manifest`, { method: 'POST' }))
        .trimEnd()
        .split('\n')
        .map((line): JsonManifestLine => JSON.parse(line))
      const entries = lines.filter((line) => line.type !== 'stats')
      const texts = (key: 'verifycap' | 'storage-index'): string[] =>
        [...new Set(entries.map((entry) => entry[key]))].filter((text) => text !== '').toSorted()
      const { 'api-version': _, ...stats } = lines.at(-1)?.stats ?? {}
      return {
        entries: entries.map(({ path, cap: found }) => [path, found]),
        verifyCaps: texts('verifycap'),
        storageIndexes: texts('storage-index'),
        stats,
      }
    },
  }
}

type JsonDirectory = [
  'dirnode',
  {
    children: Record<
      string,
      [string, { rw_uri?: string; ro_uri?: string; metadata: Record<string, unknown> }]
    >
  },
]

interface JsonManifestLine {
  readonly type: string
  readonly path: readonly string[]
  readonly cap: string | null
  readonly verifycap: string
  readonly 'storage-index': string
  readonly stats?: Readonly<Record<string, unknown>>
}

function directoryNode(client: Client, cap: string): IDirectoryNode {
  const node = client.createNodeFromUri(cap)
  if (!isDirectoryNode(node)) throw new Error(`expected a directory, got ${node.kind}`)
  return node
}

/** `count-files` for `countFiles`, and so on. */
function upstreamNames(stats: DeepStats): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(stats).map(([name, value]) => [
      name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
      value,
    ]),
  )
}
