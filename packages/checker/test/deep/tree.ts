import { defaultCrypto } from '@lafs/crypto'
import type {
  DirectoryChild,
  IDirectoryNode,
  IFilesystemNode,
  NodeKind,
} from '@lafs/filesystem-interface'

/** What the nodes of these trees are called by. */
export function nameOf(node: IFilesystemNode): string {
  return node.uri ?? ''
}

/** 16 bytes that belong to a name. */
export function storageIndexOf(name: string): Uint8Array {
  return defaultCrypto.sha256(new TextEncoder().encode(name)).subarray(0, 16)
}

function nodeOf(kind: NodeKind, name: string, stored: boolean): IFilesystemNode {
  const cap = { format: () => `verify:${name}` }
  return {
    kind,
    cap: { kind: stored ? 'chk' : 'lit' },
    uri: name,
    unknown: kind === 'unknown',
    mutable: kind === 'mutable-file' || kind === 'directory',
    size: 100,
    ...(stored && { verifyCap: cap, repairCap: cap, storageIndex: storageIndexOf(name) }),
  } as unknown as IFilesystemNode
}

/** A file that is nothing but its name. */
export function file(name: string): IFilesystemNode {
  return nodeOf('immutable-file', name, true)
}

/** A mutable file that is nothing but its name. */
export function mutableFile(name: string): IFilesystemNode {
  return nodeOf('mutable-file', name, true)
}

/** A file that is stored nowhere. */
function literal(name: string): IFilesystemNode {
  return nodeOf('immutable-file', name, false)
}

/** Something that nobody understands. */
export function unknown(name: string): IFilesystemNode {
  return nodeOf('unknown', name, false)
}

/** A directory of a test, which can be changed. */
export interface TestDirectory extends IDirectoryNode {
  readonly children: Map<string, IFilesystemNode>
  /** Awaited by each reading. */
  onList: (signal: AbortSignal | undefined) => Promise<void> | void
  reads: number
}

/** A directory that is nothing but its name and what is in it. */
export function directory(
  name: string,
  children: Readonly<Record<string, IFilesystemNode>> = {},
): TestDirectory {
  const made = {
    ...nodeOf('directory', name, true),
    children: new Map(Object.entries(children)),
    onList: () => {},
    reads: 0,
    list: async ({ signal }: { signal?: AbortSignal } = {}) => {
      made.reads++
      await made.onList(signal)
      return new Map<string, DirectoryChild>(
        [...made.children].map(([key, child]) => [key, { node: child, metadata: {} }]),
      )
    },
  } as unknown as TestDirectory
  return made
}

/** Never, unless the signal fires. */
export function hang(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
  })
}

/** Lets everything happen that waits for nothing outside. */
export function settle(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, 0)
  })
}

/**
 * A root with files of every kind, directories in several places and in a circle, in the order of
 * the walk: see {@link WALK}.
 */
export function tangle(): TestDirectory {
  const shared = directory('shared', { x: file('file x'), y: file('file y') })
  const root = directory('root', {
    z: file('file z'),
    lit: literal('text'),
    mutable: mutableFile('slot'),
    strange: unknown('strange'),
    a: directory('a', { link: shared, lit: literal('text'), z: file('file z') }),
    b: shared,
    c: directory('c', { d: directory('d', { e: file('file e') }) }),
  })
  shared.children.set('back', root)
  return root
}

/** The paths in {@link tangle}, and the names of what is there. */
export const WALK: readonly (readonly [path: string, name: string])[] = [
  ['', 'root'],
  ['strange', 'strange'],
  ['lit', 'text'],
  ['mutable', 'slot'],
  ['z', 'file z'],
  ['a', 'a'],
  ['a/lit', 'text'],
  ['b', 'shared'],
  ['b/x', 'file x'],
  ['b/y', 'file y'],
  ['c', 'c'],
  ['c/d', 'd'],
  ['c/d/e', 'file e'],
]
