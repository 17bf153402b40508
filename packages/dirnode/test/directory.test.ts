import type { IDirectoryNode } from '@lafs/filesystem-interface'
import { Dir2Cap, Dir2LitCap, LitCap, parseCap, SskCap } from '@lafs/uri'
import { loadVectors } from '@lafs/vectors'
import { describe, expect, it } from 'vitest'
import { createUnknownNode, packChildren } from '../src/index.ts'
import { MemoryGrid } from './doubles.ts'

const LIT = 'URI:LIT:onxw2zjaorsxq5a'
const CHK = `URI:CHK:${'a'.repeat(26)}:${'a'.repeat(52)}:3:10:1234`
const SSK = `URI:SSK:${'a'.repeat(26)}:${'a'.repeat(52)}`

const writekey = new Uint8Array(16).fill(3)
const writeCap = new Dir2Cap(new SskCap({ writekey, fingerprint: new Uint8Array(32) }))

async function newDirectory(): Promise<{ grid: MemoryGrid; directory: IDirectoryNode }> {
  const grid = new MemoryGrid()
  return { grid, directory: await grid.createNewMutableDirectory() }
}

function readonlyOf(grid: MemoryGrid, directory: IDirectoryNode): IDirectoryNode {
  return grid.createFromCap(directory.readonlyUri) as IDirectoryNode
}

describe('reading', () => {
  it('finds children by any normal form of their names', async () => {
    const { directory } = await newDirectory()
    await directory.setUri('A\u030a', LIT)
    expect([...(await directory.list()).keys()]).toEqual(['\u00c5'])
    expect(await directory.hasChild('\u212b')).toBe(true)
    expect((await directory.get('A\u030a')).uri).toBe(LIT)
    expect(await directory.hasChild('A')).toBe(false)
  })

  it('follows paths', async () => {
    const { directory } = await newDirectory()
    const middle = await directory.createSubdirectory('a', { metadata: { note: 1 } })
    await middle.setUri('b', LIT, undefined, { metadata: { note: 2 } })
    expect(await directory.childAtPath('')).toBe(directory)
    expect((await directory.childAndMetadataAtPath([])).metadata).toEqual({})
    expect((await directory.childAtPath('a')).uri).toBe(middle.uri)
    expect((await directory.childAtPath('a/b')).uri).toBe(LIT)
    expect((await directory.childAndMetadataAtPath(['a', 'b'])).metadata).toMatchObject({ note: 2 })
  })

  it.each([
    ['missing', 'DIRECTORY_NO_SUCH_CHILD'],
    ['a/missing', 'DIRECTORY_NO_SUCH_CHILD'],
    ['missing/b', 'DIRECTORY_NO_SUCH_CHILD'],
    ['file/b', 'DIRECTORY_CHILD_OF_WRONG_TYPE'],
    ['a//b', 'DIRECTORY_EMPTY_PATHNAME_COMPONENT'],
    ['/a', 'DIRECTORY_EMPTY_PATHNAME_COMPONENT'],
    ['a/', 'DIRECTORY_EMPTY_PATHNAME_COMPONENT'],
    [[''], 'DIRECTORY_EMPTY_PATHNAME_COMPONENT'],
    ['a/\udc00', 'DIRECTORY_BAD_CHILD_NAME'],
  ])('has a named error for the path %j', async (path, code) => {
    const { directory } = await newDirectory()
    await directory.createSubdirectory('a')
    await directory.setUri('file', LIT)
    await expect(directory.childAtPath(path)).rejects.toMatchObject({ code })
  })

  it.each(['missing', ''])('has a named error for the missing name %j', async (name) => {
    const { directory } = await newDirectory()
    const error = { name: 'NoSuchChildError', code: 'DIRECTORY_NO_SUCH_CHILD', childName: name }
    await expect(directory.get(name)).rejects.toMatchObject(error)
    await expect(directory.metadataFor(name)).rejects.toMatchObject(error)
    await expect(directory.setMetadataFor(name, {})).rejects.toMatchObject(error)
    await expect(directory.delete(name)).rejects.toMatchObject(error)
    expect(await directory.delete(name, { mustExist: false })).toBeUndefined()
  })

  it('shows no cap to whoever only looks at nodes', async () => {
    const { directory } = await newDirectory()
    const unknown = createUnknownNode('x-future:write', 'x-future:read')
    for (const node of [directory, unknown]) {
      const shown = `${JSON.stringify(node)} ${Object.values(node).join(' ')}`
      expect(shown).not.toMatch(/URI:|x-future:/)
    }
    expect([unknown.writeUri, unknown.readonlyUri]).toEqual(['x-future:write', 'ro.x-future:read'])
  })

  it('is read-only all the way down', async () => {
    const { grid, directory } = await newDirectory()
    const below = await directory.createSubdirectory('below')
    await below.setUri('file', SSK)
    const reader = readonlyOf(grid, directory)
    expect([reader.readonly, reader.mutable, reader.writeUri]).toEqual([true, true, undefined])
    const child = await reader.get('below')
    expect(child.writeUri).toBeUndefined()
    expect(child.uri).toBe(below.readonlyUri)
    const file = await reader.childAtPath('below/file')
    expect([file.readonly, file.writeUri]).toEqual([true, undefined])
    expect((await directory.childAtPath('below/file')).writeUri).toBe(SSK)
  })
})

