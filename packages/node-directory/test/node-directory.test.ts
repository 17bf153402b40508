import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { toBase32 } from '@lafs/crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isNodeDirectoryError } from '../src/errors.ts'
import { createClientFromDirectory, readClientDirectory } from '../src/node-directory.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lafs-test-'))
  await mkdir(join(folder, 'private'))
})
afterEach(() => rm(folder, { recursive: true }))

async function put(name: string, text: string): Promise<void> {
  await writeFile(join(folder, name), text)
}

async function failure(): Promise<unknown> {
  return readClientDirectory(folder).catch((error: unknown) => error)
}

describe('readClientDirectory', () => {
  it('reads a directory of upstream’s', async () => {
    const secret = new Uint8Array(32).fill(7)
    await put('tahoe.cfg', '[client]\nshares.needed = 2\nshares.happy = 3\nshares.total = 4\n')
    await put('private/servers.yaml', 'storage: {v0-a: {ann: {nickname: one}}}\n')
    await put('private/secret', `${toBase32(secret)}\n`)
    await put('private/convergence', ` ${toBase32(Uint8Array.of(1, 2, 3))} \n`)
    expect(await readClientDirectory(folder)).toEqual({
      servers: [{ serverId: 'v0-a', announcement: { nickname: 'one' } }],
      preferredServerIds: [],
      gridManagerKeys: [],
      encoding: { requiredShares: 2, happyShares: 3, totalShares: 4, maxSegmentSize: 1024 * 1024 },
      mutableFormat: 'SDMF',
      leaseSecret: secret,
      convergence: Uint8Array.of(1, 2, 3),
    })
  })

  it('has upstream’s defaults, and takes a list of preferred servers', async () => {
    await put('tahoe.cfg', '[client]\npeers.preferred = v0-a, v0-b,\n')
    const { encoding, preferredServerIds } = await readClientDirectory(folder)
    expect(encoding).toMatchObject({ requiredShares: 3, happyShares: 7, totalShares: 10 })
    expect(preferredServerIds).toEqual(['v0-a', 'v0-b'])
  })

  it('takes the keys of grid managers', async () => {
    const key = new Uint8Array(32).fill(9)
    await put('tahoe.cfg', `[grid_managers]\none = pub-v0-${toBase32(key)}\n`)
    expect((await readClientDirectory(folder)).gridManagerKeys).toEqual([key])
  })

  it.each(['', 'x', 'pub-v0-', 'pub-v0-aaaa', `priv-v0-${toBase32(new Uint8Array(32))}`])(
    'does not take %j as the key of a grid manager',
    async (text) => {
      await put('tahoe.cfg', `[grid_managers]\none = ${text}\n`)
      expect(await failure()).toMatchObject({ code: 'NODEDIR_BAD_CONFIG' })
    },
  )

  it.each([
    ['', 'SDMF'],
    ['mutable.format = mdmf\n', 'MDMF'],
    ['mutable.format = SDMF\n', 'SDMF'],
  ])('reads the format of mutable files from %j', async (line, format) => {
    await put('tahoe.cfg', `[client]\n${line}`)
    expect((await readClientDirectory(folder)).mutableFormat).toBe(format)
  })

  it('makes missing secrets once, whole, and for their owner alone', async () => {
    await put('tahoe.cfg', '')
    const readings = await Promise.all(Array.from({ length: 8 }, () => readClientDirectory(folder)))
    for (const name of ['secret', 'convergence']) {
      const file = join(folder, 'private', name)
      expect(await readFile(file, 'utf8')).toMatch(/^[a-z2-7]{52}\n$/)
      expect((await stat(file)).mode & 0o777).toBe(0o600)
    }
    expect(new Set(readings.map((one) => toBase32(one.leaseSecret))).size).toBe(1)
    expect(new Set(readings.map((one) => toBase32(one.convergence))).size).toBe(1)
    expect(toBase32(readings[0]?.leaseSecret ?? new Uint8Array())).not.toBe(
      toBase32(readings[0]?.convergence ?? new Uint8Array()),
    )
  })

  it('says so when the folder is no node directory, and makes nothing in it', async () => {
    expect(isNodeDirectoryError(await failure(), 'NODEDIR_ABSENT')).toBe(true)
    await expect(stat(join(folder, 'private', 'secret'))).rejects.toThrow('ENOENT')
  })

  it.each([
    ['NODEDIR_BAD_CONFIG', 'tahoe.cfg', 'no section'],
    ['NODEDIR_BAD_CONFIG', 'tahoe.cfg', '[client]\nmutable.format = topsecret\n'],
    ['NODEDIR_BAD_CONFIG', 'tahoe.cfg', '[client]\nshares.needed = three\n'],
    ['NODEDIR_BAD_CONFIG', 'tahoe.cfg', '[client]\nshares.needed = 0\n'],
    ['NODEDIR_BAD_CONFIG', 'tahoe.cfg', '[client]\nshares.needed = 11\n'],
    ['NODEDIR_BAD_CONFIG', 'tahoe.cfg', '[client]\nshares.total = 257\n'],
    ['NODEDIR_BAD_CONFIG', 'tahoe.cfg', '[client]\nshares.happy = 11\n'],
    ['NODEDIR_BAD_CONFIG', 'tahoe.cfg', '[client]\nshares.happy = 50%\n'],
    ['NODEDIR_BAD_SECRET', 'private/secret', 'topsecret!'],
    ['NODEDIR_BAD_SECRET', 'private/secret', 'mfra'],
    ['NODEDIR_BAD_SECRET', 'private/secret', ''],
    ['NODEDIR_BAD_SECRET', 'private/convergence', 'topsecret!'],
    ['CLIENT_SERVERS_YAML_SYNTAX', 'private/servers.yaml', 'storage: ['],
  ])('%s for a %s of %j', async (code, name, text) => {
    if (name !== 'tahoe.cfg') await put('tahoe.cfg', '')
    await put(name, text)
    const error = await failure()
    expect(error).toMatchObject({ code })
    expect(String(error)).not.toContain('topsecret')
  })
})

describe('createClientFromDirectory', () => {
  it('gives a client that names what it cannot do', async () => {
    await put('tahoe.cfg', '')
    const client = await createClientFromDirectory(folder, { encoding: { requiredShares: 1 } })
    expect(client.encoding).toMatchObject({ requiredShares: 1, totalShares: 10 })
    const { uri } = await client.upload(new TextEncoder().encode('small'))
    expect(uri).toBe('URI:LIT:onwwc3dm')
    expect(client.createNodeFromUri(uri)).toMatchObject({ kind: 'immutable-file', size: 5 })
    const future = client.createNodeFromUri('x-tahoe-future:secret')
    expect(future).toMatchObject({ kind: 'unknown', uri: undefined })
    expect(() => future.raiseError()).toThrow(/^(?!.*secret)/)
    await client.close()
    await expect(client.upload(new Uint8Array(1))).rejects.toMatchObject({ code: 'CLIENT_CLOSED' })
    expect(() => client.createNodeFromUri(uri)).toThrow(
      expect.objectContaining({ code: 'CLIENT_CLOSED' }),
    )
  })
})
