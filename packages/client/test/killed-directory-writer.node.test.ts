import { defaultCrypto, toBase32 } from '@lafs/crypto'
import { isDirectoryNode, isFilesystemError } from '@lafs/filesystem-interface'
import type { IDirectoryNode, INodeMaker } from '@lafs/filesystem-interface'
import { MDMF_VERSION, SDMF_VERSION } from '@lafs/storage-interface'
import type { IStorageServer } from '@lafs/storage-interface'
import { systemClock } from '@lafs/storage-protocol/waiting'
import { breakingLine, brokerOf, serverOf } from '@lafs/testing'
import type { BreakingLine } from '@lafs/testing'
import { describe, expect, it } from 'vitest'
import { createStorages, directoryOf, nodeMakerOf } from './directory-grid.ts'

const lit = (text: string): string => `URI:LIT:${toBase32(new TextEncoder().encode(text))}`

type Listing = Readonly<Record<string, string>>
/** What is in the two directories. */
type State = readonly [Listing, Listing]

const before: State = [{ a: lit('a'), b: lit('b') }, { a: lit('other') }]

interface Deed {
  readonly what: string
  readonly act: (one: IDirectoryNode, other: IDirectoryNode) => Promise<unknown>
  /** What it comes by after the beginning; the last one is what it is there for. */
  readonly after: readonly State[]
}

const [first, second] = before

const deeds: readonly Deed[] = [
  {
    what: 'adds a child',
    act: (one) => one.setUri('c', lit('c')),
    after: [[{ ...first, c: lit('c') }, second]],
  },
  {
    what: 'replaces two children and adds one',
    act: (one) =>
      one.setChildren(new Map(['a', 'b', 'c'].map((name) => [name, { writeUri: lit('new') }]))),
    after: [[{ a: lit('new'), b: lit('new'), c: lit('new') }, second]],
  },
  {
    what: 'deletes a child',
    act: (one) => one.delete('a'),
    after: [[{ b: lit('b') }, second]],
  },
  {
    what: 'renames a child over another one',
    act: (one) => one.moveChildTo('a', one, { newChildName: 'b' }),
    after: [[{ b: lit('a') }, second]],
  },
  {
    what: 'makes a subdirectory',
    act: async (one) => {
      const child = { node: await one.get('b'), metadata: {} }
      await one.createSubdirectory('c', { initialChildren: new Map([['inside', child]]) })
    },
    after: [[{ ...first, c: 'directory of inside' }, second]],
  },
  {
    what: 'moves a child to another directory',
    act: (one, other) => one.moveChildTo('b', other),
    after: [
      [first, { ...second, b: lit('b') }],
      [{ a: lit('a') }, { ...second, b: lit('b') }],
    ],
  },
  {
    what: 'moves a child over another one',
    act: (one, other) => one.moveChildTo('a', other),
    after: [
      [first, { a: lit('a') }],
      [{ b: lit('b') }, { a: lit('a') }],
    ],
  },
]

interface Encoding {
  readonly k: number
  readonly n: number
  readonly count: number
}

const grids: readonly (readonly [Encoding, number])[] = [
  [{ k: 3, n: 6, count: 6 }, SDMF_VERSION],
  [{ k: 3, n: 10, count: 3 }, MDMF_VERSION],
  [{ k: 2, n: 3, count: 3 }, SDMF_VERSION],
]

function clientOn(
  storages: readonly IStorageServer[],
  { k, n }: Encoding,
  version: number,
  firstKey = 0,
): INodeMaker {
  const context = {
    broker: brokerOf(storages.map(serverOf)),
    crypto: defaultCrypto,
    clock: systemClock,
    encoding: { requiredShares: k, totalShares: n },
    random: () => 0.5,
  }
  return nodeMakerOf(context, version, firstKey)
}

type Write = Parameters<IStorageServer['slotTestvAndReadvAndWritev']>

/** Two directories, and all that was written to make them. */
interface Stage {
  readonly encoding: Encoding
  readonly version: number
  readonly uris: readonly string[]
  readonly journal: readonly { readonly index: number; readonly write: Write }[]
}

async function prepare(encoding: Encoding, version: number): Promise<Stage> {
  const journal: { index: number; write: Write }[] = []
  const storages = (await createStorages(encoding.count)).map((storage, index) => ({
    ...storage,
    slotTestvAndReadvAndWritev: (...write: Write) => {
      journal.push({ index, write })
      return storage.slotTestvAndReadvAndWritev(...write)
    },
  }))
  const nodeMaker = clientOn(storages, encoding, version)
  const uris: string[] = []
  for (const listing of before) {
    const children = Object.entries(listing).map(
      ([name, cap]) => [name, { node: nodeMaker.createFromCap(cap), metadata: {} }] as const,
    )
    uris.push((await nodeMaker.createNewMutableDirectory(new Map(children))).uri)
  }
  return { encoding, version, uris, journal }
}

