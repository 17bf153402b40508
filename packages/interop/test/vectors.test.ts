import { createHash } from 'node:crypto'
import { join } from 'node:path'
import {
  createResourceStack,
  describeWithUpstream,
  readGridShares,
  startUpstreamClient,
  startUpstreamServer,
  temporaryFolder,
} from '@lafs/interop'
import type { UpstreamClient, UpstreamServer } from '@lafs/interop'
import { fromHex, loadBytes, loadVectors, stretch } from '@lafs/vectors'
import { afterAll, beforeAll, expect, it } from 'vitest'

interface ShareCase {
  required: number
  total: number
  segmentSize: number
  size: number
  layoutVersion: number
  convergence: string
  seed: string
  cap: string
  storageIndex: string
  shareHashes: string[]
}

interface Published {
  file: string
  cases: { offset: number; length: number; format: 'sdmf' | 'mdmf'; cap: string }[]
}

const published = await loadVectors<Published>('mutable/published')
const publishedKeys = await loadBytes(published.file)

const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex')
const { cases } = await loadVectors<{ cases: ShareCase[] }>('chk/shares')

// The vectors are made by upstream's encoder alone. Here a whole grid of upstream answers.
describeWithUpstream('recorded vectors', () => {
  const resources = createResourceStack()
  let server: UpstreamServer
  let client: UpstreamClient

  beforeAll(async () => {
    const { path } = resources.use(await temporaryFolder())
    server = resources.use(await startUpstreamServer(join(path, 'server')))
    client = resources.use(
      await startUpstreamClient(join(path, 'client'), {
        servers: [server.description],
        encoding: { requiredShares: 3, happyShares: 1, totalShares: 10, maxSegmentSize: 131072 },
        convergence: fromHex(cases[0]?.convergence ?? ''),
      }),
    )
  }, 120_000)
  afterAll(() => resources[Symbol.asyncDispose]())

  const stored = cases.filter(
    (c) => c.total === 10 && c.segmentSize === 131072 && c.layoutVersion === 1,
  )
  it.each(stored)('are what a grid stores: $size bytes', async (vector) => {
    const cap = await client.put(stretch(fromHex(vector.seed), vector.size))
    expect(cap).toBe(vector.cap)
    const shares = await readGridShares([join(server.folder, 'storage')], vector.storageIndex)
    const hashes = Array.from(vector.shareHashes, (_, number) =>
      sha256(shares.get(number)?.data ?? new Uint8Array()).slice(0, 16),
    )
    expect(hashes).toEqual(vector.shareHashes)
  })

  // All 240 keys give their caps in @lafs/mutable's own tests; a grid takes long for each.
  it('are the caps that upstream gives for keys, every twentieth of them', async () => {
    const sample = published.cases.filter((_, index) => index % 20 < 2)
    expect(sample).toHaveLength(24)
    const caps: string[] = []
    for (const { offset, length, format } of sample) {
      const der = publishedKeys.subarray(offset, offset + length)
      const key = Buffer.from(der)
        .toString('base64url')
        .padEnd(4 * Math.ceil(length / 3), '=')
      const query = new URLSearchParams({ format, 'private-key': key })
      const body = stretch(fromHex('61'), 100)
      const cap = await client.web(`uri?${query.toString()}`, { method: 'PUT', body })
      caps.push(new TextDecoder().decode(cap))
    }
    expect(caps).toEqual(sample.map(({ cap }) => cap))
  })
})
