import type { IDirectoryNode, NewChild } from '@lafs/filesystem-interface'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { monitored, placeInWalk, traverse } from '../src/index.ts'
import type { TraversalEntry, TraverseOptions } from '../src/index.ts'
import { MemoryGrid } from './doubles.ts'

const LIT = 'URI:LIT:onxw2zjaorsxq5a'

function chk(number: number): string {
  const letter = 'abcdefghij'[number % 10] ?? 'a'
  return `URI:CHK:${letter.repeat(25)}a:${'a'.repeat(52)}:3:10:${1000 + number}`
}

/** A line for each entry of a walk. */
async function linesOf(root: IDirectoryNode, options?: TraverseOptions): Promise<string[]> {
  const lines: string[] = []
  for await (const entry of traverse(root, options)) lines.push(lineOf(entry))
  return lines
}

function lineOf(entry: TraversalEntry): string {
  const path = entry.path.join('/')
  if (entry.type === 'object') return path
  if (entry.type === 'listing') return `${path} holds ${entry.childCount}`
  return `${path} ${String(entry.error)}`
}

/** The paths of all objects that a walk comes to. */
async function pathsOf(root: IDirectoryNode, options?: TraverseOptions): Promise<string[]> {
  const paths: string[] = []
  for await (const { type, path } of traverse(root, options)) {
    if (type === 'object') paths.push(path.join('/'))
  }
  return paths
}

/** What upstream's walk does, word by word, and one thing at a time. */
async function plainWalk(root: IDirectoryNode): Promise<string[]> {
  const paths: string[] = []
  const found = new Set([root.verifyCap?.format()])
  const visit = async (directory: IDirectoryNode, path: readonly string[]): Promise<void> => {
    paths.push(path.join('/'))
    const files: string[] = []
    const directories: [IDirectoryNode, string[]][] = []
    const children = [...(await directory.list())].toSorted(([a], [b]) => (a < b ? -1 : 1))
    for (const [name, { node }] of children) {
      const key = node.verifyCap?.format()
      if (node.unknown) paths.push([...path, name].join('/'))
      else if (key !== undefined && found.has(key)) continue
      else if (node.kind === 'directory')
        directories.push([node as IDirectoryNode, [...path, name]])
      else files.push([...path, name].join('/'))
      if (!node.unknown && key !== undefined) found.add(key)
    }
    paths.push(...files)
    for (const [node, below] of directories) await visit(node, below)
  }
  await visit(root, [])
  return paths
}

/** A root with directories that are reached in several ways, and in a circle. */
async function tangle(grid: MemoryGrid): Promise<IDirectoryNode> {
  const root = await grid.createNewMutableDirectory()
  const shared = await root.createSubdirectory('b shared')
  await shared.setUri('chk', chk(1))
  await shared.setNode('back', root)
  await shared.setNode('myself', shared)
  const first = await root.createSubdirectory('a first')
  await first.setUri('link', undefined, shared.readonlyUri)
  await first.setUri('lit', LIT)
  await root.setUri('lit', LIT)
  await root.setUri('chk again', chk(1))
  await root.setUri('unknown', 'x-future:1', 'ro.x-future:2')
  await root.setUri('mutable', (await grid.createMutableFile()).uri)
  return root
}

/** Directories that link to each other and to files as they like. */
const edges = fc.array(
  fc.record({ from: fc.nat(7), to: fc.nat(9), name: fc.constantFrom('a', 'b', 'c', 'd') }),
  { maxLength: 25 },
)

async function graph(
  grid: MemoryGrid,
  links: readonly { from: number; to: number; name: string }[],
): Promise<IDirectoryNode> {
  const directories = await Promise.all(
    Array.from({ length: 8 }, () => grid.createNewMutableDirectory()),
  )
  for (const { from, to, name } of links) {
    const target: NewChild = { node: directories[to] ?? grid.createFromCap(chk(to)) }
    await directories[from]?.setNodes(new Map([[name, target]]))
  }
  const [root] = directories
  if (root === undefined) throw new Error('expected a root')
  return root
}

