import type { IDirectoryNode, IFilesystemNode, NewChild } from '@lafs/filesystem-interface'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createMonitor, deepTraverse } from '../src/index.ts'
import type { TreeWalker } from '../src/index.ts'
import { MemoryGrid } from './doubles.ts'

const LIT = 'URI:LIT:onxw2zjaorsxq5a'

function chk(number: number): string {
  const letter = 'abcdefghij'[number % 10] ?? 'a'
  return `URI:CHK:${letter.repeat(25)}a:${'a'.repeat(52)}:3:10:${1000 + number}`
}

/** Notes the paths of what it hears of. */
class Notes implements TreeWalker<readonly string[]> {
  readonly paths: string[] = []
  readonly onNode: (path: string) => void | Promise<void>

  constructor(onNode: (path: string) => void | Promise<void> = () => {}) {
    this.onNode = onNode
  }

  addNode(_node: IFilesystemNode, path: readonly string[]): void | Promise<void> {
    this.paths.push(path.join('/'))
    return this.onNode(path.join('/'))
  }

  enterDirectory(): void {}

  status(): readonly string[] {
    return this.paths
  }
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

describe('walking', () => {
  it('tells each object once, a circle or not', async () => {
    const grid = new MemoryGrid()
    const root = await tangle(grid)
    const paths = await deepTraverse(root, new Notes()).whenDone()
    expect(paths).toEqual([
      '',
      'unknown',
      'chk again',
      'lit',
      'mutable',
      'a first',
      'a first/lit',
      'b shared',
    ])
    expect(paths).toEqual(await plainWalk(root))
  })

  it('lists and sums up', async () => {
    const grid = new MemoryGrid()
    const root = await tangle(grid)
    const monitor = root.buildManifest()
    expect(monitor.originStorageIndex).toEqual(root.storageIndex)
    const { manifest, verifyCaps, storageIndexes, stats } = await monitor.whenDone()
    expect([monitor.finished, monitor.status?.manifest]).toEqual([true, manifest])
    expect(manifest[0]).toEqual([[], root.uri])
    expect(manifest.find(([path]) => path[0] === 'chk again')).toEqual([['chk again'], chk(1)])
    expect(manifest.length).toBe(8)
    expect([verifyCaps.size, storageIndexes.size]).toEqual([5, 5])
    expect(stats).toEqual(await root.startDeepStats().whenDone())
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
    const edge = fc.record({
      from: fc.nat(7),
      to: fc.nat(9),
      name: fc.constantFrom('a', 'b', 'c', 'd'),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(edge, { maxLength: 25 }), async (edges) => {
        const grid = new MemoryGrid()
        const directories = await Promise.all(
          Array.from({ length: 8 }, () => grid.createNewMutableDirectory()),
        )
        for (const { from, to, name } of edges) {
          const target: NewChild = { node: directories[to] ?? grid.createFromCap(chk(to)) }
          await directories[from]?.setNodes(new Map([[name, target]]))
        }
        const [root] = directories
        if (root === undefined) throw new Error('expected a root')
        grid.reads.length = 0
        const paths = await deepTraverse(root, new Notes()).whenDone()
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

  it('can be cancelled at every step', async () => {
    for (let step = 0; step < 9; step++) {
      const grid = new MemoryGrid()
      const root = await tangle(grid)
      let steps = 0
      const notes = new Notes(() => {
        if (steps++ === step) monitor.cancel()
      })
      const monitor = deepTraverse(root, notes)
      if (step === 8) {
        expect(await monitor.whenDone()).toEqual(notes.paths)
        continue
      }
      await expect(monitor.whenDone()).rejects.toMatchObject({ code: 'OPERATION_CANCELLED' })
      expect([monitor.cancelled, monitor.finished]).toEqual([true, true])
      expect(notes.paths.length).toBe(step + 1)
    }
  })

  it('can be cancelled while it waits for a directory', async () => {
    const grid = new MemoryGrid()
    const root = await tangle(grid)
    grid.beforeRead = () =>
      new Promise((_resolve, reject) => {
        monitor.signal.addEventListener('abort', () => reject(monitor.signal.reason as Error))
        monitor.cancel()
      })
    const monitor = root.startDeepStats()
    await expect(monitor.whenDone()).rejects.toMatchObject({ name: 'OperationCancelledError' })
  })

  it('ends with what goes wrong, and reads no further', async () => {
    const grid = new MemoryGrid()
    const root = await tangle(grid)
    const notes = new Notes((path) => {
      if (path === 'mutable') throw new RangeError('the walker has had enough')
    })
    grid.reads.length = 0
    const monitor = deepTraverse(root, notes)
    await expect(monitor.whenDone()).rejects.toThrow(RangeError)
    expect(grid.reads.length).toBe(1)

    const lost = await grid.createNewMutableDirectory()
    await root.setNode('a lost', lost)
    grid.slots.clear()
    await expect(root.buildManifest().whenDone()).rejects.toThrow('no such file')
  })
})

describe('a monitor', () => {
  it('ends once', async () => {
    const monitor = createMonitor<string>()
    monitor.setStatus('begun')
    expect([monitor.status, monitor.finished, monitor.cancelled]).toEqual(['begun', false, false])
    monitor.finish('done')
    monitor.fail(new Error('too late'))
    monitor.cancel()
    monitor.raiseIfCancelled()
    expect(await monitor.whenDone()).toBe('done')
    expect([monitor.status, monitor.finished, monitor.cancelled]).toEqual(['done', true, false])
  })
})