describe('what cannot be written', () => {
  const edits: readonly [
    string,
    (directory: IDirectoryNode, other: IDirectoryNode) => Promise<unknown>,
  ][] = [
    ['setUri', (directory) => directory.setUri('a', LIT)],
    ['setChildren', (directory) => directory.setChildren(new Map())],
    ['setNode', (directory, other) => directory.setNode('a', other)],
    ['setNodes', (directory) => directory.setNodes(new Map())],
    ['addFile', (directory) => directory.addFile('a', fileOf('text'))],
    ['delete', (directory) => directory.delete('a', { mustExist: false })],
    ['setMetadataFor', (directory) => directory.setMetadataFor('a', {})],
    ['createSubdirectory', (directory) => directory.createSubdirectory('a')],
    ['moveChildTo', (directory, other) => directory.moveChildTo('a', other)],
    ['moveChildTo into it', (directory, other) => other.moveChildTo('a', directory)],
  ]

  it.each(edits)('refuses %s', async (_name, edit) => {
    const { grid, directory } = await newDirectory()
    const other = await grid.createNewMutableDirectory()
    const immutable = await grid.createImmutableDirectory(new Map())
    const files = grid.slots.size
    for (const target of [readonlyOf(grid, directory), immutable]) {
      await expect(edit(target, other)).rejects.toMatchObject({ code: 'NODE_NOT_WRITEABLE' })
    }
    expect([grid.writes.length, grid.slots.size]).toEqual([0, files])
  })

  const names: readonly [unknown, object][] = [
    ['', { code: 'DIRECTORY_EMPTY_PATHNAME_COMPONENT', name: 'EmptyPathnameComponentError' }],
    ['\ud800', { code: 'DIRECTORY_BAD_CHILD_NAME', name: 'BadChildNameError' }],
    ['a\udfffb', { code: 'DIRECTORY_BAD_CHILD_NAME' }],
    ['\udc00\ud800', { code: 'DIRECTORY_BAD_CHILD_NAME' }],
    [undefined, { name: 'TypeError' }],
    [7, { name: 'TypeError' }],
  ]

  it.each(names)('refuses the name %j', async (given, error) => {
    const { grid, directory } = await newDirectory()
    await directory.setUri('there', LIT)
    const name = given as string
    const adding = [
      () => directory.setUri(name, LIT),
      () => directory.setChildren(new Map([[name, { writeUri: LIT }]])),
      () => directory.addFile(name, fileOf('text')),
      () => directory.createSubdirectory(name),
      () => packChildren(new Map([[name, { node: directory }]]), writekey),
      ...(given === undefined
        ? []
        : [() => directory.moveChildTo('there', directory, { newChildName: name })]),
    ]
    const files = grid.slots.size
    for (const add of adding) await expect(add()).rejects.toMatchObject(error)
    expect([grid.writes.length, grid.slots.size]).toEqual([1, files])
  })

  const badMetadata: readonly [string, unknown][] = [
    ['an array', []],
    ['null', null],
    ['text', 'text'],
    ['NaN', { a: Number.NaN }],
    ['infinity', { a: [Number.POSITIVE_INFINITY] }],
    ['a function', { a: () => 1 }],
    ['a bigint', { a: 1n }],
    ['a map', { a: new Map() }],
    ['bytes', { a: new Uint8Array(1) }],
    ['a hole', { a: [undefined] }],
    ['too many levels', nested(1000)],
  ]

  it.each(badMetadata)('refuses metadata: %s', async (_name, given) => {
    const { grid, directory } = await newDirectory()
    const metadata = given as Record<string, unknown>
    await expect(directory.setUri('a', LIT, undefined, { metadata })).rejects.toThrow(TypeError)
    await expect(directory.setMetadataFor('a', metadata)).rejects.toThrow(TypeError)
    expect(grid.writes).toEqual([])
  })

  it.each([
    ['an unknown write cap', { writeUri: 'x-future:1' }, 'URI_MUST_NOT_BE_UNKNOWN_RW'],
    ['a write cap said to read', { readonlyUri: `ro.${SSK}` }, 'URI_MUST_BE_READONLY'],
    [
      'a mutable cap said to be immutable',
      { readonlyUri: `imm.${SSK}` },
      'URI_MUST_BE_DEEP_IMMUTABLE',
    ],
    ['a malformed cap', { readonlyUri: 'URI:CHK:nonsense' }, 'URI_BAD_FIELD_COUNT'],
  ])('refuses %s', async (_name, caps, code) => {
    const { grid, directory } = await newDirectory()
    const { writeUri, readonlyUri } = { writeUri: undefined, readonlyUri: undefined, ...caps }
    await expect(directory.setUri('a', writeUri, readonlyUri)).rejects.toMatchObject({ code })
    await expect(directory.setChildren(new Map([['a', caps]]))).rejects.toMatchObject({ code })
    expect(grid.writes).toEqual([])
  })

  it('refuses mutable children of immutable directories', async () => {
    const { directory } = await newDirectory()
    const initialChildren = new Map([['below', { node: directory }]])
    const creation = directory.createSubdirectory('a', { initialChildren, mutable: false })
    await expect(creation).rejects.toMatchObject({
      code: 'URI_MUST_BE_DEEP_IMMUTABLE',
      childName: 'below',
    })
  })
})