describe('walking', () => {
  it('tells each object once, a circle or not', async () => {
    const grid = new MemoryGrid()
    const root = await tangle(grid)
    expect(await linesOf(root)).toEqual([
      '',
      ' holds 6',
      'unknown',
      'chk again',
      'lit',
      'mutable',
      'a first',
      'a first holds 2',
      'a first/lit',
      'b shared',
      'b shared holds 3',
    ])
    expect(await pathsOf(root)).toEqual(await plainWalk(root))
  })

  it('lists and sums up', async () => {
    const grid = new MemoryGrid()
    const root = await tangle(grid)
    const monitor = root.buildManifest()
    expect(monitor.originStorageIndex).toEqual(root.storageIndex)
    const { manifest, verifyCaps, storageIndexes, stats, failures } = await monitor.whenDone()
    expect([monitor.finished, monitor.status?.manifest]).toEqual([true, manifest])
    expect(failures).toEqual([])
    expect(manifest[0]).toEqual([[], root.uri])
    expect(manifest.find(([path]) => path[0] === 'chk again')).toEqual([['chk again'], chk(1)])
    expect(manifest.length).toBe(8)
    expect([verifyCaps.size, storageIndexes.size]).toEqual([5, 5])
    expect(await root.startDeepStats().whenDone()).toEqual({ ...stats, failures: [] })
    const tables = [root, await root.get('a first'), await root.get('b shared')]
    const sizes = await Promise.all(tables.map((node) => node.currentSize()))
    expect(stats).toEqual({
      countImmutableFiles: 1,
      countMutableFiles: 1,
      countLiteralFiles: 2,
      countFiles: 4,
      countDirectories: 3,
      countUnknown: 1,
      sizeImmutableFiles: 1001,
      sizeLiteralFiles: 18,
      sizeDirectories: sizes.reduce((a, b) => a + b),
      largestDirectory: Math.max(...sizes),
      largestDirectoryChildren: 6,
      largestImmutableFile: 1001,
      sizeFilesHistogram: [
        [4, 10, 2],
        [1001, 3162, 1],
      ],
    })
  })

  it('goes through any graph as upstream does', async () => {
    await fc.assert(
      fc.asyncProperty(edges, async (links) => {
        const grid = new MemoryGrid()
        const root = await graph(grid, links)
        grid.reads.length = 0
        const paths = await pathsOf(root)
        expect(new Set(grid.reads).size).toBe(grid.reads.length)
        expect(paths).toEqual(await plainWalk(root))
      }),
      { seed: 11, numRuns: 60 },
    )
  })

  it('reads several directories at one time, and not all', async () => {
    const grid = new MemoryGrid()
    const root = await grid.createNewMutableDirectory()
    const children = new Map<string, NewChild>()
    for (let index = 0; index < 100; index++) {
      children.set(`${index}`, { node: await grid.createNewMutableDirectory() })
    }
    await root.setNodes(children)
    let reading = 0
    let most = 0
    grid.beforeRead = async () => {
      most = Math.max(most, ++reading)
      await new Promise((resolve) => setTimeout(resolve, 1))
      reading--
    }
    expect((await root.startDeepStats().whenDone()).countDirectories).toBe(101)
    expect(most).toBe(8)
  })

  it('reads no more than a little ahead of a reader that is busy', async () => {
    const grid = new MemoryGrid()
    const root = await grid.createNewMutableDirectory()
    const children = new Map<string, NewChild>()
    for (let index = 0; index < 200; index++) {
      const below = await grid.createNewMutableDirectory()
      children.set(`${1000 + index}`, { node: below })
    }
    await root.setNodes(children)
    grid.reads.length = 0
    const walk = traverse(root)
    expect(grid.reads.length).toBe(0)
    const readsAfter: number[] = []
    for (let entries = 0; entries < 5; entries++) {
      await walk.next()
      await new Promise((resolve) => setTimeout(resolve, 5))
      readsAfter.push(grid.reads.length)
    }
    // The root; then the directory whose turn it is, and 64 more.
    expect(readsAfter).toEqual([1, 1, 66, 66, 66])
    await walk.return(undefined)
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect(grid.reads.length).toBe(66)
  })

  it('walks through a directory of very many directories', async () => {
    const grid = new MemoryGrid()
    const root = await grid.createNewMutableDirectory()
    const empty = await grid.createImmutableDirectory(new Map())
    const children = new Map(
      Array.from({ length: 3000 }, (_, index) => [`${index}`, { node: empty }] as const),
    )
    await root.setNodes(children)
    expect((await root.startDeepStats().whenDone()).countDirectories).toBe(3001)
  })
})

