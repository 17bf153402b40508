import { defaultCrypto } from '@lafs/crypto'
import { isFilesystemError, isMutableFileNode } from '@lafs/filesystem-interface'
import type { IDirectoryNode, IMutableFileNode, INodeMaker } from '@lafs/filesystem-interface'
import { SDMF_VERSION } from '@lafs/storage-interface'
import type { IStorageServer } from '@lafs/storage-interface'
import { systemClock } from '@lafs/storage-protocol/waiting'
import { DirectoryCap, parseCapStrict } from '@lafs/uri'
import { fromHex, loadVectors } from '@lafs/vectors'
import { brokerOf, serverOf } from '@lafs/testing'
import { describe, expect, it } from 'vitest'
import { createStorages, directoryOf, nodeMakerOf } from './directory-grid.ts'

const LIT = 'URI:LIT:onxw2zjaorsxq5a'
const SSK = `URI:SSK:${'b'.repeat(25)}a:${'a'.repeat(52)}`

interface Scene {
  readonly nodeMaker: INodeMaker
  readonly directory: IDirectoryNode
  /** The file of the directory's table. */
  readonly file: IMutableFileNode
  /** Messages that wrote anything. */
  readonly writes: () => number
  /** The client of somebody else. */
  readonly other: () => INodeMaker
}

/** A directory with one child on three real servers. */
async function scene(): Promise<Scene> {
  let writes = 0
  const storages = (await createStorages(3)).map((storage) => ({
    ...storage,
    slotTestvAndReadvAndWritev: (
      ...args: Parameters<IStorageServer['slotTestvAndReadvAndWritev']>
    ) => {
      if (args[2].size > 0) writes += 1
      return storage.slotTestvAndReadvAndWritev(...args)
    },
  }))
  const client = (): INodeMaker =>
    nodeMakerOf(
      {
        broker: brokerOf(storages.map(serverOf)),
        crypto: defaultCrypto,
        clock: systemClock,
        encoding: { requiredShares: 2, totalShares: 3 },
        random: () => 0.5,
      },
      SDMF_VERSION,
    )
  const nodeMaker = client()
  const directory = await nodeMaker.createNewMutableDirectory()
  await directory.setUri('kept', LIT)
  const cap = parseCapStrict(directory.uri)
  if (!(cap instanceof DirectoryCap)) throw new TypeError('expected the cap of a directory')
  const file = nodeMaker.createFromCap(cap.filenodeCap())
  if (!isMutableFileNode(file)) throw new TypeError('expected a mutable file')
  return { nodeMaker, directory, file, writes: () => writes, other: client }
}

async function outcomeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'done'
  } catch (error) {
    if (isFilesystemError(error)) return error.code
    if (error instanceof Error && 'code' in error) return String(error.code)
    throw error
  }
}

const names = async (directory: IDirectoryNode): Promise<string[]> => [
  ...(await directory.list()).keys(),
]

const { cases: badTables } = await loadVectors<{
  cases: readonly {
    readonly name: string
    readonly packed: string
    readonly read: Readonly<Record<string, { readonly error?: unknown }>>
  }[]
}>('dirnode/bad-tables')

describe('a directory that does not parse', () => {
  it('says so to whoever reads or edits it, stays as it is, and can be put right', async () => {
    const { directory, file, writes, other } = await scene()
    const good = await file.downloadBestVersion()
    const malformed = badTables.filter(({ read }) => read['write']?.error !== undefined)
    expect(malformed.length).toBeGreaterThan(20)
    for (const { name, packed } of malformed) {
      const bad = fromHex(packed)
      await file.overwrite(bad)
      const before = writes()
      const stranger = directoryOf(other(), directory.uri)
      for (const one of [directory, stranger]) {
        const attempts = [
          () => one.list(),
          () => one.get('kept'),
          () => one.setUri('new', LIT),
          () => one.delete('kept'),
          () => one.moveChildTo('kept', one, { newChildName: 'other' }),
          () => one.setMetadataFor('kept', {}),
          () => one.buildManifest().whenDone(),
        ]
        for (const attempt of attempts) {
          expect([name, await outcomeOf(attempt())]).toEqual([name, 'DIRECTORY_MALFORMED'])
        }
      }
      expect(writes()).toBe(before)
      expect(await file.downloadBestVersion()).toEqual(bad)
    }
    await file.overwrite(good)
    await directory.setUri('new', LIT)
    expect(await names(directoryOf(other(), directory.uri))).toEqual(['kept', 'new'])
  })
})