function nested(levels: number): object {
  let value: object = {}
  for (let level = 0; level < levels; level++) value = { value }
  return value
}

function fileOf(text: string): Parameters<IDirectoryNode['addFile']>[1] {
  const bytes = new TextEncoder().encode(text)
  return {
    size: bytes.length,
    close: async () => {},
    async *read() {
      yield bytes
    },
  }
}

describe('adding', () => {
  it('uploads files', async () => {
    const { directory } = await newDirectory()
    const small = await directory.addFile('small', fileOf('text'), { metadata: { a: 1 } })
    const large = await directory.addFile('large', fileOf('text'.repeat(100)))
    expect(new TextDecoder().decode(await small.downloadBestVersion())).toBe('text')
    expect((await directory.get('large')).uri).toBe(large.uri)
    expect(await directory.metadataFor('small')).toMatchObject({ a: 1 })
  })

  it('makes directories, mutable and not', async () => {
    const { grid, directory } = await newDirectory()
    const initialChildren = new Map([['file', { node: grid.createFromCap(CHK) }]])
    const mutable = await directory.createSubdirectory('mutable', { initialChildren })
    const frozen = await directory.createSubdirectory('frozen', { initialChildren, mutable: false })
    expect([mutable.cap.kind, frozen.cap.kind]).toEqual(['dir2', 'dir2-chk'])
    for (const child of ['mutable', 'frozen']) {
      expect((await directory.childAtPath([child, 'file'])).uri).toBe(CHK)
    }
    const versioned = { mutable: false, mutableVersion: 1 }
    await expect(directory.createSubdirectory('other', versioned)).rejects.toThrow(TypeError)
  })

  it('notes when, keeps what was noted, and takes away the write cap where it is asked to', async () => {
    const { grid, directory } = await newDirectory()
    await directory.setUri('a', SSK, undefined, { metadata: { user: 'x', tahoe: { own: 1 } } })
    const created = { linkcrtime: 1_700_000_000.25, linkmotime: 1_700_000_000.25 }
    expect(await directory.metadataFor('a')).toEqual({ user: 'x', tahoe: created })
    grid.nowMs += 1000
    await directory.setUri('a', SSK)
    const changed = { ...created, linkmotime: 1_700_000_001.25 }
    expect(await directory.metadataFor('a')).toEqual({ user: 'x', tahoe: changed })
    await directory.setMetadataFor('a', { 'no-write': true })
    expect(await directory.metadataFor('a')).toEqual({ 'no-write': true, tahoe: changed })
    expect((await directory.get('a')).readonly).toBe(true)
  })

  it('keeps entries whose caps may not stand there, and shows none of them', async () => {
    const grid = new MemoryGrid()
    const node = grid.createFromCap(LIT)
    const good = await packChildren(new Map([['good', { node }]]), writekey)
    const bad = 'bad'
    const hidden = `1:h,${`ro.${SSK}`.length}:ro.${SSK},0:,2:{},`
    const table = new TextDecoder('latin1').decode(good) + `${hidden.length}:${hidden},`
    expect(table).not.toContain(bad)
    const bytes = Uint8Array.from(table, (character) => character.charCodeAt(0))
    const directory = grid.directoryWith(writeCap, bytes)
    expect([...(await directory.list()).keys()]).toEqual(['good'])
    expect(await directory.hasChild('h')).toBe(false)
    await expect(directory.delete('h')).rejects.toMatchObject({ code: 'DIRECTORY_NO_SUCH_CHILD' })
    await directory.delete('good')
    expect(new TextDecoder().decode(grid.writes[0])).toBe(`${hidden.length}:${hidden},`)
    await directory.setUri('h', LIT, undefined, { overwrite: false })
    expect((await directory.get('h')).uri).toBe(LIT)
  })

  it('writes nothing when nothing changes', async () => {
    const { grid, directory } = await newDirectory()
    await directory.setUri('a', LIT)
    await directory.setUri('a', LIT)
    await directory.setMetadataFor('a', {})
    await directory.setChildren(new Map())
    await directory.delete('b', { mustExist: false })
    await directory.moveChildTo('a', directory)
    expect(grid.writes.length).toBe(1)
  })

  it('does not load a large file that is said to be a directory', async () => {
    const grid = new MemoryGrid()
    const size = 50_000_000_000
    const cap = parseCap(CHK.replace('CHK', 'DIR2-CHK').replace(/[0-9]+$/, String(size)))
    const directory = grid.directoryWith(cap, new Uint8Array(1000))
    await expect(directory.list()).rejects.toMatchObject({ code: 'DIRECTORY_MALFORMED' })
    await expect(directory.get('a')).rejects.toMatchObject({ code: 'DIRECTORY_MALFORMED' })
    expect(grid.reads).toEqual(['1 bytes', '1 bytes'])
  })

  it('says first that nothing can be read where the cap of a directory lies about its size', async () => {
    const cap = CHK.replace('CHK', 'DIR2-CHK').replace(/[0-9]+$/, '50000000000')
    const directory = new MemoryGrid().createFromCap(cap) as IDirectoryNode
    await expect(directory.list()).rejects.toThrow('no such file')
  })

  it('reads the small directories of upstream that stand in their caps', async () => {
    interface Stored {
      cases: { format: string; cap: string; packed: string; children: { name: string }[] }[]
    }
    const { cases } = await loadVectors<Stored>('dirnode/stored')
    for (const { cap, children } of cases.filter(({ format }) => format === 'lit')) {
      const directory = new MemoryGrid().createFromCap(cap) as IDirectoryNode
      expect([...(await directory.list()).keys()]).toEqual(children.map(({ name }) => name))
    }
  })

  it('reads an immutable directory, whose children are immutable', async () => {
    const hidden = `1:h,${SSK.length}:${SSK},0:,2:{},`
    const shown = `1:s,0:,0:,2:{},`
    const table = new TextEncoder().encode(`${hidden.length}:${hidden},${shown.length}:${shown},`)
    const directory = new MemoryGrid().directoryWith(new Dir2LitCap(new LitCap(table)), table)
    expect([...(await directory.list()).keys()]).toEqual(['s'])
    expect([directory.readonly, directory.mutable, directory.size]).toEqual([
      true,
      false,
      table.length,
    ])
  })
})

