import { loadCodec } from '@lafs/codec'
import type { CodecProvider } from '@lafs/codec-interface'
import {
  computeCap,
  createImmutableNode,
  encodeToShares,
  uploadableFromBytes,
  uploadImmutable,
} from '@lafs/immutable'
import type { UploadOptions } from '@lafs/immutable'
import type { IUploadable, IUploadStatus, Progress } from '@lafs/filesystem-interface'
import { virtualClock } from '@lafs/testing'
import { parseCapStrict, type ChkCap } from '@lafs/uri'
import { describe, expect, it } from 'vitest'
import { createGrid, forever, noise, same, sharesOn, store } from './grid.ts'
import type { Grid } from './grid.ts'

const codec = await loadCodec()
const leaseSecret = new Uint8Array(32).fill(7)
const convergence = new Uint8Array(16).fill(9)
const encoding = { requiredShares: 3, happyShares: 7, totalShares: 10, maxSegmentSize: 999 }

function optionsOn(grid: Grid, more: Partial<UploadOptions> = {}): UploadOptions {
  return {
    broker: grid.broker,
    codec,
    secrets: { convergence, leaseSecret },
    encoding,
    ...more,
  }
}

function chkCap(text: string): ChkCap {
  const cap = parseCapStrict(text)
  if (cap.kind !== 'chk') throw new Error(`expected a CHK cap, got ${cap.kind}`)
  return cap
}

/** Whether no server holds anything of this file, begun or whole. */
async function leftNothing(grid: Grid, cap: ChkCap): Promise<boolean> {
  await new Promise((resolve) => setTimeout(resolve, 5))
  for (const { backend } of grid.servers) {
    const { alreadyGot, writers } = await backend.allocateBuckets(cap.storageIndex, {
      renewSecret: leaseSecret,
      cancelSecret: leaseSecret,
      shareNumbers: new Set(Array.from({ length: 10 }, (_, share) => share)),
      allocatedSize: 10,
    })
    if (alreadyGot.size > 0 || writers.size < 10) return false
  }
  return true
}

const data = noise(5000)
const expected = await encodeToShares(uploadableFromBytes(data), {
  codec,
  convergence,
  encoding,
})
const cap = chkCap(expected.cap.format())

