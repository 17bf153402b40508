import { isFilesystemError } from '@lafs/filesystem-interface'
import type {
  DirectoryChild,
  IDirectoryNode,
  IFilesystemNode,
  IURI,
  NewChild,
  Overwrite,
} from '@lafs/filesystem-interface'
import { Dir2Cap, isUriError, parseCap, SskCap, UnknownCap } from '@lafs/uri'
import { fromHex, loadVectors, toHex } from '@lafs/vectors'
import { describe, expect, it } from 'vitest'
import { createUnknownNode, DeepStatsCounter, packChildren } from '../src/index.ts'
import { formatMetadata, parseMetadata, updateMetadata } from '../src/metadata-json.ts'
import { compareNames, normalizeName } from '../src/names.ts'
import { packTable, unpackTable } from '../src/packing.ts'
import { MemoryGrid } from './doubles.ts'

interface ErrorFacts {
  readonly error?: { readonly type: string }
}

interface ChildFacts {
  readonly name: string
  readonly class: string
  readonly writeUri: string | null
  readonly readUri: string | null
  readonly allowedInImmutable: boolean
  readonly metadata: string
}

interface Entry {
  readonly name: string
  readonly write: string | null
  readonly read: string | null
  readonly metadata: string | null
}

interface Reading extends ErrorFacts {
  readonly children?: readonly ChildFacts[]
  readonly repacked?: string
}

interface Tables {
  readonly writekey: string
  readonly readers: Readonly<Record<string, string>>
  readonly cases: readonly {
    name: string
    deepImmutable: boolean
    children: readonly Entry[]
    packed: string
    read: Readonly<Record<string, Reading>>
  }[]
  readonly refused: readonly (ErrorFacts & {
    name: string
    deepImmutable: boolean
    nodesImmutable: boolean
    children: readonly Entry[]
    packed?: string
  })[]
}

const tables = await loadVectors<Tables>('dirnode/tables')
const writekey = fromHex(tables.writekey)

/** The kinds that upstream's classes stand for. */
const kinds: Readonly<Record<string, string>> = {
  ImmutableFileNode: 'immutable-file',
  LiteralFileNode: 'immutable-file',
  MutableFileNode: 'mutable-file',
  DirectoryNode: 'directory',
  UnknownNode: 'unknown',
}

function nodeOf(grid: MemoryGrid, entry: Entry, deepImmutable: boolean): IFilesystemNode {
  return grid.createFromCap(entry.write ?? undefined, entry.read ?? undefined, { deepImmutable })
}

function childrenOf(entries: readonly Entry[], nodesImmutable: boolean): Map<string, NewChild> {
  const grid = new MemoryGrid()
  return new Map(
    entries.map((entry) => [
      entry.name,
      {
        node: nodeOf(grid, entry, nodesImmutable),
        ...(entry.metadata !== null && { metadata: parseMetadata(entry.metadata) }),
      },
    ]),
  )
}

/** What upstream's class of errors is called here. */
function errorMatches(error: unknown, type: string): boolean {
  if (type === 'BadURIError') return isUriError(error)
  if (type === 'UnicodeEncodeError') return isFilesystemError(error, 'DIRECTORY_BAD_CHILD_NAME')
  if (type === 'AssertionError') return error instanceof TypeError
  return error instanceof Error && error.name === type
}

async function caught(action: () => Promise<unknown>): Promise<unknown> {
  try {
    await action()
  } catch (error) {
    return error
  }
  return undefined
}

/** A cap as the vectors write it: text, or bytes where they are no UTF-8. */
function capFact(cap: IURI, text: string | undefined): unknown {
  if (text === undefined) return null
  if (!(cap instanceof UnknownCap) || !text.includes('\ufffd')) return text
  return { bytes: toHex(cap.bytes) }
}

function factsOf(name: string, { node, metadata }: DirectoryChild): object {
  return {
    name,
    kind: node.kind,
    writeUri: capFact(node.cap, node.writeUri),
    readUri: capFact(node.readCap, node.readonlyUri),
    allowedInImmutable: node.allowedInImmutableDirectory,
    ...(node.unknown && { allegedImmutable: !node.mutable }),
    metadata: formatMetadata(metadata),
  }
}

async function listing(directory: IDirectoryNode): Promise<object[]> {
  const children = [...(await directory.list())].toSorted(([a], [b]) => compareNames(a, b))
  return children.map(([name, child]) => factsOf(name, child))
}

