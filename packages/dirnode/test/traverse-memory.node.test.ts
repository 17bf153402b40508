import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { DirectoryChild, IDirectoryNode } from '@lafs/filesystem-interface'
import { describe, expect, it } from 'vitest'
import { traverse } from '../src/index.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/**
 * A tree that is made as it is read. Counts its nodes that are in use still, and its reads.
 *
 * @param names - of the directories in a directory, by the path of it.
 */
function endlessTree(names: (path: readonly number[]) => number) {
  const made: WeakRef<object>[] = []
  const counts = { reads: 0, childrenRead: 0, reading: 0 }
  const directory = (path: readonly number[]): IDirectoryNode => {
    const node = {
      kind: 'directory',
      unknown: false,
      verifyCap: { format: () => path.join('/') },
      list: async () => {
        const count = names(path)
        counts.reads++
        counts.childrenRead += count
        counts.reading++
        await Promise.resolve()
        counts.reading--
        return new Map(
          Array.from({ length: count }, (_, index): [string, DirectoryChild] => [
            String(index).padStart(8, '0'),
            { node: directory([...path, index]), metadata: {} },
          ]),
        )
      },
    }
    made.push(new WeakRef(node))
    return node as unknown as IDirectoryNode
  }
  /** Nodes that somebody holds. What is made in a turn stays until its end. */
  const held = async (): Promise<number> => {
    await new Promise((resolve) => setTimeout(resolve, 0))
    collectGarbage()
    return made.filter((one) => one.deref() !== undefined).length
  }
  return { root: directory([]), counts, held, made }
}

/** Walks through a tree, and counts the nodes in use at some of its entries. */
async function mostHeld(tree: ReturnType<typeof endlessTree>, every: number) {
  let most = 0
  const paths: string[] = []
  for await (const { type, path } of traverse(tree.root)) {
    if (type !== 'object') continue
    paths.push(path.join('/'))
    if (paths.length % every === 0) most = Math.max(most, await tree.held())
  }
  return { most, paths }
}

describe('the memory of a walk', () => {
  it('holds the directories that are near, and not the tree', async () => {
    // 30^3 directories in directories of 30.
    const tree = endlessTree((path) => (path.length < 3 ? 30 : 0))
    const { most, paths } = await mostHeld(tree, 5000)
    expect(paths.length).toBe(1 + 30 + 900 + 27_000)
    expect(tree.counts.reads).toBe(paths.length)
    // The directories on the way down with their neighbours, and what was read ahead of these.
    expect(most).toBeLessThan(2 * 64 * 30)
  })

  it('forgets what is far off in a tree that is deep as well as wide, and comes back to it', async () => {
    const width = 1000
    const depth = 50
    const tree = endlessTree((path) =>
      path.length < depth && path.every((index) => index === 0) ? width : 0,
    )
    const { most, paths } = await mostHeld(tree, 10_000)
    expect(paths.length).toBe(1 + width * depth)
    expect(new Set(paths).size).toBe(paths.length)
    // All of the neighbours of those on the way down would be 50,000.
    expect(most).toBeLessThan(25_000)
    // Each of those on the way down may be read twice, and so may neighbours that were read ahead.
    expect(tree.counts.reads).toBeLessThanOrEqual(paths.length + depth * 65)
    expect(tree.counts.reads).toBeGreaterThan(paths.length)
    // Depth first: on the way back, the neighbours of the deepest come first.
    const lengths = paths.slice(depth + 1).map((path) => path.split('/').length)
    expect(lengths).toEqual(lengths.toSorted((a, b) => b - a))
  })

  it('is bounded by the largest directory where that is larger', async () => {
    const width = 20_000
    const tree = endlessTree((path) => {
      if (path.length === 0) return width
      return path.length < 8 && path.every((index) => index === 0) ? 10_000 : 0
    })
    const { most, paths } = await mostHeld(tree, 20_000)
    expect(paths.length).toBe(1 + width + 7 * 10_000)
    expect(most).toBeLessThan(3 * width)
    expect(tree.counts.childrenRead).toBeLessThan(2 * paths.length)
  })
})

