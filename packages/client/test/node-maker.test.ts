import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { defaultCrypto } from '@lafs/crypto'
import { isDirectoryNode, isMutableFileNode } from '@lafs/filesystem-interface'
import type {
  IDirectoryNode,
  IFilesystemNode,
  IMutableFileNode,
  NodeKind,
} from '@lafs/filesystem-interface'
import { MDMF_VERSION, SDMF_VERSION } from '@lafs/storage-interface'
import { systemClock } from '@lafs/storage-protocol/waiting'
import { loadVectors } from '@lafs/vectors'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Client } from '../src/client.ts'
import { createNodeMaker } from '../src/node-maker.ts'
import { createMemoryGrid } from './memory-grid.ts'
import type { MemoryGrid } from './memory-grid.ts'
import { WeakValueMap } from '../src/weak-value-map.ts'

let grid: MemoryGrid
let client: Client
beforeAll(async () => {
  const encoding = { requiredShares: 1, happyShares: 2, totalShares: 2 }
  grid = await createMemoryGrid(2, encoding)
  client = await grid.createClient()
})
afterAll(async () => {
  await client.close()
})

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (data: Uint8Array): string => new TextDecoder().decode(data)

function mutableFile(of: Client, cap: string): IMutableFileNode {
  const node = of.createNodeFromUri(cap)
  if (isMutableFileNode(node)) return node
  throw new TypeError(`expected a mutable file, got ${node.kind}`)
}

function directory(of: Client, cap: string): IDirectoryNode {
  const node = of.createNodeFromUri(cap)
  if (isDirectoryNode(node)) return node
  throw new TypeError(`expected a directory, got ${node.kind}`)
}

describe('createMutableFile', () => {
  it.each([
    ['SDMF', SDMF_VERSION, /^URI:SSK:/],
    ['MDMF', MDMF_VERSION, /^URI:MDMF:/],
  ] as const)(
    'makes a file of the client’s own format, %s',
    async (mutableFormat, version, cap) => {
      await using own = await grid.createClient({ mutableFormat })
      const node = await own.createMutableFile(bytes('first'))
      expect(node.uri).toMatch(cap)
      expect(node.version).toBe(version)
      await node.overwrite(bytes('second'))
      await using other = await grid.createClient()
      expect(text(await mutableFile(other, node.readonlyUri).downloadBestVersion())).toBe('second')
    },
  )

  it('makes the format that is asked for', async () => {
    const node = await client.createMutableFile(undefined, { version: MDMF_VERSION })
    expect(node.cap.kind).toBe('mdmf')
    expect(await node.downloadBestVersion()).toEqual(new Uint8Array(0))
  })
})