describe('uploadImmutable', () => {
  it('stores each share once, byte for byte, and says where', async () => {
    const grid = await createGrid(10)
    const progress: Progress[] = []
    const statuses: IUploadStatus[] = []
    const results = await uploadImmutable(
      uploadableFromBytes(data),
      optionsOn(grid, {
        onProgress: (one) => progress.push(one),
        history: { addUpload: (status) => statuses.push(status) },
      }),
    )
    expect(results).toMatchObject({
      fileSize: 5000,
      uri: expected.cap.format(),
      verifyCap: cap.verifyCap().format(),
      preexistingShares: 0,
      pushedShares: 10,
      ciphertextFetched: 0,
    })
    expect(results.servermap.size).toBe(10)
    for (const { id, backend } of grid.servers) {
      const held = await sharesOn({ backend }, cap.storageIndex)
      expect(new Set(held.keys())).toEqual(results.servermap.get(id))
      for (const [share, bytes] of held) {
        expect(same(bytes, expected.shares.get(share) ?? new Uint8Array())).toBe(true)
        expect(results.sharemap.get(share)).toEqual(new Set([id]))
      }
    }
    expect(new Set(progress.map(({ phase }) => phase))).toEqual(
      new Set(['hashing', 'placing', 'pushing', 'closing']),
    )
    expect(progress.findLast(({ phase }) => phase === 'pushing')).toMatchObject({ done: 5000 })
    expect(statuses).toHaveLength(1)
    expect(statuses[0]).toMatchObject({ active: false, status: 'Finished', results, size: 5000 })
    expect(results.timings.totalMs).toBeGreaterThanOrEqual(0)
  })

  it('pushes nothing that is there already', async () => {
    const grid = await createGrid(10)
    await uploadImmutable(uploadableFromBytes(data), optionsOn(grid))
    const again = await uploadImmutable(uploadableFromBytes(data), optionsOn(grid))
    expect(again).toMatchObject({
      uri: expected.cap.format(),
      preexistingShares: 10,
      pushedShares: 0,
    })
    expect(again.sharemap.size).toBe(10)
  })

  it('keeps short files in their cap and asks no server', async () => {
    const grid = await createGrid(0)
    for (const size of [0, 1, 55]) {
      const results = await uploadImmutable(uploadableFromBytes(noise(size)), optionsOn(grid))
      const lit = parseCapStrict(results.uri)
      expect(lit.kind === 'lit' && same(lit.data, noise(size))).toBe(true)
      expect(results).toMatchObject({ pushedShares: 0, verifyCap: undefined, fileSize: size })
      if (lit.kind !== 'lit') continue
      const node = createImmutableNode(lit, { broker: grid.broker, codec })
      expect(same(await node.downloadBestVersion(), noise(size))).toBe(true)
      const part: number[] = []
      for await (const piece of node.read({ offset: 1, size: 3 })) part.push(...piece)
      expect(part).toEqual([...noise(size).subarray(1, 4)])
    }
  })

  it('draws another key each time without a convergence secret, or where asked to', async () => {
    const grid = await createGrid(10)
    const secretless = optionsOn(grid, { secrets: { leaseSecret } })
    const one = await uploadImmutable(uploadableFromBytes(data), secretless)
    const two = await uploadImmutable(
      uploadableFromBytes(data, { encryptionKey: 'random' }),
      optionsOn(grid),
    )
    const three = await uploadImmutable(
      uploadableFromBytes(data, { encryptionKey: cap.key }),
      secretless,
    )
    expect(new Set([one.uri, two.uri, three.uri]).size).toBe(3)
    expect(three.uri).toBe(expected.cap.format())
  })

  it.each([
    { requiredShares: 4, totalShares: 3 },
    { requiredShares: 0 },
    { totalShares: 257 },
    { requiredShares: 1.5 },
    { happyShares: 11 },
    { happyShares: -1 },
    { maxSegmentSize: 0 },
    { maxSegmentSize: Number.NaN },
  ])('refuses %o', async (bad) => {
    const grid = await createGrid(1)
    await expect(
      uploadImmutable(uploadableFromBytes(data, { encoding: bad }), optionsOn(grid)),
    ).rejects.toThrow(RangeError)
  })

  it.each([4999, 5001])('refuses a source of 5000 bytes that gives %i', async (size) => {
    const grid = await createGrid(10)
    const liar: IUploadable = { ...uploadableFromBytes(noise(size)), size: 5000 }
    for (const encryptionKey of ['convergent', cap.key] as const) {
      await expect(
        uploadImmutable({ ...liar, encryptionKey }, optionsOn(grid)),
      ).rejects.toMatchObject({ code: 'UPLOAD_SOURCE_CHANGED' })
    }
    expect(await leftNothing(grid, cap)).toBe(true)
  })

  it('fails as its source or its codec fails, and leaves nothing', async () => {
    const grid = await createGrid(10)
    const broken: IUploadable = {
      size: 5000,
      encryptionKey: cap.key,
      async *read() {
        yield data.subarray(0, 2500)
        throw new Error('bad sector')
      },
      close: async () => {},
    }
    await expect(uploadImmutable(broken, optionsOn(grid))).rejects.toThrow('bad sector')
    const broke: CodecProvider = {
      ...codec,
      createEncoder: (params) => ({
        ...codec.createEncoder(params),
        encode: () => Promise.reject(new Error('no memory')),
      }),
    }
    await expect(
      uploadImmutable(uploadableFromBytes(data), optionsOn(grid, { codec: broke })),
    ).rejects.toThrow('no memory')
    expect(await leftNothing(grid, cap)).toBe(true)
  })
})