function expectedListing(children: readonly ChildFacts[]): object[] {
  return children
    .toSorted((a, b) => compareNames(a.name, b.name))
    .map(({ class: kind, ...facts }) => ({ ...facts, kind: kinds[kind] }))
}

function reader(role: string, packed: Uint8Array): IDirectoryNode {
  return new MemoryGrid().directoryWith(parseCap(tables.readers[role] ?? ''), packed)
}

/** Without the entry of the empty name, which sorts first: this package makes none. */
function withoutEmptyName(packed: string, entries: readonly Entry[]): string {
  if (entries.every(({ name }) => name !== '')) return packed
  const table = unpackTable(fromHex(packed), true)
  table.delete('')
  return toHex(packTable(table))
}

describe('tables that upstream packs', () => {
  it.each(tables.cases.map((vector) => [vector.name, vector] as const))(
    'packs alike: %s',
    async (_name, { children, deepImmutable, packed }) => {
      const named = children.filter(({ name }) => name !== '')
      const key = deepImmutable ? undefined : writekey
      const ours = await packChildren(childrenOf(named, deepImmutable), key, { deepImmutable })
      expect(toHex(ours)).toBe(withoutEmptyName(packed, children))
    },
  )

  it.each(
    tables.cases.flatMap((vector) =>
      Object.entries(vector.read).map(
        ([role, facts]) => [vector.name, role, vector, facts] as const,
      ),
    ),
  )('reads alike: %s, %s', async (_name, role, { packed }, { children }) => {
    expect(await listing(reader(role, fromHex(packed)))).toEqual(expectedListing(children ?? []))
  })

  it.each(
    tables.refused.map((vector) => [`${vector.name}, ${vector.nodesImmutable}`, vector] as const),
  )(
    'refuses alike: %s',
    async (name, { children, deepImmutable, nodesImmutable, error, packed }) => {
      const key = deepImmutable ? undefined : writekey
      const pack = async (): Promise<Uint8Array> =>
        packChildren(
          // JSON has the half of a surrogate pair as an escape.
          new Map(
            [...childrenOf(children, nodesImmutable)].map(([key_, child]) => [
              key_.replace('\\ud800', '\ud800'),
              child,
            ]),
          ),
          key,
          { deepImmutable },
        )
      if (packed !== undefined) return expect(toHex(await pack())).toBe(packed)
      const thrown = await caught(pack)
      // Upstream's node of a verify cap is no node of a file system; here it is an unknown one.
      if (name.startsWith('chk verify cap')) return expect(thrown).toBeUndefined()
      if (name.startsWith('metadata that is no object'))
        return expect(thrown).toBeInstanceOf(SyntaxError)
      expect(errorMatches(thrown, error?.type ?? '')).toBe(true)
    },
  )
})

const { cases: badTables } = await loadVectors<{
  cases: readonly { name: string; packed: string; read: Readonly<Record<string, Reading>> }[]
}>('dirnode/bad-tables')

/** What upstream reads and this package refuses. */
const refusedHere = new Set([
  'length with a plus sign',
  'length with spaces',
  'length with a leading zero',
  'length with an underscore',
  'metadata in UTF-16',
])

describe('tables as nobody should write them', () => {
  it.each(
    badTables.flatMap(({ name, packed, read }) =>
      Object.entries(read).map(([role, facts]) => [name, role, packed, facts] as const),
    ),
  )('%s, for %s', async (name, role, packed, { error, children }) => {
    const directory = reader(role, fromHex(packed))
    if (error !== undefined || refusedHere.has(name)) {
      await expect(directory.list()).rejects.toMatchObject({ code: 'DIRECTORY_MALFORMED' })
      return
    }
    expect(await listing(directory)).toEqual(expectedListing(children ?? []))
  })

  it.each(
    badTables
      .filter(({ name, read }) => read['write']?.error !== undefined || refusedHere.has(name))
      .map(({ name, packed }) => [name, packed] as const),
  )('writes nothing over: %s', async (_name, packed) => {
    const grid = new MemoryGrid()
    const directory = grid.directoryWith(parseCap(tables.readers['write'] ?? ''), fromHex(packed))
    const edits = [
      () => directory.setUri('new', 'URI:LIT:'),
      () => directory.delete('name', { mustExist: false }),
      () => directory.setMetadataFor('name', {}),
      () => directory.moveChildTo('name', directory, { newChildName: 'other' }),
    ]
    for (const edit of edits) {
      await expect(edit()).rejects.toMatchObject({ code: 'DIRECTORY_MALFORMED' })
    }
    expect(grid.writes).toEqual([])
  })
})