describe('moving', () => {
  it('renames in one write', async () => {
    const { grid, directory } = await newDirectory()
    await directory.setUri('a', SSK, undefined, { metadata: { note: 'moves' } })
    grid.writes.length = 0
    await directory.moveChildTo('a', directory, { newChildName: 'b' })
    expect([...(await directory.list()).keys()]).toEqual(['b'])
    expect(await directory.metadataFor('b')).toMatchObject({ note: 'moves' })
    expect((await directory.get('b')).writeUri).toBe(SSK)
    expect(grid.writes.length).toBe(1)
  })

  it('moves no directory into itself, where nobody would find it', async () => {
    const { grid, directory } = await newDirectory()
    const below = await directory.createSubdirectory('a')
    grid.writes.length = 0
    await expect(directory.moveChildTo('a', below)).rejects.toMatchObject({
      code: 'DIRECTORY_CHILD_OF_WRONG_TYPE',
      childName: 'a',
    })
    expect(grid.writes).toEqual([])
    expect([...(await directory.list()).keys()]).toEqual(['a'])
  })

  it('adds to the other directory first', async () => {
    const { grid, directory } = await newDirectory()
    const other = await grid.createNewMutableDirectory()
    await directory.setUri('a', SSK, undefined, { metadata: { note: 'moves' } })
    grid.writes.length = 0
    await directory.moveChildTo('a', other)
    expect((await directory.list()).size).toBe(0)
    expect(await other.metadataFor('a')).toMatchObject({ note: 'moves' })
    expect(grid.writes.map((table) => table.length > 0)).toEqual([true, false])
  })

  it.each([
    ['keeps what is put under the old name meanwhile', LIT, ['a']],
    ['is content when the old name has gone meanwhile', undefined, []],
  ])('%s', async (_name, put, left) => {
    const { grid, directory } = await newDirectory()
    const other = await grid.createNewMutableDirectory()
    await directory.setUri('a', SSK)
    const setNode = other.setNode.bind(other)
    other.setNode = async (...parameters) => {
      const child = await setNode(...parameters)
      await (put === undefined ? directory.delete('a') : directory.setUri('a', put))
      return child
    }
    await directory.moveChildTo('a', other)
    expect([...(await directory.list()).keys()]).toEqual(left)
    expect((await other.get('a')).writeUri).toBe(SSK)
  })

  it('leaves both directories alone when it may not replace', async () => {
    const { grid, directory } = await newDirectory()
    const other = await directory.createSubdirectory('other')
    await other.createSubdirectory('a')
    await directory.setUri('a', LIT)
    grid.writes.length = 0
    const taken = { code: 'DIRECTORY_EXISTING_CHILD' }
    for (const overwrite of [false, 'only-files'] as const) {
      await expect(directory.moveChildTo('a', other, { overwrite })).rejects.toMatchObject(taken)
      const rename = { newChildName: 'other', overwrite }
      await expect(directory.moveChildTo('a', directory, rename)).rejects.toMatchObject(taken)
    }
    const missing = directory.moveChildTo('missing', directory, { newChildName: 'b' })
    await expect(missing).rejects.toMatchObject({ code: 'DIRECTORY_NO_SUCH_CHILD' })
    expect(grid.writes).toEqual([])
  })
})

