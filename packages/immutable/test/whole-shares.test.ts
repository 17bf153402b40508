import { loadCodec } from '@lafs/codec'
import { defaultCrypto } from '@lafs/crypto'
import type { Progress } from '@lafs/filesystem-interface'
import {
  createImmutableNode,
  encodeToShares,
  uploadableFromBytes,
  uploadImmutable,
} from '@lafs/immutable'
import type { UploadOptions } from '@lafs/immutable'
import { StorageError } from '@lafs/storage-interface'
import { leaseSecretsOf } from '@lafs/storage-protocol'
import { virtualClock } from '@lafs/testing'
import { parseCapStrict, type ChkCap } from '@lafs/uri'
import { describe, expect, it } from 'vitest'
import { createGrid, forever, noise, same, sharesOn } from './grid.ts'
import type { Grid } from './grid.ts'

const codec = await loadCodec()
const secrets = {
  convergence: new Uint8Array(16).fill(9),
  leaseSecret: new Uint8Array(32).fill(7),
}
const encoding = { requiredShares: 3, happyShares: 7, totalShares: 10, maxSegmentSize: 1024 * 1024 }

const optionsOn = (grid: Grid, more: Partial<UploadOptions> = {}): UploadOptions => ({
  broker: grid.broker,
  codec,
  secrets,
  encoding,
  ...more,
})

const gridOf = (count = 10, readonly: readonly number[] = []): Promise<Grid> =>
  createGrid(count, { takeWholeShares: true, readonly })

const put = (grid: Grid, data: Uint8Array, more?: Partial<UploadOptions>) =>
  uploadImmutable(uploadableFromBytes(data), optionsOn(grid, more))

function chkCap(text: string): ChkCap {
  const cap = parseCapStrict(text)
  if (cap.kind !== 'chk') throw new Error(`expected a CHK cap, got ${cap.kind}`)
  return cap
}

const kinds = (grid: Grid): string[][] =>
  grid.servers.map(({ requests }) => requests.map(({ kind }) => kind))

async function readBack(grid: Grid, uri: string): Promise<Uint8Array> {
  const { broker } = grid
  return createImmutableNode(chkCap(uri), { broker, codec }).downloadBestVersion()
}

/** The numbers of the shares on each server. */
async function placesOf(grid: Grid, uri: string): Promise<number[][]> {
  const { storageIndex } = chkCap(uri)
  const all = await Promise.all(grid.servers.map((server) => sharesOn(server, storageIndex)))
  return all.map((shares) => [...shares.keys()].toSorted((a, b) => a - b))
}

const small = noise(5000)
const middle = noise(600_000)
const refuse = () => Promise.reject(new Error('refused'))