describe('createNodeFromUri', () => {
  it('gives one node for one cap of a mutable object, so that its edits wait for each other', async () => {
    const file = await client.createMutableFile(bytes('0'))
    expect(client.createNodeFromUri(file.uri)).toBe(file)
    const reader = client.createNodeFromUri(undefined, file.readonlyUri)
    expect(reader).not.toBe(file)
    expect(client.createNodeFromUri(file.readonlyUri)).toBe(reader)
    const add = (): Promise<unknown> =>
      mutableFile(client, file.uri).modify((old) => bytes(String(Number(text(old)) + 1)))
    await Promise.all(Array.from({ length: 5 }, add))
    expect(text(await file.downloadBestVersion())).toBe('5')
  })

  it('gives a directory and the file of its table together', async () => {
    const made = await client.createDirnode()
    expect(client.createNodeFromUri(made.uri)).toBe(made)
    expect(made.uri).toMatch(/^URI:DIR2:/)
    const names = Array.from({ length: 5 }, (_, index) => `child ${index}`)
    await Promise.all(
      names.map((name) => directory(client, made.uri).setUri(name, 'URI:LIT:onwwc3dm')),
    )
    expect([...(await made.list()).keys()].toSorted()).toEqual(names)
    await using other = await grid.createClient()
    const readonly = directory(other, made.readonlyUri)
    expect(readonly.readonly).toBe(true)
    expect((await readonly.list()).size).toBe(5)
  })

  it('takes the cap that writes before the one that reads', async () => {
    const file = await client.createMutableFile()
    expect(client.createNodeFromUri(file.uri, file.readonlyUri)).toBe(file)
    expect(client.createNodeFromUri('', file.readonlyUri).readonly).toBe(true)
    expect(client.createNodeFromUri(file.cap)).toBe(file)
  })

  it('knows immutable files and directories, and has no need to keep them', () => {
    const cap = `URI:CHK:${'a'.repeat(26)}:${'a'.repeat(52)}:1:2:1000`
    const node = client.createNodeFromUri(cap)
    expect(node).toMatchObject({ kind: 'immutable-file', size: 1000, uri: cap })
    expect(client.createNodeFromUri(cap)).not.toBe(node)
    expect(client.createNodeFromUri('URI:DIR2-LIT:')).toMatchObject({ kind: 'directory' })
  })

  const KEYS = `${'a'.repeat(26)}:${'a'.repeat(52)}`
  it.each([
    ['a cap of the future', 'x-tahoe-future:secret', 'URI_MUST_NOT_BE_UNKNOWN_RW'],
    ['a malformed cap', 'URI:SSK:secret', 'URI_MUST_NOT_BE_UNKNOWN_RW'],
    ['a verify cap', `URI:SSK-Verifier:${KEYS}`, 'URI_MUST_NOT_BE_UNKNOWN_RW'],
    ['a write cap that says it does not write', `ro.URI:SSK:${KEYS}`, 'URI_MUST_BE_READONLY'],
    ['a mutable cap that says it is none', `imm.URI:SSK-RO:${KEYS}`, 'URI_MUST_BE_DEEP_IMMUTABLE'],
  ])('gives an unknown node for %s, which holds the error', (_what, cap, code) => {
    const node = client.createNodeFromUri(cap)
    expect(node).toMatchObject({ kind: 'unknown', unknown: true, uri: undefined })
    expect(() => node.raiseError()).toThrow(expect.objectContaining({ code }))
    expect(() => node.raiseError()).toThrow(/^(?!.*(secret|aaaa))/)
  })

  it('keeps a cap of the future that says it only reads', () => {
    const node = client.createNodeFromUri('ro.x-tahoe-future:reads')
    expect(node).toMatchObject({ kind: 'unknown', readonlyUri: 'ro.x-tahoe-future:reads' })
    expect(() => node.raiseError()).not.toThrow()
  })

  it('gives a node without a cap for no cap at all', () => {
    expect(client.createNodeFromUri(undefined)).toMatchObject({ kind: 'unknown', uri: undefined })
  })
})

interface NodeCase {
  readonly write: string | null
  readonly read: string | null
  readonly deepImmutable: boolean
  readonly node: {
    readonly class: string
    readonly writeUri?: string | null
    readonly readUri?: string | null
    readonly allowedInImmutable?: boolean
    readonly error?: { readonly type: string }
  }
}

const KINDS: Readonly<Record<string, NodeKind>> = {
  LiteralFileNode: 'immutable-file',
  ImmutableFileNode: 'immutable-file',
  MutableFileNode: 'mutable-file',
  DirectoryNode: 'directory',
  UnknownNode: 'unknown',
}

const { cases } = await loadVectors<{ cases: readonly NodeCase[] }>('dirnode/nodes')

describe('createNodeMaker', () => {
  // Upstream has a node of its own for what a CHK verify cap names, which reads ciphertext.
  const readable = cases.filter(({ node }) => node.class !== 'CiphertextFileNode')

  it(`makes the nodes that upstream’s makes of ${readable.length} pairs of caps`, () => {
    const { broker, codec, encoding, keyPool } = client
    const nodeMaker = createNodeMaker({
      mutable: {
        broker,
        codec,
        encoding,
        crypto: defaultCrypto,
        clock: systemClock,
        leaseSecret: new Uint8Array(32),
        random: Math.random,
      },
      keyPool,
      uploader: client,
      mutableVersion: SDMF_VERSION,
    })
    for (const { write, read, deepImmutable, node: wanted } of readable) {
      const options = { deepImmutable, name: 'the name' }
      const node = nodeMaker.createFromCap(write ?? undefined, read ?? undefined, options)
      const got = {
        kind: node.kind,
        writeUri: node.writeUri ?? null,
        readUri: node.readonlyUri ?? null,
        allowedInImmutable: node.allowedInImmutableDirectory,
        fails: failureOf(node) !== undefined,
      }
      const { class: kind, error, ...facts } = wanted
      expect(got, `${write} and ${read}, ${deepImmutable}`).toMatchObject({
        kind: KINDS[kind],
        fails: error !== undefined,
        ...('writeUri' in facts && { writeUri: facts.writeUri }),
        ...('readUri' in facts && { readUri: facts.readUri }),
        ...('allowedInImmutable' in facts && { allowedInImmutable: facts.allowedInImmutable }),
      })
      if (error?.type.startsWith('Must') === true) {
        expect(failureOf(node)).toMatchObject({ name: error.type, childName: 'the name' })
      }
    }
  })
})

