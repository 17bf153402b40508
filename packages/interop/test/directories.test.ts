import type { MutableFormat } from '@lafs/client'
import {
  createResourceStack,
  describeWithUpstream,
  ownDirectories,
  startMixedGrid,
  upstreamDirectories,
  verifiedByUpstream,
} from '@lafs/interop'
import type { Children, Directories, Listing, MixedGrid } from '@lafs/interop'
import { parseCapStrict } from '@lafs/uri'
import { loadVectors } from '@lafs/vectors'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

// Every directory goes back and forth between a client of ours and one of upstream, on servers of both.

const formats: readonly MutableFormat[] = ['SDMF', 'MDMF']
const sides = ['own', 'upstream'] as const
type Side = (typeof sides)[number]
const other: Readonly<Record<Side, Side>> = { own: 'upstream', upstream: 'own' }

interface RecordedChild {
  name: string
  write: string | null
  read: string | null
  metadata: string
}
interface RecordedTable {
  name: string
  deepImmutable: boolean
  children: RecordedChild[]
}
const { cases } = await loadVectors<{ cases: RecordedTable[] }>('dirnode/tables')

/** The children of a recorded table, whose metadata may hold what JSON does not have. */
function recorded(name: string, deepImmutable: boolean): Children {
  const found = cases.find((one) => one.name === name && one.deepImmutable === deepImmutable)
  if (found === undefined) throw new Error(`no table ${name}`)
  return Object.fromEntries(
    found.children.map(({ name: child, write, read, metadata }) => [
      child,
      { write: write ?? undefined, read: read ?? undefined, metadata: JSON.parse(metadata) },
    ]),
  )
}

/** The files of "every kind": of its directories no table is stored. */
const files = (): Children =>
  Object.fromEntries(
    Object.entries(recorded('every kind', false)).filter(([name]) => !name.includes('directory')),
  )

/** Many children with metadata of the user's. */
function numbered(count: number): Children {
  const cap = 'URI:LIT:onxw2zi'
  return Object.fromEntries(
    Array.from({ length: count }, (_, i) => [
      `child ${i} \u00e9\u{1f600}`,
      { write: cap, metadata: { number: i, note: 'k\u00e9pt' } },
    ]),
  )
}

