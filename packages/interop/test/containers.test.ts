import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fromBase32, toBase32 } from '@lafs/crypto'
import {
  createResourceStack,
  describeWithUpstream,
  readStoredShares,
  sharesFolder,
  startOwnServer,
  startUpstreamServer,
  temporaryFolder,
} from '@lafs/interop'
import type { IStorageServer, SlotSecrets, TestWriteVectors } from '@lafs/storage-interface'
import { httpsTransport } from '@lafs/transport-https'
import { stretch } from '@lafs/vectors'
import { afterAll, beforeAll, expect, it } from 'vitest'

const bytes = (value: number, size = 32): Uint8Array => new Uint8Array(size).fill(value)
const lease = (value: number): { renewSecret: Uint8Array; cancelSecret: Uint8Array } => ({
  renewSecret: bytes(value),
  cancelSecret: bytes(value + 1),
})

const slotSecrets = (value: number): SlotSecrets => ({ writeEnabler: bytes(9), ...lease(value) })

/** A write to share 3 of a slot, whatever stands there. */
function write(offset: number, size: number, newLength?: number): Map<number, TestWriteVectors> {
  const data = stretch(new TextEncoder().encode(`at ${offset} `), size)
  return new Map([[3, { test: [], write: [{ offset, data }], newLength }]])
}

/** Where the leases of a mutable container stand: four in its header, the others after the data. */
function leaseOffsets(file: Uint8Array): number[] {
  const view = new DataView(file.buffer)
  const extra = Number(view.getBigUint64(92))
  const extraCount = view.getUint32(extra)
  return [
    ...[0, 1, 2, 3].map((slot) => 100 + slot * 92),
    ...Array.from({ length: extraCount }, (_, slot) => extra + 4 + slot * 92),
  ]
}

/** A mutable container with the times at which its leases expire set to 0. */
async function readMutable(storage: string, index: string, share: number): Promise<Uint8Array> {
  const file = new Uint8Array(await readFile(join(sharesFolder(storage, index), String(share))))
  for (const offset of leaseOffsets(file)) file.fill(0, offset + 4, offset + 8)
  return file
}

// The same requests with the same secrets to a server of upstream and one of ours.
describeWithUpstream('share files on disk', () => {
  const resources = createResourceStack()
  const storages: string[] = []
  const servers: IStorageServer[] = []

  beforeAll(async () => {
    const { path } = resources.use(await temporaryFolder())
    const upstream = resources.use(await startUpstreamServer(join(path, 'upstream')))
    const nodeId = fromBase32((await readFile(join(upstream.folder, 'my_nodeid'), 'utf8')).trim())
    const own = resources.use(await startOwnServer(join(path, 'own'), { nodeId }))
    storages.push(join(upstream.folder, 'storage'), own.storage)
    for (const { description } of [upstream, own]) {
      const connection = await httpsTransport().connect(description.announcement)
      servers.push(resources.use(connection).storageServer)
    }
  }, 120_000)
  afterAll(() => resources[Symbol.asyncDispose](), 60_000)

  it.each([1, 100, 70_000])(
    'immutable containers with three leases are equal: %i bytes',
    async (size) => {
      const storageIndex = bytes(size % 251, 16)
      const data = stretch(bytes(65, 7), size)
      for (const server of servers) {
        const request = { shareNumbers: new Set([0, 255]), allocatedSize: size, ...lease(1) }
        const { writers } = await server.allocateBuckets(storageIndex, request)
        for (const writer of writers.values()) {
          await writer.write(0, [data])
          await writer.close()
        }
        await server.addLease(storageIndex, lease(3))
        await server.addLease(storageIndex, lease(5))
        await server.addLease(storageIndex, lease(1))
      }
      const [upstream, own] = await Promise.all(
        storages.map((storage) => readStoredShares(storage, toBase32(storageIndex))),
      )
      expect(upstream?.map((share) => share.leaseCount)).toEqual([3, 3])
      expect(own?.map((share) => share.timeless)).toEqual(upstream?.map((share) => share.timeless))
    },
  )

  it('mutable containers are equal after writes, growth, truncation and leases', async () => {
    const storageIndex = bytes(200, 16)
    const index = toBase32(storageIndex)
    const steps = [
      { secrets: slotSecrets(1), changes: write(0, 100) },
      { secrets: slotSecrets(1), changes: write(1000, 50) },
      { secrets: slotSecrets(11), changes: write(500, 10) },
      { secrets: slotSecrets(13), changes: write(0, 30, 700) },
      { secrets: slotSecrets(15), changes: write(690, 300) },
      { secrets: slotSecrets(17), changes: write(2000, 5) },
      { secrets: slotSecrets(19), changes: write(5000, 5000) },
    ]
    for (const [number, step] of steps.entries()) {
      for (const server of servers) {
        const { success } = await server.slotTestvAndReadvAndWritev(
          storageIndex,
          step.secrets,
          step.changes,
          [],
        )
        expect(success).toBe(true)
      }
      const [upstream, own] = await Promise.all(storages.map((s) => readMutable(s, index, 3)))
      expect(own, `step ${number}`).toEqual(upstream)
    }
  })
})
