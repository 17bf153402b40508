import type { Client } from '@lafs/client'
import { isDirectoryNode, isFileNode } from '@lafs/filesystem-interface'
import type { IDirectoryNode, IFilesystemNode } from '@lafs/filesystem-interface'
import { createLocalGrid } from '@lafs/node-directory'
import type { LocalGrid } from '@lafs/node-directory'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { OPEN, STATUS } from '../src/protocol.ts'
import type { SessionContext } from '../src/session.ts'
import { TRANSFERS_MAX } from '../src/transfers.ts'
import { FilesInWork } from '../src/files-in-work.ts'
import {
  concat,
  connect,
  noAttributes,
  offset,
  open,
  REQUEST,
  statusOf,
  text,
  uint32,
} from './raw-client.ts'
import type { Answer, RawClient } from './raw-client.ts'

let grid: LocalGrid
let client: Client
let home: IDirectoryNode
let root: IDirectoryNode
let context: Omit<SessionContext, 'filesInWork'>
let user: RawClient
let number = 0

beforeAll(async () => {
  const encoding = { requiredShares: 1, totalShares: 1 }
  grid = await createLocalGrid({ servers: 1, transport: 'memory', encoding })
  client = await grid.createClient()
  const node = await client.createDirnode()
  if (!isDirectoryNode(node)) throw new TypeError('expected a directory')
  home = node
  context = { client, temporaryFolder: undefined, now: () => 1_700_000_000_000 }
})
afterAll(async () => {
  await client.close()
  await grid.close()
})
beforeEach(async () => {
  root = await home.createSubdirectory(`test ${number++}`)
  user = connect(context, root.uri)
  return async () => {
    await user.leave()
  }
})

const bytes = (value: string): Uint8Array => new TextEncoder().encode(value)
/** The number of the format whose caps may go on behind what names the file. */
const MDMF = 1
const CREATE = OPEN.write | OPEN.create | OPEN.truncate

async function write(of: RawClient, handle: Uint8Array, at: number, value: string): Promise<void> {
  expect(statusOf(await of.ask(REQUEST.write, handle, offset(at), text(value)))).toBe(STATUS.ok)
}

async function close(of: RawClient, handle: Uint8Array): Promise<number> {
  return statusOf(await of.ask(REQUEST.close, handle))
}

async function contentOf(name: string): Promise<string | undefined> {
  if (!(await root.hasChild(name))) return undefined
  const node = await root.get(name)
  if (!isFileNode(node)) throw new TypeError(`expected a file, got ${node.kind}`)
  return new TextDecoder().decode(await node.downloadBestVersion())
}

async function sizeOf(path: string): Promise<number | undefined> {
  const { type, fields } = await user.ask(REQUEST.stat, text(path))
  return type === 105 ? fields.attributes().size : undefined
}

/** Renames, whatever stands at the new path. */
const replace = (from: string, to: string): Promise<Answer> =>
  user.ask(REQUEST.extended, text('posix-rename@openssh.com'), text(from), text(to))

