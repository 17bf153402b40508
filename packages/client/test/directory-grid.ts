import { jsCodec } from '@lafs/codec'
import { isDirectoryNode } from '@lafs/filesystem-interface'
import type { IDirectoryNode, INodeMaker } from '@lafs/filesystem-interface'
import type { MutableContext } from '@lafs/mutable'
import { createMemoryStore } from '@lafs/share-store-memory'
import type { IStorageServer } from '@lafs/storage-interface'
import { createStorageServer } from '@lafs/storage-server'
import type { VirtualClock } from '@lafs/testing'
import { memoryTransport } from '@lafs/transport-memory'
import { loadBytes, loadVectors } from '@lafs/vectors'
import { createNodeMaker } from '../src/node-maker.ts'

interface Published {
  readonly file: string
  readonly cases: readonly { readonly offset: number; readonly length: number }[]
}

const published = await loadVectors<Published>('mutable/published')
const publishedKeys = await loadBytes(published.file)

/** Honest servers in memory. */
export function createStorages(count: number, clock?: VirtualClock): Promise<IStorageServer[]> {
  const transport = memoryTransport()
  return Promise.all(
    Array.from({ length: count }, async () => {
      const backend = createStorageServer({
        store: createMemoryStore(),
        ...(clock && {
          now: () => clock.nowMs(),
          schedule: (callback, delayMs) => clock.after(delayMs, callback),
        }),
      })
      const { announcement } = await transport.serve(backend)
      return (await transport.connect(announcement)).storageServer
    }),
  )
}

/** What the nodes of a client are made by; its keys are upstream's, from the given one on. */
export function nodeMakerOf(
  context: Omit<MutableContext, 'codec' | 'leaseSecret'>,
  mutableVersion: number,
  firstKey = 0,
): INodeMaker {
  let next = firstKey
  return createNodeMaker({
    mutable: { ...context, codec: jsCodec, leaseSecret: new Uint8Array(32).fill(7) },
    mutableVersion,
    keyPool: {
      take: async () => {
        const { offset = 0, length = 0 } = published.cases[next++] ?? {}
        return context.crypto.importRsaSigningKey(publishedKeys.slice(offset, offset + length))
      },
    },
    uploader: { upload: () => Promise.reject(new Error('nothing is uploaded here')) },
  })
}

/** The directory of a cap. */
export function directoryOf(nodeMaker: INodeMaker, uri: string | undefined): IDirectoryNode {
  const node = nodeMaker.createFromCap(uri)
  if (isDirectoryNode(node)) return node
  throw new TypeError(`expected a directory, got ${node.kind}`)
}
