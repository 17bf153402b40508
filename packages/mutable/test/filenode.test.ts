import { concatBytes, sameBytes } from '@lafs/crypto'
import { isFilesystemError } from '@lafs/filesystem-interface'
import type { IMutableFileNode, MutableModifier } from '@lafs/filesystem-interface'
import { mutableUploadableFromBytes } from '@lafs/mutable'
import { MDMF_VERSION, SDMF_VERSION } from '@lafs/storage-interface'
import { brokerOf } from '@lafs/testing'
import { stretch } from '@lafs/vectors'
import { describe, expect, it } from 'vitest'
import { createNodeGrid, privateKeyDer, recordedKeys, waitNumber } from './node-grid.ts'
import { overwriteShare, sharesOn } from './publish-grid.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (data: Uint8Array): string => new TextDecoder().decode(data)
const content = (size: number, seed = 'content'): Uint8Array => stretch(bytes(seed), size)

/** Compares what is too long to be printed. */
function expectBytes(actual: Uint8Array, expected: Uint8Array): void {
  expect(actual.length).toBe(expected.length)
  expect(sameBytes(actual, expected)).toBe(true)
}

const withLine = (old: Uint8Array, line: string): Uint8Array =>
  concatBytes([old, bytes(`${line}\n`)])
const append =
  (line: string): MutableModifier =>
  (old) =>
    withLine(old, line)

const formats = [
  ['SDMF', SDMF_VERSION],
  ['MDMF', MDMF_VERSION],
] as const
const sizes = [0, 1, 5000, 131_071, 131_072, 131_073, 300_001]

describe.each(formats)('a new %s file', (format, version) => {
  it.each(sizes)('of %i bytes is read by whoever has its read cap', async (size) => {
    const grid = await createNodeGrid()
    const node = await grid.create(content(size), { version })
    expect(node.uri.startsWith(format === 'SDMF' ? 'URI:SSK:' : 'URI:MDMF:')).toBe(true)
    expect([node.size, node.version, node.readonly]).toEqual([size, version, false])
    expectBytes(await node.downloadBestVersion(), content(size))
    const reader = grid.open(node.readonlyUri)
    expect(reader.size).toBeUndefined()
    expectBytes(await reader.downloadBestVersion(), content(size))
    expect(await reader.currentSize()).toBe(size)
    expect(reader.size).toBe(size)
    expect((await grid.sequenceNumbers(node)).size).toBe(10)
  })

  it('is empty, holds what a source gives, or what a function makes with its write key', async () => {
    const grid = await createNodeGrid()
    expect(await (await grid.create(undefined, { version })).downloadBestVersion()).toHaveLength(0)
    const source = mutableUploadableFromBytes(content(200_000))
    const fromSource = await grid.create(source, { version })
    expectBytes(await fromSource.downloadBestVersion(), content(200_000))
    const made = await grid.create(async (node) => node.writekey ?? new Uint8Array(), { version })
    expect(await made.downloadBestVersion()).toEqual(made.writekey)
  })

  it('takes one key out of the pool, or the key that it is given', async () => {
    const grid = await createNodeGrid()
    const keyPool = recordedKeys()
    const node = await grid.create(bytes('a'), { version, keyPool })
    expect(keyPool.taken).toBe(1)
    const own = { version, keyPool, privateKey: privateKeyDer(1) }
    const other = await grid.create(bytes('b'), own)
    expect(keyPool.taken).toBe(1)
    expect(other.uri).not.toBe(node.uri)
    await expect(grid.create(bytes('c'), own)).rejects.toMatchObject({
      name: 'UncoordinatedWriteError',
    })
    expect(text(await other.downloadBestVersion())).toBe('b')
  })

  it('is not begun anew beside the one that its key has already', async () => {
    const grid = await createNodeGrid()
    const own = { version, privateKey: privateKeyDer(1) }
    const known = grid.servers.map(({ server }) => server)
    const context = { ...grid.context, broker: brokerOf(known.slice(5)) }
    const node = await grid.create(bytes('a'), { ...own, context })
    const before = grid.writes()
    await expect(grid.create(bytes('b'), own)).rejects.toMatchObject({
      name: 'UncoordinatedWriteError',
    })
    expect(grid.writes()).toBe(before)
    expect(text(await grid.open(node.uri).downloadBestVersion())).toBe('a')
  })

  it('is overwritten with more, less and nothing', async () => {
    const grid = await createNodeGrid()
    const node = await grid.create(content(5000), { version })
    const other = grid.open(node.uri)
    for (const [index, size] of [200_000, 1, 0, 131_073].entries()) {
      const status = await node.overwrite(content(size, `${index}`))
      expect(status).toMatchObject({ active: false, progress: 1, size })
      expect(node.size).toBe(size)
      expectBytes(await other.downloadBestVersion(), content(size, `${index}`))
      expect(new Set((await grid.sequenceNumbers(node)).values())).toEqual(new Set([index + 2]))
    }
    await other.overwrite(mutableUploadableFromBytes(content(70_000)))
    expectBytes(await node.downloadBestVersion(), content(70_000))
  })

  it.each(['at once', 'as a stream'])('is read %s though each server fails once', async (how) => {
    const grid = await createNodeGrid({ count: 3 })
    const encoding = { requiredShares: 3, totalShares: 3 }
    const context = { ...grid.context, encoding }
    const { uri } = await grid.create(content(300_001), { version, context })
    for (const server of grid.servers) {
      let failed = false
      server.onRead = (read, shareNumbers) => {
        // The servermap asks for all shares.
        if (failed || shareNumbers.length === 0) return read()
        failed = true
        return Promise.reject(new Error('the connection was lost'))
      }
    }
    if (how === 'at once') {
      expectBytes(await grid.open(uri).downloadBestVersion(), content(300_001))
      return
    }
    const best = await grid.open(uri).bestReadableVersion()
    const pieces: Uint8Array[] = []
    for await (const piece of best.read()) pieces.push(piece)
    expectBytes(concatBytes(pieces), content(300_001))
  })

  it('is read in part', async () => {
    const grid = await createNodeGrid()
    const node = await grid.create(content(300_001), { version })
    const best = await grid.open(node.readonlyUri).bestReadableVersion()
    expect([best.size, best.readonly, best.mutable]).toEqual([300_001, true, true])
    for (const [offset, size] of [
      [0, 1],
      [131_071, 2],
      [299_990, 100],
      [300_001, 5],
      [100_000, 150_000],
    ] as const) {
      const pieces: Uint8Array[] = []
      for await (const piece of best.read({ offset, size })) pieces.push(piece)
      expectBytes(concatBytes(pieces), content(300_001).subarray(offset, offset + size))
    }
    expectBytes(await best.downloadToData(), content(300_001))
  })
})

