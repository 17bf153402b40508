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
import type { IStorageServer } from '@lafs/storage-interface'
import { httpsTransport } from '@lafs/transport-https'
import { stretch } from '@lafs/vectors'
import { afterAll, beforeAll, expect, it } from 'vitest'

const bytes = (value: number, size = 32): Uint8Array => new Uint8Array(size).fill(value)
const lease = (value: number): { renewSecret: Uint8Array; cancelSecret: Uint8Array } => ({
  renewSecret: bytes(value),
  cancelSecret: bytes(value + 1),
})

/** The offsets of the leases that a mutable container has room for in its header. */
const MUTABLE_LEASES = [0, 1, 2, 3].map((slot) => 100 + slot * 92)

/** A mutable container with the times at which its leases expire set to 0. */
async function readMutable(storage: string, index: string, share: number): Promise<Uint8Array> {
  const file = new Uint8Array(await readFile(join(sharesFolder(storage, index), String(share))))
  for (const offset of MUTABLE_LEASES) file.fill(0, offset + 4, offset + 8)
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
  }, 60_000)
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
    const secrets = (
      value: number,
    ): Parameters<IStorageServer['slotTestvAndReadvAndWritev']>[1] => ({
      writeEnabler: bytes(9),
      ...lease(value),
    })
    const write = (offset: number, size: number, newLength?: number) =>
      new Map([
        [
          3,
          {
            test: [],
            write: [{ offset, data: stretch(new TextEncoder().encode(`at ${offset} `), size) }],
            newLength,
          },
        ],
      ])
    const steps = [
      { secrets: secrets(1), changes: write(0, 100) },
      { secrets: secrets(1), changes: write(1000, 50) },
      { secrets: secrets(11), changes: write(500, 10) },
      { secrets: secrets(13), changes: write(0, 30, 700) },
      { secrets: secrets(15), changes: write(690, 300) },
      { secrets: secrets(17), changes: write(2000, 5) },
      { secrets: secrets(19), changes: write(5000, 5000) },
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
      // Leases past the fourth stand after the data, their times with them.
      const end = number < 5 ? undefined : -4 - 92 * 2
      expect(own?.length, `step ${number}`).toBe(upstream?.length)
      expect(own?.subarray(0, end), `step ${number}`).toEqual(upstream?.subarray(0, end))
    }
  })
})