describe('caps that are no text', () => {
  const vector = badTables.find(({ name }) => name === 'read cap not UTF-8')
  const packed = fromHex(vector?.packed ?? '')
  const slots = (table: Uint8Array, name: string): readonly (string | undefined)[] => {
    const entry = unpackTable(table, true).get(name)
    return [entry?.readCapSlot, entry?.writeCapSlot].map((slot) => slot && toHex(slot))
  }

  it('are kept byte for byte when what stands beside them changes', async () => {
    const grid = new MemoryGrid()
    const directory = grid.directoryWith(parseCap(tables.readers['write'] ?? ''), packed)
    const before = slots(packed, 'name')
    expect(before[0]).toMatch(/fffe/)
    await directory.setMetadataFor('name', { note: 1 })
    await directory.setMetadataFor('name', { 'no-write': true })
    await directory.moveChildTo('name', directory, { newChildName: 'other' })
    expect(grid.writes.map((table, index) => slots(table, index < 2 ? 'name' : 'other'))).toEqual([
      before,
      before,
      before,
    ])
  })
})

interface NodeVector {
  readonly write: string | null
  readonly read: string | null
  readonly deepImmutable: boolean
  readonly node: ErrorFacts & {
    class: string
    writeUri?: string | null
    readUri?: string | null
    allowedInImmutable?: boolean
    allegedImmutable?: boolean
  }
}

const { unknown } = await loadVectors<{ unknown: readonly NodeVector[] }>('dirnode/nodes')

describe('unknown nodes', () => {
  it.each(
    unknown.map(
      (vector) => [`${vector.write} and ${vector.read}, ${vector.deepImmutable}`, vector] as const,
    ),
  )('%s', async (_name, { write, read, deepImmutable, node: facts }) => {
    const node = createUnknownNode(write ?? undefined, read ?? undefined, {
      deepImmutable,
      name: 'the name',
    })
    expect({
      writeUri: node.writeUri ?? null,
      readUri: node.readonlyUri ?? null,
      allowedInImmutable: node.allowedInImmutableDirectory,
      allegedImmutable: !node.mutable,
    }).toEqual({
      writeUri: facts.writeUri,
      readUri: facts.readUri,
      allowedInImmutable: facts.allowedInImmutable,
      allegedImmutable: facts.allegedImmutable,
    })
    const thrown = await caught(async () => node.raiseError())
    expect(thrown === undefined).toBe(facts.error === undefined)
    if (facts.error !== undefined) {
      expect(errorMatches(thrown, facts.error.type)).toBe(true)
      expect(thrown).toMatchObject({ childName: 'the name' })
    }
  })
})

const { cases: updates } = await loadVectors<{
  cases: readonly {
    name: string
    old: string | null
    new: string | null
    now: number
    result?: string
  }[]
}>('dirnode/metadata')

describe('metadata of edits', () => {
  it.each(updates.map((vector) => [vector.name, vector] as const))('%s', (_name, vector) => {
    const parse = (text: string | null): Record<string, unknown> | undefined =>
      text === null ? undefined : parseMetadata(text)
    const updated = updateMetadata(parse(vector.old), parse(vector.new), vector.now)
    expect(formatMetadata(updated)).toBe(vector.result)
  })
})

interface Edits {
  readonly now: number
  readonly before: string
  readonly cases: readonly (ErrorFacts & {
    edit: 'add' | 'delete' | 'setMetadata'
    name?: string
    entries?: readonly Entry[]
    overwrite?: 'true' | 'false' | 'only-files'
    mustExist?: boolean
    mustBeDirectory?: boolean
    mustBeFile?: boolean
    metadata?: string
    firstTime: boolean
    after?: string | null
  })[]
}

const edits = await loadVectors<Edits>('dirnode/edits')
const overwrites: Readonly<Record<string, Overwrite>> = {
  true: true,
  false: false,
  'only-files': 'only-files',
}