describe('going on after an earlier walk', () => {
  it('tells the rest, and the directories on the way down', async () => {
    const grid = new MemoryGrid()
    const root = await tangle(grid)
    const rests: [after: string[], expected: string[]][] = [
      [[], await pathsOf(root)],
      [[''], await pathsOf(root)],
      [
        ['chk again'],
        // What has two places may be told again.
        ['', 'lit', 'mutable', 'a first', 'a first/lit', 'b shared', 'b shared/chk'],
      ],
      // Something that is gone, or has become another kind of thing.
      [['d gone'], ['', 'lit', 'mutable', 'a first', 'a first/lit', 'b shared', 'b shared/chk']],
      [
        ['a first', ''],
        ['', 'a first', 'a first/lit', 'b shared', 'b shared/chk'],
      ],
      [
        ['a first', 'lit'],
        ['', 'a first', 'b shared', 'b shared/chk'],
      ],
      [
        ['b', 'whatever'],
        ['', 'b shared', 'b shared/chk'],
      ],
      [['lit', ''], ['']],
      [['z'], ['', 'a first', 'a first/lit', 'b shared', 'b shared/chk']],
    ]
    for (const [after, expected] of rests) {
      expect([after, await pathsOf(root, { after })]).toEqual([after, expected])
    }
  })

  it('leaves nothing out of any graph, wherever the first walk stopped', async () => {
    await fc.assert(
      fc.asyncProperty(edges, async (links) => {
        const grid = new MemoryGrid()
        const root = await graph(grid, links)
        const objects: TraversalEntry[] = []
        for await (const entry of traverse(root)) {
          if (entry.type === 'object') objects.push(entry)
        }
        for (const [index, { path, node }] of objects.entries()) {
          const caps = new Set(
            objects.slice(0, index + 1).map((one) => one.node.verifyCap?.format()),
          )
          let again = 0
          for await (const entry of traverse(root, { after: placeInWalk(path, node) })) {
            if (entry.type !== 'object') continue
            const cap = entry.node.verifyCap?.format()
            if (caps.has(cap)) again++
            caps.add(cap)
          }
          expect(caps.size).toBe(objects.length)
          expect(again).toBeLessThanOrEqual(index + 1)
        }
      }),
      { seed: 12, numRuns: 60 },
    )
  })

  it('leaves out nothing that is there still, whatever is put before the place meanwhile', async () => {
    const grid = new MemoryGrid()
    const root = await grid.createNewMutableDirectory()
    const middle = await root.createSubdirectory('m')
    await middle.setUri('x', chk(1))
    await middle.setUri('y', chk(2))
    // The directory of the place gets a second name before it, and so does the file that comes next.
    await root.setNode('a', middle)
    await root.setUri('b', chk(2))
    expect(await pathsOf(root, { after: ['m', 'x'] })).toEqual(['', 'm', 'm/y'])
  })
})

