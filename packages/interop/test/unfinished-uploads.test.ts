import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createClient } from '@lafs/client'
import type { Client } from '@lafs/client'
import { isFileNode } from '@lafs/filesystem-interface'
import { uploadableFromBytes } from '@lafs/immutable'
import { createUploadJournal } from '@lafs/immutable/node'
import type { IStorageServer, RIBucketWriter, StorageTransport } from '@lafs/storage-interface'
import {
  createResourceStack,
  describeWithUpstream,
  startMixedGrid,
  temporaryFolder,
} from '@lafs/interop'
import type { MixedGrid, ResourceStack } from '@lafs/interop'
import { noise, same } from '@lafs/testing'
import { bundleWorker, runAndKill } from '@lafs/testing/killed'
import { httpsTransport } from '@lafs/transport-https'
import { toHex } from '@lafs/vectors'
import { afterAll, beforeAll, expect, it } from 'vitest'

// Two servers of upstream and two of ours, each of which gets one share of every file.

const MIB = 1024 * 1024
const convergence = new Uint8Array(32).fill(3)
const encoding = { requiredShares: 2, happyShares: 4, totalShares: 4 }
/** What a writer may gather before it sends, for each share. */
const gathered = 4 * MIB

let grid: MixedGrid
let resources: ResourceStack
let folder: string

/** HTTPS, with a count of the bytes of shares that are written. */
function counting(count: (size: number) => void): StorageTransport {
  const transport = httpsTransport()
  const writer = (bucket: RIBucketWriter): RIBucketWriter => ({
    write: (offset, pieces, options) => {
      count(pieces.reduce((sum, piece) => sum + piece.length, 0))
      return bucket.write(offset, pieces, options)
    },
    close: (options) => bucket.close(options),
    abort: (options) => bucket.abort(options),
  })
  const watched = (server: IStorageServer): IStorageServer => ({
    getVersion: (...call) => server.getVersion(...call),
    getBuckets: (...call) => server.getBuckets(...call),
    addLease: (...call) => server.addLease(...call),
    cancelLease: (...call) => server.cancelLease(...call),
    slotReadv: (...call) => server.slotReadv(...call),
    slotTestvAndReadvAndWritev: (...call) => server.slotTestvAndReadvAndWritev(...call),
    adviseCorruptShare: (...call) => server.adviseCorruptShare(...call),
    allocateBuckets: async (...call) => {
      const { alreadyGot, writers } = await server.allocateBuckets(...call)
      return { alreadyGot, writers: new Map([...writers].map(([n, one]) => [n, writer(one)])) }
    },
    resumeUpload: async (...call) => {
      const resumed = await server.resumeUpload?.(...call)
      if (resumed === undefined) throw new Error('expected a server that takes uploads up again')
      return { ...resumed, writer: writer(resumed.writer) }
    },
  })
  return {
    ...transport,
    connect: async (...call) => {
      const connection = await transport.connect(...call)
      return { ...connection, storageServer: watched(connection.storageServer) }
    },
  }
}

/** A client as a new process would have it, and how many bytes of shares it has sent. */
async function newClient(journal: string): Promise<{ client: Client; sent: () => number }> {
  let sent = 0
  const client = await createClient({
    servers: grid.servers,
    transports: [counting((size) => (sent += size))],
    encoding,
    convergence,
    uploadJournal: createUploadJournal(journal),
  })
  resources.use(client)
  return { client, sent: () => sent }
}

async function verified(cap: string): Promise<unknown> {
  const path = `uri/${encodeURIComponent(cap)}?t=check&verify=true&output=JSON`
  const answer = await grid.upstream.web(path, { method: 'POST' })
  const { results } = JSON.parse(new TextDecoder().decode(answer)) as {
    results: Record<string, unknown>
  }
  return {
    healthy: results['healthy'],
    good: results['count-shares-good'],
    corrupt: results['count-corrupt-shares'],
  }
}