describe('files that are not stored yet', () => {
  it('are there for those who ask', async () => {
    const handle = await open(user, 'new', CREATE)
    await write(user, handle, 0, '12345')
    expect(await sizeOf('new')).toBe(5)
    expect(await contentOf('new')).toBeUndefined()
    expect(await close(user, handle)).toBe(STATUS.ok)
    expect(await contentOf('new')).toBe('12345')
  })

  it('are read back once they are closed, however soon', async () => {
    const handle = await open(user, 'new', CREATE)
    await write(user, handle, 0, 'content')
    const closing = close(user, handle)
    const again = await open(user, 'new', OPEN.read)
    const { fields } = await user.ask(REQUEST.read, again, offset(3), uint32(100))
    expect(new TextDecoder().decode(fields.bytes())).toBe('tent')
    expect(await closing).toBe(STATUS.ok)
  })

  it('follow a rename', async () => {
    const handle = await open(user, 'before', CREATE)
    await write(user, handle, 0, 'moved')
    const renamed = await user.ask(REQUEST.rename, text('before'), text('after'))
    expect(statusOf(renamed)).toBe(STATUS.ok)
    expect(await close(user, handle)).toBe(STATUS.ok)
    expect(await contentOf('before')).toBeUndefined()
    expect(await contentOf('after')).toBe('moved')
  })

  it('follow a rename that was asked for together with everything else', async () => {
    const opened = open(user, 'before', CREATE)
    const renamed = user.ask(REQUEST.rename, text('before'), text('after'))
    const handle = await opened
    await write(user, handle, 0, 'moved')
    expect(await close(user, handle)).toBe(STATUS.ok)
    expect(statusOf(await renamed)).toBe(STATUS.ok)
    expect(await contentOf('after')).toBe('moved')
  })

  it('are in the way of a rename that may not replace anything', async () => {
    await root.setUri('source', undefined, 'URI:LIT:mfrggzdfmztwq')
    const handle = await open(user, 'new', CREATE)
    const renamed = await user.ask(REQUEST.rename, text('source'), text('new'))
    expect(statusOf(renamed)).toBe(STATUS.permissionDenied)
    await write(user, handle, 0, 'content')
    expect(await close(user, handle)).toBe(STATUS.ok)
    expect([await contentOf('source'), await contentOf('new')]).toEqual(['abcdefgh', 'content'])
  })

  it('stay where they are when a rename fails', async () => {
    const target = `/uri/${root.readonlyUri}/moved`
    const handle = await open(user, 'new', CREATE)
    await write(user, handle, 0, 'content')
    const renamed = await user.ask(REQUEST.rename, text('new'), text(target))
    expect(statusOf(renamed)).toBe(STATUS.permissionDenied)
    expect(await close(user, handle)).toBe(STATUS.ok)
    expect(await contentOf('new')).toBe('content')
  })

  it('are stored, both of them, when one was to replace the other and could not', async () => {
    const one = await open(user, 'one', CREATE)
    await write(user, one, 0, 'first')
    const other = await open(user, 'other', CREATE)
    await write(user, other, 0, 'second')
    const directory = client.createNodeFromUri(root.uri)
    if (!isDirectoryNode(directory)) throw new TypeError('expected a directory')
    vi.spyOn(directory, 'moveChildTo').mockRejectedValueOnce(new Error('no server answers'))
    expect(statusOf(await replace('one', 'other'))).toBe(STATUS.failure)
    expect(await close(user, other)).toBe(STATUS.ok)
    expect(await close(user, one)).toBe(STATUS.ok)
    expect([await contentOf('one'), await contentOf('other')]).toEqual(['first', 'second'])
  })

  it('stay what they are when they are renamed to what they are', async () => {
    const handle = await open(user, 'new', CREATE)
    await write(user, handle, 0, 'content')
    expect(statusOf(await replace('new', './new'))).toBe(STATUS.ok)
    expect(await close(user, handle)).toBe(STATUS.ok)
    expect(await contentOf('new')).toBe('content')
  })

  it('are not stored once they are removed', async () => {
    const handle = await open(user, 'gone', CREATE)
    await write(user, handle, 0, 'never')
    expect(statusOf(await user.ask(REQUEST.remove, text('gone')))).toBe(STATUS.ok)
    expect(await close(user, handle)).toBe(STATUS.ok)
    expect(await contentOf('gone')).toBeUndefined()
  })

  it('are stored when they could not be removed', async () => {
    const handle = await open(user, 'kept', CREATE)
    await write(user, handle, 0, 'content')
    const directory = client.createNodeFromUri(root.uri)
    if (!isDirectoryNode(directory)) throw new TypeError('expected a directory')
    vi.spyOn(directory, 'delete').mockRejectedValueOnce(new Error('no server answers'))
    expect(statusOf(await user.ask(REQUEST.remove, text('kept')))).toBe(STATUS.failure)
    expect(await sizeOf('kept')).toBe(7)
    expect(await close(user, handle)).toBe(STATUS.ok)
    expect(await contentOf('kept')).toBe('content')
  })

  it('are not stored when the connection ends before they are closed', async () => {
    const handle = await open(user, 'cut', CREATE)
    await write(user, handle, 0, 'half of it')
    expect(await user.leave()).toBeUndefined()
    expect(await contentOf('cut')).toBeUndefined()
  })

  it('are stored when the connection ends while they are being closed', async () => {
    const handle = await open(user, 'kept', CREATE)
    await write(user, handle, 0, 'all of it')
    void user.ask(REQUEST.close, handle)
    await user.leave()
    expect(await contentOf('kept')).toBe('all of it')
  })

  it('are seen by the other connections of a frontend', async () => {
    const filesInWork = new FilesInWork()
    const one = connect(context, root.uri, filesInWork)
    const other = connect(context, home.uri, filesInWork)
    const handle = await open(one, 'shared', CREATE)
    await write(one, handle, 0, '123')
    const path = `test ${number - 1}/shared`
    const { fields } = await other.ask(REQUEST.stat, text(path))
    expect(fields.attributes().size).toBe(3)
    await one.leave()
    expect(statusOf(await other.ask(REQUEST.stat, text(path)))).toBe(STATUS.noSuchFile)
    await other.leave()
  })
})

