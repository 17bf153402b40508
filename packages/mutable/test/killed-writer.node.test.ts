import { concatBytes, sameBytes } from '@lafs/crypto'
import { isFilesystemError } from '@lafs/filesystem-interface'
import type { IMutableFileNode } from '@lafs/filesystem-interface'
import { StorageError } from '@lafs/storage-interface'
import type { ShareNumber } from '@lafs/storage-interface'
import { parseMutableHeader } from '@lafs/storage-protocol/layout'
import { breakingLine } from '@lafs/testing'
import type { BreakingLine } from '@lafs/testing'
import { createMutableFile, createMutableNode } from '@lafs/mutable'
import type { MutableContext } from '@lafs/mutable'
import { parseCapStrict } from '@lafs/uri'
import type { MdmfCap, SskCap } from '@lafs/uri'
import { describe, expect, it } from 'vitest'
import { createMutableFileState } from '../src/filenode.ts'
import { slotSecrets } from '../src/keys.ts'
import { createNodeGrid, onShareWrite, privateKeyDer } from './node-grid.ts'
import type { NodeGrid } from './node-grid.ts'
import { sharesOn } from './publish-grid.ts'

/** MDMF cuts files of 3 of N up into these. */
const SEGMENT = 131_073

const content = (size: number, seed: number): Uint8Array =>
  Uint8Array.from({ length: size }, (_, index) => (index * (2 * seed + 1) + seed) % 251)

function spliced(old: Uint8Array, data: Uint8Array, offset: number): Uint8Array {
  return concatBytes([old.subarray(0, offset), data, old.subarray(offset + data.length)])
}

interface Deed {
  readonly what: string
  readonly version: 0 | 1
  /** Undefined: there is no file yet. */
  readonly before: Uint8Array | undefined
  readonly after: Uint8Array
  readonly act: (node: IMutableFileNode) => Promise<unknown>
}

const [small, other, large] = [content(300, 1), content(500, 2), content(SEGMENT + 400, 3)]

const update = (what: string, data: Uint8Array, offset: number): Deed => ({
  what,
  version: 1,
  before: large,
  after: spliced(large, data, offset),
  act: async (node) => (await node.bestMutableVersion()).update(data, offset),
})

const onBoth = (deed: Omit<Deed, 'version'>): Deed[] => [
  { ...deed, what: `${deed.what} (SDMF)`, version: 0 },
  { ...deed, what: `${deed.what} (MDMF)`, version: 1 },
]

const wholeFiles: readonly Deed[] = [
  ...onBoth({
    what: 'creates a file',
    before: undefined,
    after: small,
    act: () => Promise.reject(new Error('there is no node yet')),
  }),
  ...onBoth({
    what: 'overwrites a file',
    before: small,
    after: other,
    act: (node) => node.overwrite(other),
  }),
  ...onBoth({
    what: 'modifies a file',
    before: small,
    after: concatBytes([small, other]),
    act: (node) => node.modify((old) => concatBytes([old, other])),
  }),
]

const inPlace: readonly Deed[] = [
  update('changes a file within one segment', content(40, 4), 10),
  update('changes a file over a segment border', content(40, 5), SEGMENT - 20),
  update('appends to a file', content(40, 6), large.length),
]

interface Encoding {
  readonly k: number
  readonly n: number
  readonly count: number
}

/** Whatever goes wrong with one writer, old or new can be had: `n >= 2k - 1`. */
const safe: readonly Encoding[] = [
  { k: 3, n: 10, count: 10 },
  { k: 3, n: 10, count: 4 },
  { k: 3, n: 5, count: 5 },
  { k: 1, n: 1, count: 1 },
  { k: 2, n: 3, count: 2 },
]

/** Of these, one half can be new and the other half old, and neither is enough. */
const unsafe: readonly Encoding[] = [
  { k: 3, n: 4, count: 4 },
  { k: 2, n: 2, count: 2 },
]

function contextFor(grid: NodeGrid, line: BreakingLine, backwards: boolean): MutableContext {
  const known = grid.servers.map(({ server, storage }) => {
    const far = line.over(storage)
    return { ...server, storageServer: async () => far }
  })
  const order = backwards ? known.toReversed() : known
  return {
    ...grid.context,
    broker: {
      ...grid.context.broker,
      knownServers: () => order,
      connectedServers: () => order,
      serversForStorageIndex: () => order,
    },
  }
}

function fileOf(uri: string): SskCap | MdmfCap {
  const cap = parseCapStrict(uri)
  if (cap.kind === 'ssk' || cap.kind === 'mdmf') return cap
  throw new Error(`expected a write cap, got one of kind ${cap.kind}`)
}