describe('a mutable file', () => {
  it('tells what its cap tells, without asking anybody', async () => {
    const grid = await createNodeGrid({ count: 0 })
    const cases = [
      'URI:SSK:fs6ul2fju2fvb2cfx7gt6ngycm:hncpinwszbggrurbvuaaexnftk3j5wfr7473pj2g734mo2isxlbq',
      'URI:MDMF:tn2ekpkmearz7k3bivm3ikuz3i:wcqgst36kymoirczlkok5pqdekt5lgsyfw3oh7ecoro3rj5aiyya',
    ]
    for (const [index, uri] of cases.entries()) {
      const node = grid.open(uri)
      expect(node).toMatchObject({
        kind: 'mutable-file',
        mutable: true,
        readonly: false,
        unknown: false,
        allowedInImmutableDirectory: false,
        uri,
        writeUri: uri,
        version: index,
        size: undefined,
      })
      node.raiseError()
      expect(node.repairCap).toBe(node.cap)
      expect(node.writekey).toHaveLength(16)
      const reader = grid.open(node.readonlyUri)
      expect(reader).toMatchObject({
        readonly: true,
        uri: node.readonlyUri,
        readonlyUri: node.readonlyUri,
        writeUri: undefined,
        repairCap: undefined,
        writekey: undefined,
        storageIndex: node.storageIndex,
      })
      expect(reader.verifyCap?.format()).toBe(node.verifyCap?.format())
    }
  })

  it('is for reading alone through a read cap', async () => {
    const grid = await createNodeGrid()
    const node = await grid.create(bytes('a'))
    const map = await node.servermap('MODE_WRITE')
    const reader = grid.open(node.readonlyUri)
    const before = grid.writes()
    for (const edit of [
      () => reader.overwrite(bytes('b')),
      () => reader.modify(append('b')),
      () => reader.upload(bytes('b'), map),
      () => reader.bestMutableVersion(),
    ]) {
      await expect(edit()).rejects.toSatisfy((error) =>
        isFilesystemError(error, 'NODE_NOT_WRITEABLE'),
      )
    }
    const version = (await node.bestReadableVersion()) as Awaited<
      ReturnType<IMutableFileNode['bestMutableVersion']>
    >
    await expect(version.update(bytes('b'), 0)).rejects.toMatchObject({
      code: 'NODE_NOT_WRITEABLE',
    })
    expect(grid.writes()).toBe(before)
  })

  it.each([
    ['a version that is none', { version: 2 }, 'RangeError'],
    ['a private key that is none', { privateKey: new Uint8Array(10) }, 'EncodingError'],
  ])('is not made with %s', async (_, options, name) => {
    const grid = await createNodeGrid()
    await expect(grid.create(bytes('a'), options)).rejects.toMatchObject({ name })
    expect(grid.writes()).toBe(0)
  })

  it('is unrecoverable where there are no shares, whatever is asked', async () => {
    const grid = await createNodeGrid({ count: 3 })
    const node = grid.open(
      'URI:SSK:fs6ul2fju2fvb2cfx7gt6ngycm:hncpinwszbggrurbvuaaexnftk3j5wfr7473pj2g734mo2isxlbq',
    )
    for (const operation of [
      () => node.downloadBestVersion(),
      () => node.bestReadableVersion(),
      () => node.bestMutableVersion(),
      () => node.currentSize(),
      () => node.overwrite(bytes('a')),
      () => node.modify(append('a')),
    ]) {
      await expect(operation()).rejects.toMatchObject({
        code: 'MUTABLE_UNRECOVERABLE',
        message: 'no version of the file has enough shares; found: none',
      })
    }
    expect(grid.writes()).toBe(0)
  })

  it('says what was found of it, and what the first server said that failed', async () => {
    const grid = await createNodeGrid({ count: 10 })
    const { uri } = await grid.create(bytes('a'))
    const gone = grid.servers.slice(2).map(({ server }) => server)
    for (const server of gone) server.storageServer = () => Promise.reject(new Error('gone'))
    await expect(grid.open(uri).downloadBestVersion()).rejects.toMatchObject({
      code: 'MUTABLE_UNRECOVERABLE',
      message: expect.stringMatching(/; found: 2\*seq1-...., first error: gone$/),
      cause: new Error('gone'),
    })
  })

  it('is not taken for that of another key', async () => {
    const grid = await createNodeGrid()
    const [node, other] = [await grid.create(bytes('a')), await grid.create(bytes('b'))]
    const mixed = [...node.readonlyUri.split(':').slice(0, 3), other.readonlyUri.split(':')[3]]
    await expect(grid.open(mixed.join(':')).downloadBestVersion()).rejects.toMatchObject({
      code: 'MUTABLE_UNRECOVERABLE',
      errors: expect.arrayContaining([expect.objectContaining({ code: 'SHARE_CORRUPT' })]),
    })
  })

  it('is still read where the first servers hold damaged blocks', async () => {
    const grid = await createNodeGrid({ count: 20 })
    const node = await grid.create(content(5000))
    const { storageIndex = new Uint8Array() } = node
    for (const server of grid.servers.slice(0, 5)) {
      for (const [share, whole] of await sharesOn(server, storageIndex)) {
        const file = { context: grid.context, storageIndex, writekey: node.writekey }
        const damaged = whole.slice(1500, 1510).map((byte) => byte ^ 1)
        await overwriteShare(file as never, server, share, damaged, 1500)
      }
    }
    expectBytes(await grid.open(node.readonlyUri).downloadBestVersion(), content(5000))
    await grid.open(node.uri).modify(append('more'))
    expect((await node.downloadBestVersion()).length).toBe(5005)
    expect(new Set((await grid.sequenceNumbers(node)).values())).toEqual(new Set([2]))
  })

  it('tells history of what is done to it', async () => {
    const seen: string[] = []
    const history = {
      addServermapUpdate: () => seen.push('map'),
      addPublish: () => seen.push('publish'),
      addRetrieve: () => seen.push('retrieve'),
    }
    const grid = await createNodeGrid({ context: { history } })
    const node = await grid.create(bytes('a'))
    await node.modify(append('b'))
    await node.downloadBestVersion()
    expect(seen).toEqual(['publish', 'map', 'retrieve', 'publish', 'map', 'retrieve'])
  })
})