describe('a connection ends, however slowly the servers of a file answer', () => {
  it.each([
    ['read', OPEN.read, REQUEST.read, (): Uint8Array => uint32(1)],
    ['written', OPEN.read | OPEN.write, REQUEST.write, (): Uint8Array => text('x')],
  ])('that is %s', async (_what, flags, type, last) => {
    const stuck = {
      kind: 'mutable-file',
      mutable: true,
      readonly: false,
      bestReadableVersion: async () => ({
        size: 1,
        async *read({ signal }: { signal: AbortSignal }) {
          yield new Uint8Array()
          await new Promise((resolve) => {
            if (signal.aborted) resolve(undefined)
            signal.addEventListener('abort', resolve)
          })
          throw signal.reason
        },
      }),
    } as unknown as IFilesystemNode
    const createNodeFromUri = (): IFilesystemNode => stuck
    const other = connect({ ...context, client: { ...client, createNodeFromUri } }, root.uri)
    const handle = await open(other, '/uri/stuck', flags)
    const answer = other.ask(type, handle, offset(0), last())
    expect(await other.leave()).toBeUndefined()
    expect(statusOf(await answer)).toBe(STATUS.failure)
  })
})

describe('many open files', () => {
  const PIECE_SIZE = 64 * 1024
  const PIECE_COUNT = 16
  const FILE_SIZE = PIECE_COUNT * PIECE_SIZE

  /** A piece of a file whose cap is a number. */
  const piece = (file: number, index: number): Buffer =>
    Buffer.alloc(PIECE_SIZE, `file ${file}, piece ${index};`)

  /** A client of such files, which counts the downloads that are under way. */
  function counted(): { client: Client; most: () => number; now: () => number } {
    let now = 0
    let most = 0
    async function* read(file: number, from: number): AsyncGenerator<Uint8Array> {
      now++
      most = Math.max(most, now)
      try {
        for (let at = from; at < FILE_SIZE; at += PIECE_SIZE - (at % PIECE_SIZE)) {
          yield piece(file, Math.floor(at / PIECE_SIZE)).subarray(at % PIECE_SIZE)
        }
      } finally {
        now--
      }
    }
    const createNodeFromUri = (cap: string): IFilesystemNode => {
      if (cap.startsWith('URI:')) return client.createNodeFromUri(cap)
      const version = {
        size: FILE_SIZE,
        read: ({ offset: from = 0 }) => read(Number(cap), from),
      }
      return {
        kind: 'mutable-file',
        mutable: true,
        readonly: false,
        bestReadableVersion: async () => version,
      } as unknown as IFilesystemNode
    }
    return { client: { ...client, createNodeFromUri }, most: () => most, now: () => now }
  }

  it('are fetched and kept in memory a few at a time', async () => {
    const files = counted()
    const other = connect({ ...context, client: files.client }, root.uri)
    const numbers = Array.from({ length: 3 * TRANSFERS_MAX }, (_, index) => index)
    const handles = await Promise.all(numbers.map((file) => open(other, `/uri/${file}`, OPEN.read)))
    for (const index of [0, 1, PIECE_COUNT - 1, 0]) {
      const at = offset(index * PIECE_SIZE)
      const answers = await Promise.all(
        handles.map((handle) => other.ask(REQUEST.read, handle, at, uint32(PIECE_SIZE))),
      )
      for (const [file, { fields }] of answers.entries()) {
        expect(Buffer.compare(fields.bytes(), piece(file, index))).toBe(0)
      }
    }
    expect(files.most()).toBe(TRANSFERS_MAX)
    const [first] = handles
    if (first !== undefined) await close(other, first)
    await other.leave()
    expect(files.now()).toBe(0)
  })

  it('are fetched a few at a time when they are to be written', async () => {
    const files = counted()
    const other = connect({ ...context, client: files.client }, root.uri)
    const numbers = Array.from({ length: 2 * TRANSFERS_MAX }, (_, index) => index)
    const flags = OPEN.read | OPEN.write
    const handles = await Promise.all(numbers.map((file) => open(other, `/uri/${file}`, flags)))
    const sizes = await Promise.all(
      handles.map(async (handle) => (await other.ask(REQUEST.fstat, handle)).fields.attributes()),
    )
    expect(sizes.map(({ size }) => size)).toEqual(numbers.map(() => FILE_SIZE))
    expect(files.most()).toBe(TRANSFERS_MAX)
    await other.leave()
    expect(files.now()).toBe(0)
  })
})