describe('writers that meet', () => {
  /** One write whose answer is lost, so that the edit is tried again on its own outcome. */
  function loseFirstAnswer(grid: MemoryGrid): void {
    grid.interfere = (_file, attempt) => (attempt === 0 ? { kind: 'lost-answer' } : undefined)
  }

  it('knows its own work again', async () => {
    const { grid, directory } = await newDirectory()
    loseFirstAnswer(grid)
    await directory.setUri('a', SSK, undefined, { overwrite: false })
    await directory.createSubdirectory('b', { overwrite: false })
    await directory.moveChildTo('a', directory, { newChildName: 'c', overwrite: false })
    await directory.setMetadataFor('c', { note: 1 })
    const removed = await directory.delete('b')
    expect(removed?.kind).toBe('directory')
    expect([...(await directory.list()).keys()]).toEqual(['c'])
  })

  it('sees what another writer did meanwhile', async () => {
    const { grid, directory } = await newDirectory()
    const other = await grid.createNewMutableDirectory()
    await other.setUri('theirs', CHK)
    const [theirs] = grid.writes
    const contents = await packChildren(
      new Map([['theirs', { node: grid.createFromCap(CHK) }]]),
      (directory.cap as Dir2Cap).fileCap.writekey,
    )
    expect(theirs).toBeDefined()
    grid.interfere = (_file, attempt) =>
      attempt === 0 ? { kind: 'other-writer', contents } : undefined
    await directory.setUri('ours', LIT)
    expect([...(await directory.list()).keys()]).toEqual(['ours', 'theirs'])
    const collision = directory.setUri('theirs', LIT, undefined, { overwrite: false })
    await expect(collision).rejects.toMatchObject({ code: 'DIRECTORY_EXISTING_CHILD' })
  })

  it('gives up with a named error', async () => {
    const { grid, directory } = await newDirectory()
    grid.interfere = () => ({ kind: 'other-writer', contents: new Uint8Array() })
    const edit = directory.setUri('a', LIT)
    await expect(edit).rejects.toMatchObject({ code: 'MUTABLE_UNCOORDINATED_WRITE' })
  })

  it('makes edits of one directory wait for each other', async () => {
    const { grid, directory } = await newDirectory()
    const names = Array.from({ length: 20 }, (_, index) => `child ${index}`)
    await Promise.all(names.map((name) => directory.setUri(name, LIT)))
    expect([...(await directory.list()).keys()].toSorted()).toEqual(names.toSorted())
    expect(grid.writes.length).toBe(names.length)
  })
})