describe('placement', () => {
  it('needs a server', async () => {
    const grid = await createGrid(0)
    await expect(uploadImmutable(uploadableFromBytes(data), optionsOn(grid))).rejects.toMatchObject(
      { name: 'NoServersError', message: 'client gave us zero servers' },
    )
  })

  it('says what is lacking in the words of upstream', async () => {
    const grid = await createGrid(5)
    const got = uploadImmutable(uploadableFromBytes(data), optionsOn(grid))
    await expect(got).rejects.toMatchObject({
      name: 'UploadUnhappinessError',
      code: 'UPLOAD_UNHAPPINESS',
      happiness: 5,
      happyShares: 7,
      message: expect.stringContaining(
        'shares could be placed on only 5 server(s) such that any 3 of them have enough shares to ' +
          'recover the file, but we were asked to place shares on at least 7 such servers. (placed ' +
          'all 10 shares, want to place shares on at least 7 servers such that any 3 of them have ' +
          'enough shares to recover the file, sent 5 queries to 5 servers, 5 queries placed some ' +
          'shares, 0 placed none (of which 0 placed none due to the server being full and 0 placed ' +
          'none due to an error)), merged=sh0: v0-000',
      ),
    })
    expect(await leftNothing(grid, cap)).toBe(true)
  })

  it('has given back what it had reserved when it fails', async () => {
    const grid = await createGrid(5)
    const givenBack: number[] = []
    for (const { hooks } of grid.servers) {
      hooks.writers = (writers) => {
        for (const [share, writer] of writers) {
          const abort = async (): Promise<void> => {
            await new Promise((resolve) => setTimeout(resolve, 5))
            givenBack.push(share)
          }
          writers.set(share, { ...writer, abort })
        }
      }
    }
    const upload = uploadImmutable(uploadableFromBytes(data), optionsOn(grid))
    await expect(upload).rejects.toMatchObject({ code: 'UPLOAD_UNHAPPINESS' })
    expect(givenBack.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  it('goes round servers that fail to answer, refuse, or are full', async () => {
    const grid = await createGrid(12, { readonly: [3] })
    const [first, second] = grid.servers
    if (first !== undefined) first.hooks.getBuckets = () => Promise.reject(new Error('refused'))
    if (second !== undefined) second.hooks.allocate = () => Promise.reject(new Error('broken'))
    const results = await uploadImmutable(
      uploadableFromBytes(data),
      optionsOn(grid, { encoding: { ...encoding, happyShares: 9 } }),
    )
    expect(results.servermap.size).toBe(9)
    expect(results.servermap.has('v0-003')).toBe(false)
    expect(results.uri).toBe(expected.cap.format())
  })

  it('counts the shares on servers that take no more', async () => {
    const donor = await createGrid(3)
    await uploadImmutable(
      uploadableFromBytes(data),
      optionsOn(donor, { encoding: { ...encoding, happyShares: 1 } }),
    )
    for (const { hooks } of donor.servers) {
      hooks.writers = (writers) => {
        for (const writer of writers.values()) void writer.abort()
        writers.clear()
      }
    }
    const again = await uploadImmutable(
      uploadableFromBytes(data),
      optionsOn(donor, { encoding: { ...encoding, happyShares: 3 } }),
    )
    expect(again).toMatchObject({ preexistingShares: 10, pushedShares: 0 })
  })

  it('moves shares that a full server refuses', async () => {
    const grid = await createGrid(10)
    for (const { hooks } of grid.servers.slice(0, 2)) {
      hooks.writers = (writers) => {
        for (const writer of writers.values()) void writer.abort()
        writers.clear()
      }
    }
    const results = await uploadImmutable(
      uploadableFromBytes(data),
      optionsOn(grid, { encoding: { ...encoding, happyShares: 8 } }),
    )
    expect(results.servermap.size).toBe(8)
    expect(results.pushedShares).toBeGreaterThanOrEqual(8)
  })

  it('takes no upload of fewer shares than make a file, however few servers are enough', async () => {
    const onlyOneEach = (grid: Grid): void => {
      for (const { hooks } of grid.servers) {
        hooks.writers = (writers) => {
          for (const [share, writer] of [...writers].slice(1)) {
            void writer.abort()
            writers.delete(share)
          }
        }
      }
    }
    const options = { encoding: { ...encoding, happyShares: 1 } }
    const two = await createGrid(2)
    onlyOneEach(two)
    await expect(
      uploadImmutable(uploadableFromBytes(data), optionsOn(two, options)),
    ).rejects.toMatchObject({ code: 'UPLOAD_UNHAPPINESS', happiness: 2, happyShares: 1 })
    expect(await leftNothing(two, cap)).toBe(true)
    const three = await createGrid(3)
    onlyOneEach(three)
    const results = await uploadImmutable(uploadableFromBytes(data), optionsOn(three, options))
    expect(results.pushedShares).toBe(3)
  })

  it('goes on placing shares where few servers are enough, until they make a file', async () => {
    const grid = await createGrid(10)
    for (const { hooks } of grid.servers.slice(0, 8)) {
      hooks.allocate = () => Promise.reject(new Error('broken'))
    }
    const results = await uploadImmutable(
      uploadableFromBytes(data),
      optionsOn(grid, { encoding: { ...encoding, happyShares: 1 } }),
    )
    expect(results.servermap.size).toBe(2)
    expect(results.pushedShares).toBeGreaterThanOrEqual(3)
  })

  it('waits fifteen seconds for an answer, and gives back what comes later', async () => {
    const clock = virtualClock()
    const grid = await createGrid(10)
    let answer = (): void => {}
    const [first] = grid.servers
    if (first !== undefined) {
      first.hooks.allocate = () =>
        new Promise((resolve) => {
          answer = resolve
        })
    }
    const upload = uploadImmutable(uploadableFromBytes(data), optionsOn(grid, { clock }))
    await clock.elapse(16_000)
    const results = await upload
    expect(results.servermap.has('v0-000')).toBe(false)
    answer()
    await new Promise((resolve) => setTimeout(resolve, 5))
    const { writers } = await grid.servers[0]!.backend.allocateBuckets(cap.storageIndex, {
      renewSecret: leaseSecret,
      cancelSecret: leaseSecret,
      shareNumbers: new Set(Array.from({ length: 10 }, (_, share) => share)),
      allocatedSize: 10,
    })
    expect(writers.size).toBe(10)
  })
})

describe('servers that fail during an upload', () => {
  const dieAt = (grid: Grid, servers: number, act: (index: number) => void): void => {
    for (const [index, { hooks }] of grid.servers.slice(0, servers).entries()) {
      hooks.write = () => act(index)
    }
  }

  it('are done without, as long as the others suffice', async () => {
    const grid = await createGrid(10)
    dieAt(grid, 3, () => {
      throw new Error('connection lost')
    })
    const results = await uploadImmutable(uploadableFromBytes(data), optionsOn(grid))
    expect(results.uri).toBe(expected.cap.format())
    expect(results.pushedShares).toBe(7)
    const node = createImmutableNode(cap, { broker: grid.broker, codec })
    expect(same(await node.downloadBestVersion(), data)).toBe(true)
  })

  it('are done without when they fail at the very end', async () => {
    const grid = await createGrid(10)
    for (const { hooks } of grid.servers.slice(0, 3)) {
      hooks.close = () => Promise.reject(new Error('disk full'))
    }
    const results = await uploadImmutable(uploadableFromBytes(data), optionsOn(grid))
    expect(results.pushedShares).toBe(7)
  })

  it('make it fail once they are too many, and nothing is left', async () => {
    const grid = await createGrid(10)
    dieAt(grid, 4, () => {
      throw new Error('connection lost')
    })
    const upload = uploadImmutable(uploadableFromBytes(data), optionsOn(grid))
    await expect(upload).rejects.toMatchObject({
      code: 'UPLOAD_UNHAPPINESS',
      happiness: 6,
      message:
        'shares could be placed on only 6 server(s) such that any 3 of them have enough shares to ' +
        'recover the file, but we were asked to place shares on at least 7 such servers.: hashes: connection lost',
    })
    for (const { hooks } of grid.servers) delete hooks.write
    expect(await leftNothing(grid, cap)).toBe(true)
  })

  it('make it fail where too few shares are left to make a file of', async () => {
    const grid = await createGrid(10)
    const options = optionsOn(grid, { encoding: { ...encoding, happyShares: 1 } })
    dieAt(grid, 8, () => {
      throw new Error('connection lost')
    })
    await expect(uploadImmutable(uploadableFromBytes(data), options)).rejects.toMatchObject({
      code: 'UPLOAD_UNHAPPINESS',
      happiness: 2,
    })
    for (const { hooks } of grid.servers) delete hooks.write
    expect(await leftNothing(grid, cap)).toBe(true)
  })

  it('by saying that they hold shares which the file has not make nobody happy', async () => {
    const grid = await createGrid(7)
    for (const [index, server] of grid.servers.entries()) {
      const stranger = new Map([[100 + index, data]])
      if (index > 0) await store(server, cap.storageIndex, stranger)
      if (index > 3) server.hooks.allocate = () => Promise.reject(new Error('connection lost'))
    }
    const failed = uploadImmutable(uploadableFromBytes(data), optionsOn(grid))
    await expect(failed).rejects.toMatchObject({ code: 'UPLOAD_UNHAPPINESS', happiness: 4 })
    for (const { hooks } of grid.servers) delete hooks.allocate
    const results = await uploadImmutable(uploadableFromBytes(data), optionsOn(grid))
    expect(results).toMatchObject({ preexistingShares: 0, pushedShares: 10 })
    expect(Math.max(...results.sharemap.keys())).toBe(9)
  })

  it('over a slow line are given their time, though every write takes long', async () => {
    const clock = virtualClock()
    const grid = await createGrid(10)
    // One write after another, whichever servers they are for.
    let line = Promise.resolve()
    for (const { hooks } of grid.servers) {
      hooks.write = () => {
        line = line.then(() => clock.sleep(25_000))
        return line
      }
    }
    const got = uploadImmutable(uploadableFromBytes(data), optionsOn(grid, { clock }))
    const { pushedShares } = await clock.run(got, 3_600_000)
    expect(pushedShares).toBe(10)
  })

  it('and stall are given up after two minutes', async () => {
    const clock = virtualClock()
    const grid = await createGrid(10)
    for (const { hooks } of grid.servers.slice(0, 2)) hooks.write = forever
    const upload = uploadImmutable(uploadableFromBytes(data), optionsOn(grid, { clock }))
    const results = await clock.run(upload, 10 * 60_000)
    expect(results.pushedShares).toBe(8)
  })
})

describe('cancelling an upload', () => {
  it.each(['hashing', 'placing', 'pushing', 'closing'])(
    'while it is %s rejects with the reason and leaves nothing begun',
    async (phase) => {
      const grid = await createGrid(10)
      const stop = new AbortController()
      const upload = uploadImmutable(
        uploadableFromBytes(data),
        optionsOn(grid, {
          signal: stop.signal,
          onProgress: (progress) => {
            if (progress.phase === phase) stop.abort(new Error('enough'))
          },
        }),
      )
      await expect(upload).rejects.toThrow('enough')
      expect(await leftNothing(grid, cap)).toBe(true)
    },
  )

  it('works while every server and the source stall', async () => {
    const grid = await createGrid(10)
    for (const { hooks } of grid.servers) hooks.write = forever
    const stop = new AbortController()
    setTimeout(() => stop.abort(new Error('enough')), 30)
    const { signal } = stop
    const stuck: IUploadable = {
      size: 5000,
      encryptionKey: cap.key,
      async *read() {
        yield data.subarray(0, 3000)
        await forever()
      },
      close: async () => {},
    }
    const uploads = [stuck, uploadableFromBytes(data)].map((uploadable) =>
      uploadImmutable(uploadable, optionsOn(grid, { signal })),
    )
    for (const upload of uploads) upload.catch(() => {})
    for (const upload of uploads) await expect(upload).rejects.toThrow('enough')
  })
})

describe('memory', () => {
  it('is bounded: a source is read no further than a few segments ahead of the servers', async () => {
    const grid = await createGrid(10)
    for (const { hooks } of grid.servers) hooks.write = forever
    const size = 60_000_000
    let given = 0
    const source: IUploadable = {
      size,
      encryptionKey: cap.key,
      async *read() {
        for (; given < size; given += 1_000_000) yield new Uint8Array(1_000_000)
      },
      close: async () => {},
    }
    const stop = new AbortController()
    const upload = uploadImmutable(
      source,
      optionsOn(grid, {
        signal: stop.signal,
        encoding: { ...encoding, maxSegmentSize: 1024 * 1024 },
      }),
    )
    upload.catch(() => {})
    let before = -1
    while (given !== before) {
      before = given
      await new Promise((resolve) => setTimeout(resolve, 300))
    }
    expect(given).toBeGreaterThan(0)
    expect(given).toBeLessThan(8_000_000)
    stop.abort(new Error('enough'))
    await expect(upload).rejects.toThrow('enough')
  })
})

describe('every way to encode', () => {
  it.each([
    [1, 1],
    [1, 4],
    [4, 4],
    [2, 7],
    [16, 20],
    [101, 256],
    [255, 256],
  ])(
    '%i of %i gives the file back at every size around a boundary',
    async (k, n) => {
      const grid = await createGrid(7)
      const segment = 512
      const padded = Math.ceil(segment / k) * k
      for (const size of [56, padded - 1, padded, padded + 1, 2 * padded, 2 * padded + 1]) {
        const plain = noise(size, size)
        const uploadable = uploadableFromBytes(plain, {
          encoding: { requiredShares: k, happyShares: 1, totalShares: n, maxSegmentSize: segment },
        })
        const { uri } = await uploadImmutable(uploadable, optionsOn(grid))
        const node = createImmutableNode(chkCap(uri), { broker: grid.broker, codec })
        expect(same(await node.downloadBestVersion(), plain)).toBe(true)
        const lone = { requiredShares: k, totalShares: n, maxSegmentSize: segment }
        const computed = await computeCap(uploadable, { codec, convergence, encoding: lone })
        expect(computed.format()).toBe(uri)
      }
    },
    20_000,
  )
})

it.each([20, 40, 60])(
  'computes no cap of a source that changed, from 30 bytes to %i',
  async (size) => {
    const source = { ...uploadableFromBytes(noise(size)), size: 30 }
    const computing = computeCap(source, { codec, convergence, encoding })
    await expect(computing).rejects.toMatchObject({ code: 'UPLOAD_SOURCE_CHANGED' })
  },
)