describe('writing', () => {
  it('changes a part, fills gaps with zeros, and appends', async () => {
    await root.setUri('file', undefined, 'URI:LIT:mfrggzdfmztwq') // abcdefgh
    const handle = await open(user, 'file', OPEN.read | OPEN.write)
    await write(user, handle, 2, 'XY')
    await write(user, handle, 10, 'Z')
    expect(await close(user, handle)).toBe(STATUS.ok)
    expect(await contentOf('file')).toBe('abXYefgh\0\0Z')
    const appending = await open(user, 'file', OPEN.write | OPEN.append)
    await write(user, appending, 0, '+1')
    await write(user, appending, 0, '+2')
    expect(await close(user, appending)).toBe(STATUS.ok)
    expect(await contentOf('file')).toBe('abXYefgh\0\0Z+1+2')
  })

  it('cuts off and fills up', async () => {
    await root.setUri('file', undefined, 'URI:LIT:mfrggzdfmztwq')
    const size = (value: number): Uint8Array => concat([uint32(1), offset(value)])
    expect(statusOf(await user.ask(REQUEST.setstat, text('file'), size(3)))).toBe(STATUS.ok)
    expect(await contentOf('file')).toBe('abc')
    const handle = await open(user, 'file', OPEN.read | OPEN.write)
    expect(statusOf(await user.ask(REQUEST.fsetstat, handle, size(5)))).toBe(STATUS.ok)
    expect(await close(user, handle)).toBe(STATUS.ok)
    expect(await contentOf('file')).toBe('abc\0\0')
    // What somebody else puts there is what is there.
    await root.setUri('file', undefined, 'URI:LIT:mfrggzdfmztwq')
    expect(await sizeOf('file')).toBe(8)
  })

  it('has no file in work any more that could not be cut off', async () => {
    await root.setUri('file', undefined, `URI:CHK:${'a'.repeat(26)}:${'a'.repeat(52)}:1:1:1000`)
    const size = concat([uint32(1), offset(3)])
    expect(statusOf(await user.ask(REQUEST.setstat, text('file'), size))).toBe(STATUS.failure)
    expect(await sizeOf('file')).toBe(1000)
  })

  it('leaves a file alone that nothing was written to', async () => {
    const before = await root.setUri('file', undefined, 'URI:LIT:mfrggzdfmztwq')
    const handle = await open(user, 'file', OPEN.read | OPEN.write | OPEN.create)
    expect(await close(user, handle)).toBe(STATUS.ok)
    expect((await root.get('file')).readonlyUri).toBe(before.readonlyUri)
  })

  it('stores nothing of a file that could not be read', async () => {
    const lost = `URI:CHK:${'a'.repeat(26)}:${'a'.repeat(52)}:1:1:1000`
    await root.setUri('lost', undefined, lost)
    const handle = await open(user, 'lost', OPEN.read | OPEN.write)
    for (const value of ['some', 'more']) {
      const written = await user.ask(REQUEST.write, handle, offset(0), text(value))
      expect(statusOf(written)).toBe(STATUS.failure)
    }
    expect(await close(user, handle)).toBe(STATUS.failure)
    expect((await root.get('lost')).readonlyUri).toBe(lost)
  })

  it('makes a file at once where nobody else may have made it', async () => {
    const handle = await open(user, 'mine', CREATE | OPEN.exclusive)
    expect(await contentOf('mine')).toBe('')
    const second = await user.ask(
      REQUEST.open,
      text('mine'),
      uint32(CREATE | OPEN.exclusive),
      noAttributes,
    )
    expect(statusOf(second)).toBe(STATUS.failure)
    await write(user, handle, 0, 'content')
    expect(await close(user, handle)).toBe(STATUS.ok)
    expect(await contentOf('mine')).toBe('content')
  })

  it('does as a model does, whatever is written where', async () => {
    const step = fc.record({
      at: fc.nat(40),
      value: fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 20 }),
    })
    const property = fc.asyncProperty(fc.array(step, { maxLength: 8 }), async (steps) => {
      await root.setUri('model', undefined, 'URI:LIT:mfrggzdfmztwq')
      let model = bytes('abcdefgh')
      const handle = await open(user, 'model', OPEN.read | OPEN.write)
      for (const { at, value } of steps) {
        const longer = new Uint8Array(Math.max(model.length, at + value.length))
        longer.set(model)
        longer.set(bytes(value), at)
        model = longer
        await write(user, handle, at, value)
        const { fields } = await user.ask(REQUEST.read, handle, offset(0), uint32(100))
        expect([...fields.bytes()]).toEqual([...model])
      }
      expect(await close(user, handle)).toBe(STATUS.ok)
      expect(await contentOf('model')).toBe(new TextDecoder().decode(model))
    })
    await fc.assert(property, { seed: 5, numRuns: 15 })
  })
})