describeWithUpstream('unfinished uploads', () => {
  beforeAll(async () => {
    resources = createResourceStack()
    folder = resources.use(await temporaryFolder()).path
    grid = await startMixedGrid(resources, {
      upstreamServerCount: 2,
      ownServerCount: 2,
      encoding,
      convergence,
    })
  }, 120_000)
  afterAll(() => resources[Symbol.asyncDispose]())

  it('go on on servers of both kinds, with what is missing', async () => {
    const data = noise(12 * MIB + 11, 1)
    const journal = join(folder, 'interrupted')
    const first = await newClient(journal)
    const controller = new AbortController()
    const { signal } = controller
    const upload = first.client.upload(data, {
      signal,
      onProgress: ({ phase, done }) => {
        if (phase === 'pushing' && done > (data.length * 2) / 3) controller.abort(new Error('gone'))
      },
    })
    await expect(upload).rejects.toThrow('gone')
    await first.client.close()
    const second = await newClient(journal)
    const { uri } = await second.client.upload(data)
    // Each share is half of the file; what was on its way when the client left is sent again.
    const whole = 4 * (data.length / 2)
    expect(second.sent()).toBeLessThan(whole / 3 + 2 * gathered)
    expect(first.sent() + second.sent()).toBeLessThan(whole + gathered + 64 * 1024)
    expect(same(await grid.upstream.get(uri), data)).toBe(true)
    expect(await verified(uri)).toEqual({ healthy: true, good: 4, corrupt: 0 })
    // And it is what upstream makes of the same data.
    expect(await grid.upstream.put(data)).toBe(uri)
  })

  it('go on when the client was killed, several times', async () => {
    const data = noise(12 * MIB + 5, 2)
    const task = {
      servers: grid.servers,
      encoding,
      convergence: toHex(convergence),
      journal: join(folder, 'killed'),
      file: join(folder, 'file'),
    }
    await writeFile(task.file, data)
    const taskFile = join(folder, 'task.json')
    await writeFile(taskFile, JSON.stringify(task))
    await mkdir(join(folder, 'bundle'))
    const worker = await bundleWorker(
      join(import.meta.dirname, 'upload-worker.ts'),
      join(folder, 'bundle'),
    )
    let pushed = 0
    for (const share of [0.1, 0.3, 0.55]) {
      const segment = MIB * Math.ceil(12 * share)
      const lines = await runAndKill(worker, [taskFile], { word: `pushed ${segment}`, delayMs: 0 })
      pushed = Math.max(pushed, ...lines.map((line) => Number(line.split(' ')[1])))
    }
    expect(pushed).toBeGreaterThan(data.length / 2)
    const { client, sent } = await newClient(task.journal)
    const { uri, preexistingShares } = await client.upload(uploadableFromBytes(data))
    const left = 4 * ((data.length - pushed) / 2)
    if (preexistingShares === 0) expect(sent()).toBeLessThan(left + gathered + 64 * 1024)
    expect(same(await grid.upstream.get(uri), data)).toBe(true)
    expect(await verified(uri)).toEqual({ healthy: true, good: 4, corrupt: 0 })
  }, 60_000)

  it('of streams are files like others, on servers that take them', async () => {
    const data = noise(5 * MIB + 3, 3)
    async function* stream(): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < data.length; at += 100_000) yield data.slice(at, at + 100_000)
    }
    for (const happyShares of [2, 4]) {
      const client = resources.use(
        await createClient({ servers: grid.servers, encoding: { ...encoding, happyShares } }),
      )
      const { uri, servermap } = await client.uploadStream(stream())
      // Upstream's servers take the copy that is made where two servers are not enough.
      expect(servermap.size).toBe(happyShares)
      expect(same(await grid.upstream.get(uri), data)).toBe(true)
      expect(await verified(uri)).toMatchObject({ good: 4, corrupt: 0 })
      const node = client.createNodeFromUri(uri)
      expect(isFileNode(node) && same(await node.downloadBestVersion(), data)).toBe(true)
    }
  })
})
