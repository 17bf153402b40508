import { createPrivateKey, sign } from 'node:crypto'
import { jsCodec } from '@lafs/codec'
import type { CryptoProvider } from '@lafs/crypto'
import { nodeCrypto } from '@lafs/crypto/node'
import { portableCrypto } from '@lafs/crypto/portable'
import { isDirectoryNode } from '@lafs/filesystem-interface'
import type { IDirectoryNode, INodeMaker } from '@lafs/filesystem-interface'
import type { MutableContext } from '@lafs/mutable'
import { createMemoryStore } from '@lafs/share-store-memory'
import type { IServer, IStorageBroker, IStorageServer } from '@lafs/storage-interface'
import { createStorageServer } from '@lafs/storage-server'
import type { SeededRandom, VirtualClock } from '@lafs/testing'
import { memoryTransport } from '@lafs/transport-memory'
import { loadBytes, loadVectors } from '@lafs/vectors'
import { createNodeMaker } from '../src/node-maker.ts'

interface Published {
  readonly file: string
  readonly cases: readonly { readonly offset: number; readonly length: number }[]
}

const published = await loadVectors<Published>('mutable/published')
const publishedKeys = await loadBytes(published.file)

/** Works at once, on this thread: virtual time must not go on while some other thread works. */
export function seededCrypto(random: SeededRandom): CryptoProvider {
  return {
    ...portableCrypto,
    randomBytes: (size) => random.bytes(size),
    sha256dMany: async (prefix, messages) =>
      messages.map((message) => portableCrypto.sha256d(prefix, message)),
    aesCtrInPlace: (key, data, options) => nodeCrypto.aesCtrInPlace(key, data, options),
    importRsaVerifyingKey: (der) => nodeCrypto.importRsaVerifyingKey(der),
    importRsaSigningKey: async (der) => {
      const key = createPrivateKey({ key: Buffer.from(der), format: 'der', type: 'pkcs8' })
      const pss = { key, padding: 6, saltLength: 32 }
      return {
        ...(await nodeCrypto.importRsaSigningKey(der)),
        sign: async (message) => new Uint8Array(sign('sha256', message, pss)),
      }
    },
  }
}

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

/** Knows these servers, in this order. */
export function brokerOf(storages: readonly IStorageServer[]): IStorageBroker {
  const known = storages.map((storage, index): IServer => {
    const id = `v0-${String(index).padStart(3, '0')}`
    return {
      serverId: id,
      nickname: id,
      name: id,
      longName: id,
      permutationSeed: new Uint8Array(20).fill(index),
      leaseSeed: new Uint8Array(20).fill(index),
      connectionStatus: { connected: true, summary: 'connected' },
      uploadPermitted: () => true,
      storageServer: async () => storage,
    }
  })
  return {
    knownServers: () => known,
    connectedServers: () => known,
    serversForStorageIndex: () => known,
    serverIds: () => new Set(known.map(({ serverId }) => serverId)),
    nicknameFor: (id) => id,
  }
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