describeWithUpstream('directories', () => {
  const resources = createResourceStack()
  let grid: MixedGrid
  let directories: Readonly<Record<Side, Directories>>

  beforeAll(async () => {
    grid = await startMixedGrid(resources, {
      upstreamServerCount: 2,
      ownServerCount: 2,
      encoding: { requiredShares: 3, happyShares: 1, totalShares: 10 },
      convergence: new Uint8Array(32).fill(7),
    })
    directories = {
      own: ownDirectories(grid.own),
      upstream: upstreamDirectories(grid.upstream),
    }
  }, 120_000)
  afterAll(() => resources[Symbol.asyncDispose](), 60_000)

  /** The listing that both clients give, with the write cap and with the read cap. */
  async function listedByBoth(cap: string): Promise<Listing> {
    const own = await directories.own.list(cap)
    expect(own).toEqual(await directories.upstream.list(cap))
    const readCap = parseCapStrict(cap).readCap().format()
    const readOnly = await directories.own.list(readCap)
    expect(readOnly).toEqual(await directories.upstream.list(readCap))
    expect([...readOnly.keys()]).toEqual([...own.keys()])
    return own
  }

  describe.each(formats)('%s', (format) => {
    describe.each(sides)('made by %s', (writer) => {
      const editor = other[writer]

      it.each([0, 1, 1000])(
        '%i children are listed, edited by the other, listed',
        async (count) => {
          const children = numbered(count)
          const cap = await directories[writer].create(format, children)
          const kind = format === 'SDMF' ? 'dir2' : 'dir2-mdmf'
          expect(parseCapStrict(cap).kind).toBe(kind)
          const before = await listedByBoth(cap)
          expect(before.size).toBe(count)

          await directories[editor].set(cap, {
            added: { write: 'URI:LIT:', metadata: { by: editor } },
            'e\u0301': { write: 'URI:LIT:onxw2zi' },
          })
          const after = await listedByBoth(cap)
          expect(after.size).toBe(count + 2)
          expect(after.get('added')?.metadata).toMatchObject({ by: editor })
          expect(after.has('\u00e9')).toBe(true)
          for (const [name, child] of before) expect(after.get(name)).toEqual(child)

          await directories[writer].remove(cap, 'added')
          await directories[editor].remove(cap, 'e\u0301')
          expect(await listedByBoth(cap)).toEqual(before)
          expect(await verifiedByUpstream(grid.upstream, cap)).toEqual([])
        },
      )

      it('every kind of child and name stays what it is', async () => {
        const children = {
          ...recorded('every kind', false),
          ...recorded('unknown children', false),
          ...recorded('names', false),
          ...recorded('alleged read-only caps of known kinds', false),
        }
        // Upstream's web API takes no empty name.
        delete children['']
        const cap = await directories[writer].create(format, children)
        const before = await listedByBoth(cap)
        expect(before.size).toBe(Object.keys(children).length)
        await directories[editor].set(cap, { another: { write: 'URI:LIT:' } })
        const after = await listedByBoth(cap)
        after.delete('another')
        expect(after).toEqual(before)
      })

      it('metadata is kept, and replaced only where it is given', async () => {
        const cap = await directories[writer].create(format, {})
        const metadata = {
          note: 'k\u00e9pt',
          nested: { list: [1, 2.5, null, 'two'] },
          'no-write': false,
        }
        await directories[writer].set(cap, { child: { write: 'URI:LIT:', metadata } })
        const first = (await listedByBoth(cap)).get('child')
        expect(first?.metadata).toMatchObject(metadata)

        await directories[editor].set(cap, { child: { write: 'URI:LIT:onxw2zi' } })
        const second = (await listedByBoth(cap)).get('child')
        expect(second?.read).toBe('URI:LIT:onxw2zi')
        expect(second?.metadata).toMatchObject(metadata)
        expect(linkTimes(second).linkcrtime).toBe(linkTimes(first).linkcrtime)
        expect(linkTimes(second).linkmotime).toBeGreaterThanOrEqual(linkTimes(first).linkmotime)

        await directories[writer].set(cap, {
          child: { write: 'URI:LIT:onxw2zi', metadata: { only: 1 } },
        })
        const third = (await listedByBoth(cap)).get('child')
        expect({ ...third?.metadata, tahoe: undefined }).toEqual({ only: 1, tahoe: undefined })
        expect(linkTimes(third).linkcrtime).toBe(linkTimes(first).linkcrtime)
      })

      it('a child that is there is kept where it must not be replaced', async () => {
        const cap = await directories[writer].create(format, numbered(1))
        const before = await listedByBoth(cap)
        const [name = ''] = before.keys()
        const another = { [name]: { write: 'URI:LIT:' } }
        await expect(directories.own.set(cap, another, false)).rejects.toMatchObject({
          code: 'DIRECTORY_EXISTING_CHILD',
        })
        await expect(directories.upstream.set(cap, another, false)).rejects.toThrow(/status 409/)
        expect(await listedByBoth(cap)).toEqual(before)
      })
    })
  })

  describe.each(sides)('a tree made by %s', (writer) => {
    it('is walked and summed up alike', async () => {
      const maker = directories[writer]
      const leaf = await maker.create('SDMF', files())
      const middle = await maker.create('MDMF', {
        leaf: { write: leaf },
        lit: { write: 'URI:LIT:onxw2zi' },
      })
      const root = await maker.create('SDMF', {
        middle: { write: middle },
        'again, read-only': { write: parseCapStrict(middle).readCap().format() },
        unknown: { write: 'x-tahoe-future:w', read: 'ro.x-tahoe-future:r' },
      })
      await directories[other[writer]].set(leaf, { 'back to the \u00e9 root': { write: root } })
      const immutable = await maker.createImmutable({ deep: { read: 'URI:LIT:onxw2zi' } })
      await directories[other[writer]].set(root, { immutable: { write: immutable } })
      expect(await directories.own.walk(root)).toEqual(await directories.upstream.walk(root))
    })
  })

  describe('immutable ones', () => {
    it.each(['empty', 'every kind', 'unknown children', 'names'])(
      'of table "%s" have one cap and one content',
      async (table) => {
        const children = recorded(table, true)
        delete children['']
        const own = await directories.own.createImmutable(children)
        expect(await directories.upstream.createImmutable(children)).toBe(own)
        const listing = await listedByBoth(own)
        expect([...listing.keys()].toSorted()).toEqual(
          Object.keys(children)
            .map((name) => name.normalize('NFC'))
            .toSorted(),
        )
      },
    )

    it('refuse a child that can be changed', async () => {
      const file = await directories.own.create('SDMF', {})
      for (const side of sides) {
        await expect(directories[side].createImmutable({ child: { write: file } })).rejects.toThrow(
          /immutable/i,
        )
      }
    })
  })

  it('both keep what the other wrote when they take turns', async () => {
    const cap = await directories.own.create('SDMF', {})
    for (let turn = 0; turn < 10; turn += 1) {
      await directories[turn % 2 === 0 ? 'own' : 'upstream'].set(cap, {
        [`turn ${turn}`]: { write: 'URI:LIT:onxw2zi', metadata: { turn } },
      })
    }
    const listing = await listedByBoth(cap)
    expect([...listing.values()].map((child) => child.metadata['turn'])).toEqual(
      Array.from({ length: 10 }, (_, turn) => turn),
    )
  })
})

/** The times that the file store notes beside a child. */
function linkTimes(child: { metadata: Record<string, unknown> } | undefined): {
  linkcrtime: number
  linkmotime: number
} {
  const tahoe = child?.metadata['tahoe']
  expect(tahoe).toEqual({ linkcrtime: expect.any(Number), linkmotime: expect.any(Number) })
  return tahoe as { linkcrtime: number; linkmotime: number }
}