describe('an edit', () => {
  it('sees what is there, and publishes what it makes of that', async () => {
    const grid = await createNodeGrid()
    const node = await grid.create(bytes('a\n'))
    const seen: unknown[] = []
    const status = await node.modify(async (old, servermap, firstTime) => {
      seen.push(text(old), servermap.lastUpdateMode, firstTime)
      return bytes('b\n')
    })
    expect(seen).toEqual(['a\n', 'MODE_WRITE', true])
    expect(status).toMatchObject({ active: false, progress: 1, size: 2 })
    expect(text(await node.downloadBestVersion())).toBe('b\n')
  })

  it.each<[string, MutableModifier]>([
    ['nothing', () => undefined],
    ['the old array', (old) => old],
    ['equal bytes', (old) => old.slice()],
  ])('that gives %s writes nothing', async (_, modifier) => {
    const grid = await createNodeGrid()
    const node = await grid.create(bytes('a'))
    const before = grid.writes()
    const status = await grid.open(node.uri).modify(modifier)
    expect(status).toMatchObject({
      active: false,
      progress: 1,
      status: 'Nothing to change',
      size: 1,
    })
    expect(grid.writes()).toBe(before)
  })

  it('may be made where the old bytes stand', async () => {
    const grid = await createNodeGrid()
    const node = await grid.create(bytes('a'))
    await node.modify((old) => old.fill(0x62))
    expect(text(await node.downloadBestVersion())).toBe('b')
  })

  it('with what is no bytes changes nothing', async () => {
    const grid = await createNodeGrid()
    const node = await grid.create(bytes('a'))
    const before = grid.writes()
    const message = 'expected bytes, got string'
    await expect(node.modify(() => 'b' as never)).rejects.toThrow(message)
    await expect(node.overwrite('b' as never)).rejects.toThrow('expected bytes or an uploadable')
    expect(grid.writes()).toBe(before)
  })

  it('that throws changes nothing, and the next one goes on', async () => {
    const grid = await createNodeGrid()
    const node = await grid.create(bytes('a'))
    const before = grid.writes()
    const refusal = new Error('I will not')
    const failing = node.modify(() => {
      throw refusal
    })
    const next = node.modify(append('b'))
    await expect(failing).rejects.toBe(refusal)
    expect(grid.writes()).toBe(before)
    await next
    expect(text(await node.downloadBestVersion())).toBe('ab\n')
  })

  it('waits for those before it, and so do reads for it', async () => {
    const grid = await createNodeGrid()
    const node = await grid.create(bytes(''))
    const lines = Array.from({ length: 8 }, (_, index) => `line ${index}`)
    const edits = lines.map((line) => node.modify(append(line)))
    const read = node.downloadBestVersion()
    const overwritten = node.overwrite(bytes('end'))
    const last = node.downloadBestVersion()
    await Promise.all(edits)
    expect(text(await read)).toBe(lines.map((line) => `${line}\n`).join(''))
    await overwritten
    expect(text(await last)).toBe('end')
    expect(grid.waits).toEqual([])
    expect(new Set((await grid.sequenceNumbers(node)).values())).toEqual(new Set([10]))
  })

  it('is made again after another writer came between, with what stands then', async () => {
    const grid = await createNodeGrid()
    const node = await grid.create(bytes(''))
    const other = grid.open(node.uri)
    const seen: unknown[] = []
    await node.modify(async (old, { lastUpdateMode }, firstTime) => {
      seen.push(text(old), lastUpdateMode, firstTime)
      if (firstTime) await other.modify(append('theirs'))
      return withLine(old, 'ours')
    })
    expect(seen).toEqual(['', 'MODE_WRITE', true, 'theirs\n', 'MODE_CHECK', false])
    expect(text(await other.downloadBestVersion())).toBe('theirs\nours\n')
    expect(grid.waits).toEqual([1])
  })

  it('after a race writes even what is there already, so that one version stands', async () => {
    const grid = await createNodeGrid()
    const node = await grid.create(bytes('a'))
    const other = grid.open(node.uri)
    await node.modify(async (old, _, firstTime) => {
      if (firstTime) await other.modify(append('b'))
      return firstTime ? withLine(old, 'b') : old.fill(0).subarray(0, 0) && undefined
    })
    expect(text(await other.downloadBestVersion())).toBe('ab\n')
    expect(new Set((await grid.sequenceNumbers(node)).values())).toEqual(new Set([3]))
  })

  it('is given up after four tries, with longer waits between them', async () => {
    const grid = await createNodeGrid()
    const node = await grid.create(bytes(''))
    const other = grid.open(node.uri)
    let tries = 0
    const edit = node.modify(async (old) => {
      tries += 1
      await other.modify(append(`theirs ${tries}`))
      return withLine(old, 'ours')
    })
    await expect(edit).rejects.toMatchObject({ name: 'UncoordinatedWriteError' })
    expect([tries, grid.waits]).toEqual([4, [1, 2, 3]])
    const lines = [1, 2, 3, 4].map((number) => `theirs ${number}\n`)
    expect(text(await node.downloadBestVersion())).toBe(lines.join(''))
  })

  it('of many clients at once is done, or says that it lost', async () => {
    const grid = await createNodeGrid()
    const node = await grid.create(bytes(''))
    const clients = [node, grid.open(node.uri), grid.open(node.uri)]
    const edits = clients.flatMap((client, index) =>
      ['a', 'b', 'c'].map((line) => ({ line: `${line}${index}`, client })),
    )
    const outcomes = await Promise.allSettled(
      edits.map(({ client, line }) =>
        client.modify((old) => (text(old).includes(line) ? undefined : withLine(old, line))),
      ),
    )
    const present = text(await grid.open(node.readonlyUri).downloadBestVersion())
    for (const [index, outcome] of outcomes.entries()) {
      if (outcome.status === 'fulfilled') expect(present).toContain(edits[index]?.line)
      else expect(outcome.reason).toMatchObject({ name: 'UncoordinatedWriteError' })
    }
    expect(outcomes.some(({ status }) => status === 'fulfilled')).toBe(true)
  })

  it('ends with the reason of its signal, before it begins and while it waits', async () => {
    const grid = await createNodeGrid()
    const node = await grid.create(bytes('a'))
    const stop = new AbortController()
    const reason = new Error('enough')
    const before = grid.writes()
    const edit = node.modify(
      () => {
        stop.abort(reason)
        return bytes('b')
      },
      { signal: stop.signal },
    )
    await expect(edit).rejects.toBe(reason)
    for (const operation of [
      () => node.modify(append('b'), { signal: stop.signal }),
      () => node.overwrite(bytes('b'), { signal: stop.signal }),
      () => node.downloadBestVersion({ signal: stop.signal }),
      () => node.bestMutableVersion({ signal: stop.signal }),
      () => grid.create(bytes('b'), { signal: stop.signal }),
    ]) {
      await expect(operation()).rejects.toBe(reason)
    }
    expect(grid.writes()).toBe(before)
    await node.modify(append('b'))
    expect(text(await node.downloadBestVersion())).toBe('ab\n')
  })

  it('ends with the reason of its signal between two tries', async () => {
    const reason = new Error('enough')
    const stop = new AbortController()
    const grid = await createNodeGrid({
      context: {
        clock: {
          nowMs: () => 0,
          after: (delayMs) => {
            if (waitNumber(delayMs) === 1) queueMicrotask(() => stop.abort(reason))
            return () => {}
          },
        },
      },
    })
    const node = await grid.create(bytes('a'))
    const other = grid.open(node.uri)
    const edit = node.modify(
      async (old) => {
        await other.overwrite(bytes('theirs'))
        return withLine(old, 'ours')
      },
      { signal: stop.signal },
    )
    await expect(edit).rejects.toBe(reason)
    expect(text(await other.downloadBestVersion())).toBe('theirs')
  })
})