describe('requests that cannot be granted', () => {
  const cases: [what: string, type: number, fields: () => Uint8Array[], status: number][] = [
    ['no mode', REQUEST.open, () => [text('f'), uint32(OPEN.create), noAttributes], 5],
    ['exclusive alone', REQUEST.open, () => [text('f'), uint32(OPEN.read | 32), noAttributes], 5],
    ['no such file', REQUEST.open, () => [text('f'), uint32(OPEN.read), noAttributes], 2],
    ['the root as a file', REQUEST.open, () => [text('/'), uint32(OPEN.read), noAttributes], 3],
    ['a cap of nothing', REQUEST.open, () => [text('/uri/x'), uint32(1), noAttributes], 3],
    ['a path that is no UTF-8', REQUEST.stat, () => [text(Uint8Array.of(0xff))], 2],
    ['a handle that was never open', REQUEST.read, () => [text('xxxx'), offset(0), uint32(1)], 5],
    ['a handle of another length', REQUEST.close, () => [text('x')], 5],
    ['a name that is cut off', REQUEST.stat, () => [uint32(100)], 5],
    ['no fields at all', REQUEST.open, () => [], 5],
    ['a link', REQUEST.symlink, () => [text('a'), text('b')], 8],
    ['reading a link', REQUEST.readlink, () => [text('a')], 8],
    ['an unknown type', 99, () => [text('a')], 8],
    ['an unknown extension', REQUEST.extended, () => [text('x@y')], 8],
    ['half an extension', REQUEST.extended, () => [text('posix-rename@openssh.com')], 5],
    ['removing the root', REQUEST.rmdir, () => [text('/')], 2],
    ['renaming the root', REQUEST.rename, () => [text('/'), text('x')], 2],
    ['a read-only directory', REQUEST.mkdir, () => [text('d'), uint32(4), uint32(0o555)], 3],
  ]
  it.each(cases)('%s', async (_what, type, fields, status) => {
    expect(statusOf(await user.ask(type, ...fields()))).toBe(status)
    expect(await sizeOf('/')).toBeUndefined()
  })

  it('a file that is named by its cap, where it cannot be written or has to be new', async () => {
    const { uri, readonlyUri } = await client.createMutableFile(bytes('content'))
    for (const [cap, flags, status] of [
      [readonlyUri, OPEN.write, STATUS.permissionDenied],
      ['URI:LIT:mfrggzdfmztwq', OPEN.write, STATUS.permissionDenied],
      [uri, OPEN.write | OPEN.create | OPEN.exclusive, STATUS.failure],
    ] as const) {
      const asked = await user.ask(REQUEST.open, text(`/uri/${cap}`), uint32(flags), noAttributes)
      expect(statusOf(asked)).toBe(status)
    }
  })

  it('an offset beyond what can be counted', async () => {
    const handle = await open(user, 'file', CREATE)
    const huge = new Uint8Array(8).fill(0xff)
    expect(statusOf(await user.ask(REQUEST.write, handle, huge, text('x')))).toBe(5)
  })

  it('more files than anybody needs', async () => {
    await root.setUri('file', undefined, 'URI:LIT:mfrggzdfmztwq')
    const asked = Array.from({ length: 1030 }, () =>
      user.ask(REQUEST.open, text('file'), uint32(OPEN.read), noAttributes),
    )
    const answers = await Promise.all(asked)
    expect(answers.filter(({ type }) => type === 102)).toHaveLength(1024)
  })

  it.each([
    ['an empty message', uint32(0)],
    ['a message that is too long', uint32(2 ** 20)],
  ])('%s ends the connection', async (_what, message) => {
    user.send(message)
    expect(await user.leave()).toMatchObject({ status: STATUS.badMessage })
  })

  it('noise is answered or ends the connection, and the server lives', async () => {
    const message = fc
      .uint8Array({ minLength: 1, maxLength: 60 })
      .map((body) => concat([uint32(body.length), body]))
    const property = fc.asyncProperty(fc.array(message, { maxLength: 20 }), async (noise) => {
      const other = connect(context, root.uri)
      for (const one of noise) other.send(one)
      await other.leave()
    })
    await fc.assert(property, { seed: 7, numRuns: 100 })
    expect(statusOf(await user.ask(REQUEST.stat, text('nowhere')))).toBe(STATUS.noSuchFile)
  })
})