/** Other servers on which the same was written. */
async function fork({ encoding, journal }: Stage): Promise<IStorageServer[]> {
  const storages = await createStorages(encoding.count)
  for (const { index, write } of journal)
    await storages[index]?.slotTestvAndReadvAndWritev(...write)
  return storages
}

const open = (nodeMaker: INodeMaker, { uris }: Stage): [IDirectoryNode, IDirectoryNode] => [
  directoryOf(nodeMaker, uris[0]),
  directoryOf(nodeMaker, uris[1]),
]

async function listingOf(directory: IDirectoryNode): Promise<Listing> {
  const entries = [...(await directory.list())].map(async ([name, { node }]) => {
    if (!isDirectoryNode(node)) return [name, node.uri ?? '']
    return [name, `directory of ${[...(await node.list()).keys()].join(',')}`]
  })
  return Object.fromEntries(await Promise.all(entries)) as Listing
}

async function stateFor(nodeMaker: INodeMaker, stage: Stage): Promise<State> {
  const [one, other] = open(nodeMaker, stage)
  return [await listingOf(one), await listingOf(other)]
}

const errorCodes = [
  'MUTABLE_NOT_ENOUGH_SERVERS',
  'MUTABLE_UNRECOVERABLE',
  'DOWNLOAD_NOT_ENOUGH_SHARES',
  'DOWNLOAD_CRITICAL_DATA_UNAVAILABLE',
]

/** One edit that is killed, one reader after it, and then another edit. Gives what the reader found. */
async function kill(deed: Deed, stage: Stage, line: BreakingLine): Promise<State> {
  const storages = await fork(stage)
  const { encoding, version } = stage
  let writes = 0
  const far = storages.map((storage) =>
    line.over({
      ...storage,
      slotTestvAndReadvAndWritev: (...write: Write) => {
        if (write[2].size > 0) writes += 1
        return storage.slotTestvAndReadvAndWritev(...write)
      },
    }),
  )
  let done = true
  try {
    await deed.act(...open(clientOn(far, encoding, version, 10), stage))
  } catch (error) {
    if (!isFilesystemError(error) || !errorCodes.includes(error.code)) throw error
    done = false
  }
  if (writes === 0) {
    expect(done).toBe(false)
    return before
  }
  const found = await stateFor(clientOn(storages, encoding, version), stage)
  expect([before, ...deed.after]).toContainEqual(found)
  if (done) expect(found).toEqual(deed.after.at(-1))
  // Whatever was found may still be the older one of two versions that stand side by side.
  const next = clientOn(storages, encoding, version)
  for (const directory of open(next, stage)) await directory.setUri('next', lit('next'))
  const [one, other] = await stateFor(clientOn(storages, encoding, version), stage)
  expect([one['next'], other['next']]).toEqual([lit('next'), lit('next')])
  const without = (listing: Listing): Listing =>
    Object.fromEntries(Object.entries(listing).filter(([name]) => name !== 'next'))
  expect([before, ...deed.after]).toContainEqual([without(one), without(other)])
  return found
}

const cases = grids.flatMap(([encoding, version]) =>
  deeds.map((deed) => {
    const format = version === SDMF_VERSION ? 'SDMF' : 'MDMF'
    const where = `${format}, ${encoding.k} of ${encoding.n} on ${encoding.count} servers`
    return { ...deed, encoding, version, name: `${deed.what}, ${where}` }
  }),
)

describe('a client that is killed at any message of an edit', () => {
  it.each(cases)(
    'leaves the directories as before or as after, and no child gets lost: $name',
    async ({ encoding, version, ...deed }) => {
      const stage = await prepare(encoding, version)
      const whole = breakingLine(Infinity)
      expect(await kill(deed, stage, whole)).toEqual(deed.after.at(-1))
      const seen = new Set<string>()
      for (let answered = 0; answered < whole.messageCount; answered++) {
        for (const lastArrives of [false, true]) {
          const line = breakingLine(answered, { lastArrives })
          seen.add(JSON.stringify(await kill(deed, stage, line)))
          expect(line.broken).toBe(true)
        }
      }
      expect(seen).toEqual(new Set([before, ...deed.after].map((state) => JSON.stringify(state))))
    },
  )
})