/** A file as it stands on servers. */
interface Stage {
  readonly uri: string
  readonly encoding: Encoding
  readonly shares: readonly ReadonlyMap<ShareNumber, Uint8Array>[]
}

const encoded = ({ k, n, count }: Encoding): Parameters<typeof createNodeGrid>[0] => ({
  count,
  context: { encoding: { requiredShares: k, totalShares: n } },
})

async function prepare({ before, version }: Deed, encoding: Encoding): Promise<Stage> {
  const grid = await createNodeGrid(encoded(encoding))
  const options = { version, privateKey: privateKeyDer(0) }
  const { uri } = await grid.create(before ?? new Uint8Array(), options)
  const { storageIndex } = fileOf(uri)
  const held = grid.servers.map((server) => sharesOn(server, storageIndex))
  const shares = await Promise.all(held)
  return { uri, encoding, shares: before === undefined ? [] : shares }
}

/** Other servers with the same file. */
async function fork({ uri, encoding, shares }: Stage): Promise<NodeGrid> {
  const grid = await createNodeGrid(encoded(encoding))
  const file = createMutableFileState(fileOf(uri), grid.context)
  const { storageIndex } = file
  for (const [index, held] of shares.entries()) {
    const one = grid.servers[index]
    if (one === undefined) throw new Error(`no server ${index}`)
    const secrets = slotSecrets(file, one.server)
    const writes = [...held].map(
      ([share, data]) => [share, { test: [], write: [{ offset: 0, data }] }] as const,
    )
    await one.storage.slotTestvAndReadvAndWritev(storageIndex, secrets, new Map(writes), [])
  }
  return grid
}

/** How many different shares there are, by sequence number. */
async function shareCounts(grid: NodeGrid, uri: string): Promise<Map<number, number>> {
  const { storageIndex } = fileOf(uri)
  const shares = new Map<number, Set<ShareNumber>>()
  for (const server of grid.servers) {
    for (const [share, bytes] of await sharesOn(server, storageIndex)) {
      const { sequenceNumber } = parseMutableHeader(bytes)
      shares.set(sequenceNumber, (shares.get(sequenceNumber) ?? new Set()).add(share))
    }
  }
  return new Map([...shares].map(([number, found]) => [number, found.size]))
}

const errorCodes = [
  'MUTABLE_NOT_ENOUGH_SERVERS',
  'MUTABLE_UNRECOVERABLE',
  'DOWNLOAD_NOT_ENOUGH_SHARES',
]

/** Whether it was done; rejects with what is no named error. */
async function succeeds(work: Promise<unknown>): Promise<boolean> {
  try {
    await work
    return true
  } catch (error) {
    if (isFilesystemError(error) && errorCodes.includes(error.code)) return false
    throw error
  }
}

function perform(deed: Deed, uri: string, context: MutableContext): Promise<unknown> {
  if (deed.before !== undefined) {
    return deed.act(createMutableNode(fileOf(uri), context))
  }
  const keyPool = { take: () => Promise.reject(new Error('the key is given')) }
  const { version } = deed
  return createMutableFile(deed.after, { version, privateKey: privateKeyDer(0), context, keyPool })
}

/** What a reader that knows nothing finds; undefined where nothing can be recovered. */
async function contentsFound(grid: NodeGrid, uri: string): Promise<Uint8Array | undefined> {
  const reader = grid.open(grid.open(uri).readonlyUri)
  try {
    return await reader.downloadBestVersion()
  } catch (error) {
    if (isFilesystemError(error, 'MUTABLE_UNRECOVERABLE')) return undefined
    throw error
  }
}

interface Outcome {
  /** Whether there were as many shares of some version as it needs. */
  readonly recoverable: boolean
  readonly isNew: boolean
  readonly broken: boolean
}