async function runEdit(
  directory: IDirectoryNode,
  vector: Edits['cases'][number],
): Promise<unknown> {
  const { edit, name = '', entries = [], metadata = '{}' } = vector
  if (edit === 'delete') return directory.delete(name, vector)
  if (edit === 'setMetadata') return directory.setMetadataFor(name, parseMetadata(metadata))
  const overwrite = overwrites[vector.overwrite ?? 'true']
  return directory.setNodes(childrenOf(entries, false), { overwrite })
}

describe('edits', () => {
  it.each(
    edits.cases.map(
      (vector, index) =>
        [index, vector.edit, vector.name ?? vector.entries?.[0]?.name, vector] as const,
    ),
  )('%i: %s %s', async (_index, _edit, _name, vector) => {
    const grid = new MemoryGrid()
    grid.nowMs = edits.now * 1000
    const fileCap = new SskCap({ writekey, fingerprint: new Uint8Array(32) })
    const directory = grid.directoryWith(new Dir2Cap(fileCap), fromHex(edits.before))
    if (!vector.firstTime) {
      // The first try finds an entry that the other writer has removed before the second.
      const more = unpackTable(fromHex(edits.before), true)
      const children = new Map([['missing', { node: grid.createFromCap('URI:LIT:') }]])
      for (const [name, entry] of unpackTable(await packChildren(children, writekey), true)) {
        more.set(name, entry)
      }
      grid.put(new Dir2Cap(fileCap), packTable(more))
      grid.interfere = (_file, attempt) =>
        attempt === 0 ? { kind: 'other-writer', contents: fromHex(edits.before) } : undefined
    }
    const thrown = await caught(() => runEdit(directory, vector))
    const emptyName = vector.edit === 'add' && vector.entries?.some(({ name }) => name === '')
    if (emptyName === true) {
      return expect(thrown).toMatchObject({ code: 'DIRECTORY_EMPTY_PATHNAME_COMPONENT' })
    }
    if (vector.error !== undefined) {
      expect(errorMatches(thrown, vector.error.type)).toBe(true)
      expect(grid.writes).toEqual([])
      return
    }
    expect(thrown).toBeUndefined()
    const after = vector.after === null ? edits.before : vector.after
    expect(toHex(grid.writes[0] ?? fromHex(edits.before))).toBe(after)
    expect(grid.writes.length).toBe(after === edits.before ? 0 : 1)
  })
})

interface StatsVector {
  readonly immutableSizes?: readonly number[]
  readonly caps?: readonly string[]
  readonly result: Readonly<Record<string, unknown>>
}

const { cases: stats } = await loadVectors<{ cases: readonly StatsVector[] }>('dirnode/stats')

/** Upstream's names of the sums. */
function upstreamNames(sums: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(sums).map(([name, value]) => [
      name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
      value,
    ]),
  )
}

describe('deep stats', () => {
  it.each(stats.map((vector, index) => [index, vector] as const))('%i', (_index, vector) => {
    const grid = new MemoryGrid()
    const counter = new DeepStatsCounter()
    const add = (cap: string): void =>
      counter.add({ type: 'object', path: [], node: grid.createFromCap(cap) })
    const { 'api-version': _version, ...result } = vector.result
    for (const size of vector.immutableSizes ?? []) {
      add(`URI:CHK:${'a'.repeat(26)}:${'a'.repeat(52)}:3:10:${size}`)
    }
    // Upstream's node of this verify cap counts nowhere; here it is an unknown one.
    const caps = (vector.caps ?? []).filter((cap) => !cap.startsWith('URI:CHK-Verifier:'))
    for (const cap of caps) add(cap)
    expect(upstreamNames(counter.stats())).toEqual(result)
  })
})

const { cases: names } = await loadVectors<{
  cases: readonly { name: string; normalized: string }[]
}>('dirnode/names')

describe('names', () => {
  it.each(names.map(({ name, normalized }) => [name, normalized] as const))(
    '%j',
    (name, normalized) => {
      expect(normalizeName(name)).toBe(normalized)
    },
  )
})

interface KnownTree {
  readonly packed: string
  readonly children: readonly ChildFacts[]
}

describe('a directory of 2009', () => {
  it('is read', async () => {
    const { packed, children } = await loadVectors<KnownTree>('dirnode/known-tree')
    expect(await listing(reader('read', fromHex(packed)))).toEqual(expectedListing(children))
  })
})