it('keeps an entry that is renamed to itself, however it is named', async () => {
  const { uri } = await client.createDirnode(undefined, { version: MDMF })
  const place = (cap: string, name: string): string => `/uri/${cap}/${name}`
  const handle = await open(user, place(uri, 'caf\u00e9'), CREATE)
  await write(user, handle, 0, 'content')
  expect(await close(user, handle)).toBe(STATUS.ok)
  for (const to of [place(`${uri}:3:131073`, 'caf\u00e9'), place(uri, 'cafe\u0301')]) {
    expect(statusOf(await replace(place(uri, 'caf\u00e9'), to))).toBe(STATUS.ok)
    expect(await sizeOf(place(uri, 'caf\u00e9'))).toBe(7)
  }
})

it('leaves a directory where it is that was to go into itself', async () => {
  const made = await user.ask(REQUEST.mkdir, text('d\u00e9/inner'), noAttributes)
  expect(statusOf(made)).toBe(STATUS.ok)
  for (const to of ['d\u00e9/x', 'de\u0301/inner/x', './d\u00e9/inner/../x']) {
    expect(statusOf(await replace('d\u00e9', to))).toBe(STATUS.failure)
    const renamed = await user.ask(REQUEST.rename, text('d\u00e9'), text(to))
    expect(statusOf(renamed)).toBe(STATUS.failure)
  }
  expect([...(await root.list()).keys()]).toEqual(['d\u00e9'])
  expect(statusOf(await replace('d\u00e9/inner', 'd\u00e9s'))).toBe(STATUS.ok)
  expect([...(await root.list()).keys()].toSorted()).toEqual(['d\u00e9', 'd\u00e9s'])
})