/** One writer that is killed, one reader after it, and then another writer. */
async function kill(
  deed: Deed,
  stage: Stage,
  line: BreakingLine,
  backwards = false,
): Promise<Outcome> {
  const { uri, encoding } = stage
  const grid = await fork(stage)
  const done = await succeeds(perform(deed, uri, contextFor(grid, line, backwards)))
  const counts = await shareCounts(grid, uri)
  const recoverable = [...counts]
    .filter(([, count]) => count >= encoding.k)
    .map(([sequenceNumber]) => (deed.before === undefined ? sequenceNumber + 1 : sequenceNumber))
    .map((number) => (number === 1 ? deed.before : deed.after) ?? new Uint8Array())
  const isNew = recoverable.includes(deed.after)
  // No success without the new version.
  if (done) expect(isNew).toBe(true)
  // A reader that asks a part of the servers may see the old version while there is enough of both.
  const got = await contentsFound(grid, uri)
  expect(got === undefined).toBe(recoverable.length === 0)
  if (got !== undefined) {
    expect(recoverable.some((one) => sameBytes(one, got))).toBe(true)
  }
  // Where shares of both are left, the next writer makes one version of them.
  if (got !== undefined && counts.size > 1) {
    const best = isNew ? deed.after : got
    await grid.open(uri).modify((old) => concatBytes([old, Uint8Array.of(7)]))
    const changed = concatBytes([best, Uint8Array.of(7)])
    expect(sameBytes((await contentsFound(grid, uri)) ?? new Uint8Array(), changed)).toBe(true)
    expect((await shareCounts(grid, uri)).size).toBe(1)
  }
  return { recoverable: recoverable.length > 0, isNew, broken: line.broken }
}

/** A writer that is killed at each of its messages, which arrives or does not. */
async function* killEverywhere(
  deed: Deed,
  encoding: Encoding,
): AsyncIterable<Outcome & { readonly when: string }> {
  const stage = await prepare(deed, encoding)
  const whole = breakingLine(Infinity)
  const undisturbed = await kill(deed, stage, whole)
  expect(undisturbed).toEqual({ recoverable: true, isNew: true, broken: false })
  for (let answered = 0; answered < whole.messageCount; answered++) {
    for (const lastArrives of [false, true]) {
      const backwards = answered % 2 === 1
      const line = breakingLine(answered, { lastArrives })
      const outcome = await kill(deed, stage, line, backwards)
      yield { ...outcome, when: `after ${answered} messages, lastArrives ${lastArrives}` }
    }
  }
}

const casesOf = (
  deeds: readonly Deed[],
  encodings: readonly Encoding[],
): (Deed & { encoding: Encoding; name: string })[] =>
  encodings.flatMap((encoding) =>
    deeds.map((deed) => {
      const name = `${deed.what}, ${encoding.k} of ${encoding.n} on ${encoding.count} servers`
      return { ...deed, encoding, name }
    }),
  )

describe('a writer that is killed at any message', () => {
  it.each([...casesOf(wholeFiles, safe), ...casesOf(inPlace, safe.slice(0, 2))])(
    'leaves the old or the new version: $name',
    async ({ encoding, ...deed }) => {
      const ends = new Set<boolean>()
      for await (const { recoverable, isNew, broken, when } of killEverywhere(deed, encoding)) {
        expect(broken, `killed ${when}`).toBe(true)
        // Of a file that was to be made there may be nothing: nobody has its cap.
        if (deed.before !== undefined) expect(recoverable, `killed ${when}`).toBe(true)
        ends.add(isNew)
      }
      expect(ends).toEqual(new Set([false, true]))
    },
  )

  it.each(casesOf(wholeFiles.slice(2), unsafe))(
    'can leave neither where there are fewer than 2k - 1 shares, as anybody would: $name',
    async ({ encoding, ...deed }) => {
      const lost: string[] = []
      for await (const { recoverable, when } of killEverywhere(deed, encoding)) {
        if (!recoverable) lost.push(when)
      }
      expect(lost.length).toBeGreaterThan(0)
    },
  )
})

describe('writers that are killed one after the other', () => {
  /** Each has its first messages taken by two servers of its own: one share fewer than make a version. */
  async function killWriters(count: number): Promise<Uint8Array | undefined> {
    const [deed] = wholeFiles.filter(({ before }) => before !== undefined)
    if (deed === undefined) throw new Error('no deed')
    const stage = await prepare(deed, { k: 3, n: 10, count: 10 })
    const grid = await fork(stage)
    for (let writer = 0; writer < count; writer++) {
      for (const [index, server] of grid.servers.entries()) {
        let left = Math.floor(index / 2) === writer ? 1 : 0
        onShareWrite(server, (write) => {
          if (left-- > 0) return write()
          throw new StorageError('STORAGE_UNREACHABLE', 'killed')
        })
      }
      expect(await succeeds(grid.open(stage.uri).overwrite(content(100, 10 + writer)))).toBe(false)
    }
    return contentsFound(grid, stage.uri)
  }

  it('leave the old version as long as k shares of it are left, and no longer', async () => {
    for (const count of [1, 2, 3]) expect(await killWriters(count)).toEqual(small)
    // Two shares of each of five versions are enough for none.
    expect(await killWriters(4)).toBe(undefined)
  })
})