describe('reading', () => {
  it('does not forget what is near only because the directory is large', async () => {
    const tree = endlessTree((path) => {
      if (path.length === 0) return 25_000
      return path.length === 1 && (path[0] ?? 0) % 5000 === 0 ? 1 : 0
    })
    const paths: string[] = []
    for await (const entry of traverse(tree.root)) {
      if (entry.type === 'object') paths.push(entry.path.join('/'))
    }
    expect(paths.length).toBe(1 + 25_000 + 5)
    expect(tree.counts.reads).toBe(paths.length)
  })

  it('goes on ahead of its turn to the end, whatever was read and forgotten', async () => {
    // Wide, then deep and wide: what was read ahead of its turn has children, and is forgotten.
    const width = 1000
    const depth = 30
    const tree = endlessTree((path) => {
      if (path.length < depth && path.every((index) => index === 0)) return width
      const [index = 0] = path.slice(-1)
      const isNear = path.slice(0, -1).every((name) => name === 0) && path.length <= depth
      return isNear && index > 0 && index < 64 ? 40 : 0
    })
    let most = 0
    let objects = 0
    for await (const { type } of traverse(tree.root)) {
      if (type !== 'object') continue
      objects++
      if (objects > 100_000) most = Math.max(most, tree.counts.reading)
    }
    expect(objects).toBe(1 + depth * width + depth * 63 * 40)
    expect(most).toBe(8)
  })
})

describe('coming back to what was forgotten', () => {
  it('tells each object once, with several names and circles', async () => {
    // A directory on each level that all others of the level link to, and back to the root.
    const width = 1500
    const depth = 20
    const nodes = new Map<string, IDirectoryNode>()
    const node = (name: string, list: () => Map<string, DirectoryChild>): IDirectoryNode => {
      const made = nodes.get(name) ?? {
        kind: 'directory',
        unknown: false,
        verifyCap: { format: () => name },
        list: async () => list(),
      }
      nodes.set(name, made as IDirectoryNode)
      return made as IDirectoryNode
    }
    const level = (at: number): IDirectoryNode =>
      node(`level ${at}`, () => {
        const children = new Map<string, DirectoryChild>()
        if (at === depth) return children
        const add = (name: string, child: IDirectoryNode): void =>
          void children.set(name, { node: child, metadata: {} })
        add('a', level(at + 1))
        add('again', level(at + 1))
        add('top', level(0))
        for (let index = 0; index < width; index++) {
          const name = `b ${String(index).padStart(5, '0')}`
          const leaf = (copy: string): IDirectoryNode =>
            node(
              `${at} ${index}${copy}`,
              () => new Map([['up', { node: level(at), metadata: {} }]]),
            )
          add(name, leaf(''))
          if (index % 10 === 0) add(`${name} twice`, leaf(''))
          // What this level has claimed, others below find as well.
          if (index % 100 === 0 && at > 0) {
            const above = nodes.get(`${at - 1} ${index + 1}`)
            if (above !== undefined) add(`${name} of above`, above)
          }
        }
        return children
      })
    const caps: string[] = []
    const paths: string[] = []
    for await (const entry of traverse(level(0))) {
      if (entry.type !== 'object') continue
      caps.push(entry.node.verifyCap?.format() ?? '')
      paths.push(entry.path.at(-1) ?? '')
    }
    expect(new Set(caps).size).toBe(caps.length)
    expect(caps.length).toBe(depth + 1 + width * depth)
    expect(paths.filter((name) => /again|top|twice|above|up/.test(name))).toEqual([])
  })

  it('tells a directory that cannot be read again', async () => {
    let reads = 0
    const leaf = (name: string): IDirectoryNode =>
      ({
        kind: 'directory',
        unknown: false,
        verifyCap: { format: () => name },
        list: async () => new Map(),
      }) as unknown as IDirectoryNode
    const level = (at: number): IDirectoryNode =>
      ({
        kind: 'directory',
        unknown: false,
        verifyCap: { format: () => `level ${at}` },
        list: async () => {
          if (at === 0 && reads++ > 0) throw new RangeError('gone')
          return new Map(
            Array.from({ length: 15_000 }, (_, index): [string, DirectoryChild] => {
              const below = index === 0 && at < 3 ? level(at + 1) : leaf(`${at} ${index}`)
              return [String(index).padStart(5, '0'), { node: below, metadata: {} }]
            }),
          )
        },
      }) as unknown as IDirectoryNode
    const failures: unknown[] = []
    let objects = 0
    for await (const entry of traverse(level(0))) {
      if (entry.type === 'object') objects++
      if (entry.type === 'failure') failures.push([entry.path, String(entry.error)])
    }
    expect(failures).toEqual([[[], 'RangeError: gone']])
    expect(objects).toBe(1 + 4 * 15_000 - 14_999)
  })
})