describe('a directory that cannot be read', () => {
  it('is told, and the walk goes on', async () => {
    const grid = new MemoryGrid()
    const root = await tangle(grid)
    const lost = await root.createSubdirectory('a lost')
    await lost.setUri('chk', chk(2))
    await root.createSubdirectory('c malformed')
    grid.slots.delete([...grid.slots.keys()].at(-2) ?? '')
    const malformed = [...grid.slots.values()].at(-1)
    if (malformed !== undefined) malformed.contents = new TextEncoder().encode('no table')
    const lines = await linesOf(root)
    expect(lines.slice(-8)).toEqual(
      [
        'a first',
        'a first holds 2',
        'a first/lit',
        'a lost',
        'a lost Error: there is no such file in the grid',
        'b shared',
        'b shared holds 3',
        'c malformed',
        expect.stringMatching(/^c malformed MalformedDirectoryError: /),
      ].slice(-8),
    )
    const { manifest, failures, stats } = await root.buildManifest().whenDone()
    expect(manifest.map(([path]) => path.join('/'))).toEqual(await pathsOf(root))
    expect(failures.map(({ path }) => path)).toEqual([['a lost'], ['c malformed']])
    expect(failures[1]?.error).toMatchObject({ code: 'DIRECTORY_MALFORMED' })
    expect(stats).toMatchObject({ countDirectories: 5 })
    expect(await root.startDeepStats().whenDone()).toEqual({ ...stats, failures })
  })

  it('ends lists and sums where it is the one that they begin at', async () => {
    const grid = new MemoryGrid()
    const root = await tangle(grid)
    grid.slots.clear()
    expect(await linesOf(root)).toEqual(['', ' Error: there is no such file in the grid'])
    for (const monitor of [root.buildManifest(), root.startDeepStats()]) {
      await expect(monitor.whenDone()).rejects.toThrow('no such file')
    }
  })
})

describe('ending a walk', () => {
  it('can be done at every entry', async () => {
    const grid = new MemoryGrid()
    const root = await tangle(grid)
    const all = await linesOf(root)
    for (let step = 0; step < all.length; step++) {
      const controller = new AbortController()
      const seen: string[] = []
      const walk = async (): Promise<void> => {
        for await (const entry of traverse(root, { signal: controller.signal })) {
          seen.push(lineOf(entry))
          if (seen.length === step + 1) controller.abort(new RangeError('enough'))
        }
      }
      await expect(walk()).rejects.toThrow(new RangeError('enough'))
      expect(seen).toEqual(all.slice(0, step + 1))
    }
    await expect(
      linesOf(root, { signal: AbortSignal.abort(new RangeError('before')) }),
    ).rejects.toThrow('before')
  })

  it('can be done while it waits for a directory that hangs', async () => {
    const grid = new MemoryGrid()
    const root = await tangle(grid)
    grid.beforeRead = () => {
      monitor.cancel()
      return new Promise(() => {})
    }
    const monitor = root.startDeepStats()
    await expect(monitor.whenDone()).rejects.toMatchObject({ code: 'OPERATION_CANCELLED' })
    expect([monitor.cancelled, monitor.finished]).toEqual([true, true])
  })

  it('ends what it was reading', async () => {
    const grid = new MemoryGrid()
    const root = await tangle(grid)
    const node = await root.get('a first')
    const signals: (AbortSignal | undefined)[] = []
    const list = root.list.bind(root)
    root.list = async (options) => {
      const children = await list(options)
      for (const { node: child } of children.values()) {
        if (child.kind !== 'directory') continue
        const directory = child as IDirectoryNode
        directory.list = (inner) => {
          signals.push(inner?.signal)
          return new Promise(() => {})
        }
      }
      return children
    }
    for await (const entry of traverse(root)) if (entry.path[0] === 'mutable') break
    expect(signals.map((signal) => signal?.aborted)).toEqual([true, true])
    expect(node.kind).toBe('directory')
  })
})

describe('a monitor', () => {
  it('ends once', async () => {
    let finish: (status: string) => void = () => {}
    const monitor = monitored<string>(new Uint8Array(16), (inside) => {
      inside.setStatus('begun')
      return new Promise((resolve) => {
        finish = resolve
      })
    })
    await new Promise((resolve) => setTimeout(resolve, 0))
    expect([monitor.status, monitor.finished, monitor.cancelled]).toEqual(['begun', false, false])
    expect(monitor.originStorageIndex).toEqual(new Uint8Array(16))
    finish('done')
    expect(await monitor.whenDone()).toBe('done')
    monitor.fail(new Error('too late'))
    monitor.cancel()
    monitor.raiseIfCancelled()
    expect(await monitor.whenDone()).toBe('done')
    expect([monitor.status, monitor.finished, monitor.cancelled]).toEqual(['done', true, false])
  })

  it('tells what goes wrong to those who wait, and to nobody else', async () => {
    const monitor = monitored<string>(undefined, () => {
      throw new RangeError('at once')
    })
    await expect(monitor.whenDone()).rejects.toThrow('at once')
    expect(monitor.finished).toBe(true)
  })
})