it('makes a missing directory once for two users who ask at the same time', async () => {
  const other = connect(context, root.uri)
  const asked = await Promise.all(
    [user, other].map((one, index) => one.ask(REQUEST.mkdir, text(`new/${index}`), noAttributes)),
  )
  expect(asked.map(statusOf)).toEqual([STATUS.ok, STATUS.ok])
  const made = await root.get('new')
  expect(isDirectoryNode(made) && [...(await made.list()).keys()].toSorted()).toEqual(['0', '1'])
  await other.leave()
})

describe('a listing', () => {
  /** The answers to as many requests for entries as there are answers. */
  async function list(): Promise<{ name: string; longName: string }[][]> {
    const opened = await user.ask(REQUEST.opendir, text('/'))
    const handle = text(opened.fields.bytes())
    const answers: { name: string; longName: string }[][] = []
    for (;;) {
      const { type, fields } = await user.ask(REQUEST.readdir, handle)
      if (type !== 104) return answers
      const entries = []
      for (let left = fields.uint32(); left > 0; left--) {
        const [name, longName] = [fields.text(), fields.text()]
        fields.attributes()
        entries.push({ name, longName })
      }
      answers.push(entries)
    }
  }

  async function link(names: readonly string[]): Promise<void> {
    const node = client.createNodeFromUri('URI:LIT:mfrggzdfmztwq')
    await root.setNodes(new Map(names.map((name) => [name, { node }])))
  }

  it('has what paths lead to', async () => {
    const names = ['...', ' ', 'a\\b', 'plain', '~']
    await link([...names, '.', '..', '/', '../up', 'a/b', 'nul\0'])
    expect((await list()).flat().map(({ name }) => name)).toEqual(names.toSorted())
    for (const name of names) expect(await sizeOf(name)).toBe(8)
  })

  it('has a line for each, in which nothing but that can be read', async () => {
    const name = 'a\n-rw-rw-rw- \u001B[31mred\u202Etxt'
    await link([name])
    const [entry] = (await list()).flat()
    expect(entry?.name).toBe(name)
    expect(entry?.longName).toMatch(/ a\?-rw-rw-rw- \?\[31mred\?txt$/)
  })

  it('is not begun while too much of others is still to be told', async () => {
    const child = { node: client.createNodeFromUri('URI:LIT:mfrggzdfmztwq'), metadata: {} }
    const children = new Map(
      Array.from({ length: 300 }, (_, index) => [`${index}`.padEnd(20_000, 'x'), child]),
    )
    vi.spyOn(root, 'list').mockResolvedValue(children)
    const createNodeFromUri = (): IFilesystemNode => root
    const other = connect({ ...context, client: { ...client, createNodeFromUri } }, root.uri)
    const opened = await other.ask(REQUEST.opendir, text('/'))
    expect(opened.type).toBe(102)
    const refused = await other.ask(REQUEST.opendir, text('/'))
    expect(statusOf(refused)).toBe(STATUS.failure)
    expect(await close(other, text(opened.fields.bytes()))).toBe(STATUS.ok)
    expect((await other.ask(REQUEST.opendir, text('/'))).type).toBe(102)
    await other.leave()
  })

  it('fits into messages that clients take, however long the names are', async () => {
    const long = Array.from({ length: 5 }, (_, index) => `${index}`.repeat(40_000))
    const short = Array.from({ length: 120 }, (_, index) => `x${index}`)
    await link([...long, ...short, 'y'.repeat(70_000), 'z'])
    const answers = await list()
    expect(answers.flat()).toHaveLength(127)
    expect(answers.map((entries) => entries.length)).toEqual([1, 1, 1, 1, 100, 21, 1, 1])
  })
})