describe('what a directory refuses', () => {
  it.each<[string, string, (directory: IDirectoryNode, nodeMaker: INodeMaker) => Promise<unknown>]>(
    [
      ['an empty name', 'DIRECTORY_EMPTY_PATHNAME_COMPONENT', (one) => one.setUri('', LIT)],
      [
        'an empty new name',
        'DIRECTORY_EMPTY_PATHNAME_COMPONENT',
        (one) => one.moveChildTo('kept', one, { newChildName: '' }),
      ],
      ['a name that is no text', 'DIRECTORY_BAD_CHILD_NAME', (one) => one.setUri('\ud800', LIT)],
      [
        'a subdirectory whose name is no text',
        'DIRECTORY_BAD_CHILD_NAME',
        (one) => one.createSubdirectory('a\udc00'),
      ],
      [
        'a write cap in the place of a read cap',
        'URI_MUST_BE_READONLY',
        (one) => one.setUri('child', undefined, `ro.${SSK}`),
      ],
      [
        'a mutable child that is said to be immutable',
        'URI_MUST_BE_DEEP_IMMUTABLE',
        (one) => one.setUri('child', undefined, `imm.${SSK}`),
      ],
      [
        'a write cap that nobody knows, alone',
        'URI_MUST_NOT_BE_UNKNOWN_RW',
        (one) => one.setUri('child', 'x-future:write'),
      ],
      [
        'an edit through its read cap',
        'NODE_NOT_WRITEABLE',
        (one, nodeMaker) => directoryOf(nodeMaker, one.readonlyUri).setUri('child', LIT),
      ],
      [
        'a move into a directory that cannot be written to',
        'NODE_NOT_WRITEABLE',
        (one, nodeMaker) => one.moveChildTo('kept', directoryOf(nodeMaker, one.readonlyUri)),
      ],
    ],
  )('%s: nothing is written, and it can be read', async (_, code, attempt) => {
    const { directory, nodeMaker, writes, other } = await scene()
    const before = writes()
    expect(await outcomeOf(attempt(directory, nodeMaker))).toBe(code)
    expect(writes()).toBe(before)
    expect(await names(directoryOf(other(), directory.uri))).toEqual(['kept'])
    await directory.setUri('next', LIT)
    expect(await names(directoryOf(other(), directory.uri))).toEqual(['kept', 'next'])
  })
})

describe('a cycle of directories', () => {
  it('is listed, walked through once, and taken apart', async () => {
    const { directory, nodeMaker, other } = await scene()
    const below = await nodeMaker.createNewMutableDirectory()
    await directory.setNode('below', below)
    await directory.setNode('self', directory)
    await below.setUri('above', undefined, directory.readonlyUri)
    const seen = directoryOf(other(), directory.uri)
    expect(await names(seen)).toEqual(['below', 'kept', 'self'])
    const path = ['below', 'above', 'self', 'below', 'above', 'kept']
    expect((await seen.childAtPath(path)).uri).toBe(LIT)
    const { manifest } = await seen.buildManifest().whenDone()
    const walked = manifest.map(([steps]) => steps.join('/'))
    expect(walked.toSorted()).toEqual(['', 'below', 'kept'])
    const stats = await seen.startDeepStats().whenDone()
    expect(stats).toMatchObject({ countDirectories: 2, countLiteralFiles: 1 })
    await seen.delete('self')
    await directoryOf(other(), below.uri).delete('above')
    expect(await names(directory)).toEqual(['below', 'kept'])
    expect(await names(below)).toEqual([])
  })
})