describe('an upload against a servermap', () => {
  it('replaces what the map says, and updates the map', async () => {
    const grid = await createNodeGrid()
    const node = await grid.create(bytes('a'))
    const map = await node.servermap('MODE_WRITE')
    await node.upload(bytes('b'), map)
    expect(map.bestRecoverableVersion()?.sequenceNumber).toBe(2)
    await node.upload(mutableUploadableFromBytes(bytes('c')), map)
    expect(text(await grid.open(node.uri).downloadBestVersion())).toBe('c')
    expect(node.size).toBe(1)
  })

  it('loses against another writer', async () => {
    const grid = await createNodeGrid()
    const node = await grid.create(bytes('a'))
    const map = await node.servermap('MODE_WRITE')
    await grid.open(node.uri).overwrite(bytes('b'))
    await expect(node.upload(bytes('c'), map)).rejects.toMatchObject({
      name: 'UncoordinatedWriteError',
    })
    expect(text(await node.downloadBestVersion())).toBe('b')
  })

  it('wants a map that was made for writing, by this package', async () => {
    const grid = await createNodeGrid()
    const node = await grid.create(bytes('a'))
    const forReading = await node.servermap('MODE_READ')
    await expect(node.upload(bytes('b'), forReading)).rejects.toThrow(TypeError)
    await expect(node.upload(bytes('b'), { ...forReading })).rejects.toThrow(TypeError)
    expect(text(await node.downloadBestVersion())).toBe('a')
  })
})