function failureOf(node: IFilesystemNode): unknown {
  try {
    node.raiseError()
    return undefined
  } catch (error) {
    return error
  }
}

describe('createDirnode', () => {
  it('makes a directory with its first children, of the format that is asked for', async () => {
    const child = client.createNodeFromUri('URI:LIT:onwwc3dm')
    const children = new Map([['Å', { node: child, metadata: { own: 1 } }]])
    const made = await client.createDirnode(children, { version: MDMF_VERSION })
    expect(made.uri).toMatch(/^URI:DIR2-MDMF:/)
    await using other = await grid.createClient()
    const [entry] = await directory(other, made.uri).list()
    expect(entry).toMatchObject(['Å', { metadata: { own: 1 }, node: { uri: 'URI:LIT:onwwc3dm' } }])
  })

  it('refuses a child that breaks a constraint, before it makes anything', async () => {
    const node = client.createNodeFromUri('x-tahoe-future:secret')
    await expect(client.createDirnode(new Map([['bad', { node }]]))).rejects.toMatchObject({
      code: 'URI_MUST_NOT_BE_UNKNOWN_RW',
    })
  })
})

describe('createImmutableDirectory', () => {
  it('makes a directory of immutable children, in the cap itself or on the servers', async () => {
    const node = client.createNodeFromUri('URI:LIT:onwwc3dm')
    expect((await client.createImmutableDirectory(new Map())).uri).toBe('URI:DIR2-LIT:')
    const metadata = { note: 'too much for the cap itself '.repeat(3) }
    const made = await client.createImmutableDirectory(new Map([['one', { node, metadata }]]))
    expect(made.uri).toMatch(/^URI:DIR2-CHK:/)
    expect([...(await directory(client, made.uri).list()).keys()]).toEqual(['one'])
    await expect(made.setUri('two', 'URI:LIT:onwwc3dm')).rejects.toMatchObject({
      code: 'NODE_NOT_WRITEABLE',
    })
  })

  it('refuses a child that can change', async () => {
    const node = await client.createMutableFile()
    await expect(
      client.createImmutableDirectory(new Map([['mutable', { node }]])),
    ).rejects.toMatchObject({ code: 'URI_MUST_BE_DEEP_IMMUTABLE' })
  })
})

describe('a closed client', () => {
  it('makes nothing more', async () => {
    const own = await grid.createClient()
    await own.close()
    const closed = { code: 'CLIENT_CLOSED' }
    await expect(own.createMutableFile()).rejects.toMatchObject(closed)
    await expect(own.createDirnode()).rejects.toMatchObject(closed)
    await expect(own.createImmutableDirectory(new Map())).rejects.toMatchObject(closed)
    expect(() => own.createNodeFromUri('URI:LIT:')).toThrow(expect.objectContaining(closed))
  })
})

describe('WeakValueMap', () => {
  it('gives what somebody holds, and the newest of two', () => {
    const map = new WeakValueMap<object>()
    const [first, second] = [{ n: 1 }, { n: 2 }]
    expect(map.get('key')).toBeUndefined()
    map.set('key', first)
    expect(map.get('key')).toBe(first)
    map.set('key', second)
    expect(map.get('key')).toBe(second)
  })

  it('lets go of what nobody holds', async () => {
    const map = new WeakValueMap<object>()
    map.set('key', { nobody: 'holds me' })
    setFlagsFromString('--expose-gc')
    const collectGarbage = runInNewContext('gc') as () => void
    for (let turn = 0; turn < 20 && map.get('key') !== undefined; turn++) {
      // What has been looked at stays until the end of a turn.
      await sleep(0)
      collectGarbage()
    }
    expect(map.get('key')).toBeUndefined()
  })
})