describe('an upload of a small file', () => {
  it('is one request a server, and the shares are those of any upload', async () => {
    const grid = await gridOf()
    const results = await put(grid, small)
    expect(kinds(grid)).toEqual(grid.servers.map(() => ['storeShares']))
    const { convergence } = secrets
    const expected = await encodeToShares(uploadableFromBytes(small), {
      codec,
      convergence,
      encoding,
    })
    expect(results.uri).toBe(expected.cap.format())
    const { storageIndex } = chkCap(results.uri)
    for (const server of grid.servers) {
      const [[share, bytes] = [-1, new Uint8Array()]] = await sharesOn(server, storageIndex)
      expect(same(bytes, expected.shares.get(share) ?? new Uint8Array())).toBe(true)
      expect(results.sharemap.get(share)).toEqual(new Set([server.id]))
    }
    expect(results.pushedShares).toBe(10)
    expect(results.preexistingShares).toBe(0)
    expect(same(await readBack(grid, results.uri), small)).toBe(true)
  })

  it('of more than a few kB asks first, and is two requests a server', async () => {
    const grid = await gridOf()
    const results = await put(grid, middle)
    expect(kinds(grid)).toEqual(grid.servers.map(() => ['getBuckets', 'storeShares']))
    expect(same(await readBack(grid, results.uri), middle)).toBe(true)
  })

  it('asks no more servers than there are shares', async () => {
    const grid = await gridOf(15)
    await put(grid, small)
    expect(kinds(grid).flat()).toHaveLength(10)
  })

  it('goes through the phases of any upload', async () => {
    const grid = await gridOf()
    const seen: Progress[] = []
    await put(grid, small, { onProgress: (progress) => void seen.push(progress) })
    const last = (phase: string) => seen.findLast((one) => one.phase === phase)
    expect(last('placing')).toMatchObject({ done: 10, total: 10 })
    expect(last('pushing')).toMatchObject({ done: 5000, total: 5000 })
    expect(last('closing')).toMatchObject({ done: 10, total: 10 })
    expect(seen.at(-1)?.phase).toBe('closing')
  })

  it('remembers nothing in the journal when all is stored, and does else', async () => {
    const opened: Uint8Array[] = []
    const journal: UploadOptions['journal'] = {
      open: async (storageIndex) => {
        opened.push(storageIndex)
        return undefined
      },
    }
    const grid = await gridOf()
    await put(grid, small, { journal })
    expect(opened).toHaveLength(0)
    const [first] = grid.servers
    if (first !== undefined) first.hooks.store = refuse
    await put(grid, noise(6000), { journal })
    expect(opened).toHaveLength(1)
  })

  for (const [name, data] of Object.entries({ small, middle })) {
    describe(`(${name})`, () => {
      it('that is there stores nothing, and says so', async () => {
        const grid = await gridOf()
        const first = await put(grid, data)
        const before = await placesOf(grid, first.uri)
        const again = await put(grid, data)
        expect(again.uri).toBe(first.uri)
        expect(again.pushedShares).toBe(0)
        expect(again.preexistingShares).toBe(10)
        expect(again.sharemap).toEqual(first.sharemap)
        expect(await placesOf(grid, first.uri)).toEqual(before)
      })

      it('that is there in part stores what is missing', async () => {
        const grid = await gridOf()
        const { uri } = await put(grid, data)
        const { storageIndex } = chkCap(uri)
        const secretsOn = leaseSecretsOf(storageIndex, { ...secrets, crypto: defaultCrypto })
        for (const [index, server] of grid.broker.knownServers().slice(0, 4).entries()) {
          const { backend } = grid.servers[index] ?? {}
          const [share = -1] = (await backend?.listShares('immutable', storageIndex)) ?? []
          await backend?.cancelLease(storageIndex, share, secretsOn(server).cancelSecret)
        }
        expect((await placesOf(grid, uri)).slice(0, 4).flat()).toEqual([])
        const again = await put(grid, data)
        expect(again.sharemap.size).toBe(10)
        expect(again.preexistingShares).toBe(6)
        const places = await placesOf(grid, uri)
        expect(places.every((shares) => shares.length > 0)).toBe(true)
        expect(new Set(places.flat()).size).toBe(10)
      })

      it('goes elsewhere from a server that fails, takes nothing, or is full', async () => {
        const cases: [Grid, (grid: Grid) => void][] = [
          [await gridOf(12), ({ servers: [, one] }) => void (one && (one.hooks.store = refuse))],
          [
            await gridOf(12),
            ({ servers: [, one] }) => {
              const error = new StorageError('STORAGE_NOT_SUPPORTED', 'no')
              if (one) one.hooks.store = () => Promise.reject(error)
            },
          ],
          [await gridOf(12, [1]), () => {}],
        ]
        for (const [grid, spoil] of cases) {
          spoil(grid)
          const results = await put(grid, data)
          expect(results.sharemap.size).toBe(10)
          const places = await placesOf(grid, results.uri)
          expect(places.flat().toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
          for (const [index, { id }] of grid.servers.entries()) {
            for (const share of places[index] ?? []) {
              expect(results.sharemap.get(share)).toEqual(new Set([id]))
            }
          }
          expect(same(await readBack(grid, results.uri), data)).toBe(true)
        }
      })

      it('reads its source once, wherever its shares go in the end', async () => {
        const grid = await gridOf(12)
        const [, second] = grid.servers
        if (second !== undefined) second.hooks.store = refuse
        let reads = 0
        const source = uploadableFromBytes(data)
        const results = await uploadImmutable(
          {
            ...source,
            encryptionKey: new Uint8Array(16).fill(3),
            read: (options) => {
              reads += 1
              return source.read(options)
            },
          },
          optionsOn(grid),
        )
        expect(reads).toBe(1)
        expect(same(await readBack(grid, results.uri), data)).toBe(true)
      })

      it('fails where too few servers take it, and a second try finds what was stored', async () => {
        const grid = await gridOf()
        for (const { hooks } of grid.servers.slice(0, 4)) {
          hooks.store = refuse
          hooks.allocate = refuse
        }
        await expect(put(grid, data)).rejects.toMatchObject({ code: 'UPLOAD_UNHAPPINESS' })
        for (const { hooks } of grid.servers) {
          delete hooks.store
          delete hooks.allocate
        }
        const results = await put(grid, data)
        expect(results.preexistingShares).toBe(6)
        expect(results.sharemap.size).toBe(10)
        expect(same(await readBack(grid, results.uri), data)).toBe(true)
      })

      it('does not wait for ever for a server that says nothing', async () => {
        const grid = await gridOf(12)
        const [, second] = grid.servers
        const asked = new Promise<void>((resolve) => {
          if (second === undefined) return
          second.hooks.store = () => {
            resolve()
            return forever()
          }
        })
        const clock = virtualClock()
        const putting = put(grid, data, { clock })
        await asked
        await clock.elapse(120_000)
        const results = await putting
        expect(same(await readBack(grid, results.uri), data)).toBe(true)
      })

      it('can be cancelled', async () => {
        const grid = await gridOf()
        const stop = new AbortController()
        const reason = new Error('enough')
        for (const { hooks } of grid.servers) {
          hooks.store = () => {
            stop.abort(reason)
            return forever()
          }
        }
        await expect(put(grid, data, { signal: stop.signal })).rejects.toBe(reason)
      })
    })
  }
})

it('goes another way where another upload has found out meanwhile that servers cannot do this', async () => {
  const grid = await gridOf()
  const source = uploadableFromBytes(small)
  const uploadable: typeof source = {
    ...source,
    encryptionKey: 'random',
    async *read(options) {
      // The servers have been chosen by now, and their shares are being made.
      for (const server of grid.broker.knownServers()) {
        const storage = await server.storageServer()
        delete storage.storeShares
      }
      yield* source.read(options)
    },
  }
  const results = await uploadImmutable(uploadable, optionsOn(grid))
  expect(results.pushedShares).toBe(10)
  expect(same(await readBack(grid, results.uri), small)).toBe(true)
})
