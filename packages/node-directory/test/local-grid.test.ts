import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isImmutableFileNode } from '@lafs/filesystem-interface'
import type { IImmutableFileNode } from '@lafs/filesystem-interface'
import { stretch } from '@lafs/vectors'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createClient, parseServersYaml } from '@lafs/client'
import type { Client } from '@lafs/client'
import { isNodeDirectoryError } from '../src/errors.ts'
import { createLocalGrid } from '../src/local-grid.ts'
import { createClientFromDirectory } from '../src/node-directory.ts'

const TEXT = stretch(new TextEncoder().encode('A file of some size. '), 100_000)
const ENCODING = { requiredShares: 2, totalShares: 4, maxSegmentSize: 30_000 }

function fileOf(client: Client, cap: string): IImmutableFileNode {
  const node = client.createNodeFromUri(cap)
  if (isImmutableFileNode(node)) return node
  throw new TypeError(`expected an immutable file, got ${node.kind}`)
}

let root: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'lafs-test-'))
})
afterAll(() => rm(root, { recursive: true, force: true }))

describe.each(['https', 'memory'] as const)('createLocalGrid over %s', (transport) => {
  it('stores a file and gives it back, whole and in part', async () => {
    await using grid = await createLocalGrid({ servers: 3, transport, encoding: ENCODING })
    await using client = await grid.createClient()
    const results = await client.upload(TEXT)
    expect(results).toMatchObject({ pushedShares: 4, fileSize: TEXT.length })
    expect([...results.sharemap.keys()].toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3])
    const node = fileOf(client, results.uri)
    expect(Buffer.compare(await node.downloadBestVersion(), TEXT)).toBe(0)
    const part: Uint8Array[] = []
    for await (const piece of node.read({ offset: 29_990, size: 30_020 })) part.push(piece)
    expect(Buffer.compare(Buffer.concat(part), TEXT.subarray(29_990, 60_010))).toBe(0)
  })

  it('tells a history of everything that begins', async () => {
    await using grid = await createLocalGrid({ servers: 3, transport, encoding: ENCODING })
    const heard: string[] = []
    const note = (what: string) => (): void => void heard.push(what)
    const history = {
      addUpload: note('upload'),
      addDownload: note('download'),
      addServermapUpdate: note('servermap'),
      addPublish: note('publish'),
      addRetrieve: note('retrieve'),
    }
    await using client = await grid.createClient({ history })
    await fileOf(client, (await client.upload(TEXT)).uri).downloadBestVersion()
    const file = await client.createMutableFile(TEXT)
    await file.downloadBestVersion()
    expect(heard).toEqual(['upload', 'download', 'publish', 'servermap', 'retrieve'])
  })

  it('gives equal files equal caps, and other secrets other ones', async () => {
    await using grid = await createLocalGrid({ servers: 1, transport, encoding: ENCODING })
    await using client = await grid.createClient()
    await using other = await grid.createClient({ convergence: new Uint8Array(32) })
    const first = await client.upload(TEXT)
    const again = await client.upload(TEXT)
    expect(again.uri).toBe(first.uri)
    expect(again).toMatchObject({ preexistingShares: 4, pushedShares: 0 })
    expect((await other.upload(TEXT)).uri).not.toBe(first.uri)
  })

  it('does without the servers that it can do without', async () => {
    await using grid = await createLocalGrid({ servers: 4, transport, encoding: ENCODING })
    await using client = await grid.createClient()
    const { uri } = await client.upload(TEXT)
    for (const server of grid.servers.slice(0, 2)) await server.stop()
    const node = fileOf(client, uri)
    expect(Buffer.compare(await node.downloadBestVersion(), TEXT)).toBe(0)
  })
})

describe('createLocalGrid', () => {
  it('is the same grid again in the same folder', async () => {
    const folder = join(root, 'grid')
    const first = await createLocalGrid({ servers: 3, folder, encoding: ENCODING })
    const client = await first.createClient()
    const { uri } = await client.upload(TEXT)
    await client.close()
    await first.close()

    await using second = await createLocalGrid({ servers: 3, folder, encoding: ENCODING })
    expect(second.serversYaml).toBe(first.serversYaml)
    await using later = await second.createClient()
    const node = fileOf(later, uri)
    expect(Buffer.compare(await node.downloadBestVersion(), TEXT)).toBe(0)
    expect(await later.upload(TEXT)).toMatchObject({ uri, preexistingShares: 4 })
  })

  it('takes another port where its own is taken, and keeps the rest', async () => {
    const folder = join(root, 'moved')
    const first = await createLocalGrid({ servers: 1, folder })
    const portFile = join(folder, 'servers', '1', 'client.port')
    await first.close()
    await using blocker = await createLocalGrid({ servers: 1 })
    const taken = await readFile(join(blocker.servers[0]?.folder ?? '', 'client.port'), 'utf8')
    await writeFile(portFile, taken)
    await using second = await createLocalGrid({ servers: 1, folder })
    expect(second.servers[0]?.serverId).toBe(first.servers[0]?.serverId)
    expect(await readFile(portFile, 'utf8')).not.toBe(taken)
    const tubId = /^pb:\/\/([^@]+)@/
    const furls = [first, second].map(
      (grid) => grid.servers[0]?.announcement['anonymous-storage-FURL'] ?? '',
    )
    expect(tubId.exec(furls[0] ?? '')?.[1]).toBe(tubId.exec(furls[1] ?? '')?.[1])
  })

  it('keeps a second process out of its folder, and a dead one does not', async () => {
    const folder = join(root, 'locked')
    await using grid = await createLocalGrid({ servers: 1, folder })
    const failed = await createLocalGrid({ servers: 1, folder }).catch((error: unknown) => error)
    expect(isNodeDirectoryError(failed, 'NODEDIR_IN_USE')).toBe(true)
    await grid.close()
    await writeFile(join(folder, 'running.process'), '999999999\n')
    await (await createLocalGrid({ servers: 1, folder })).close()
  })

  it('leaves nothing running where one server cannot be started', async () => {
    const folder = join(root, 'half')
    await (await createLocalGrid({ servers: 2, folder })).close()
    const announcement = join(folder, 'servers', '2', 'private', 'announcement.yaml')
    await rm(announcement)
    await mkdir(announcement)
    await expect(createLocalGrid({ servers: 2, folder })).rejects.toThrow(/^E[A-Z]+:/)
    for (const server of ['1', '2']) {
      const port = await readFile(join(folder, 'servers', server, 'client.port'), 'utf8')
      await expect(fetch(`https://127.0.0.1:${port.split(':')[1]}/`)).rejects.toMatchObject({
        cause: { code: 'ECONNREFUSED' },
      })
    }
    await rm(announcement, { recursive: true })
    await (await createLocalGrid({ servers: 2, folder })).close()
  })

  it('leaves nothing behind when it was given no folder', async () => {
    const grid = await createLocalGrid({ servers: 1 })
    const { clientFolder = '' } = grid
    expect(await readdir(clientFolder)).toContain('tahoe.cfg')
    await grid.close()
    await expect(readdir(clientFolder)).rejects.toThrow('ENOENT')
  })

  it('serves clients that read its node directory or its servers.yaml', async () => {
    await using grid = await createLocalGrid({ servers: 2, encoding: ENCODING })
    await using inGrid = await grid.createClient()
    const { uri } = await inGrid.upload(TEXT)
    await using fromFolder = await createClientFromDirectory(grid.clientFolder ?? '')
    expect(fromFolder.encoding).toEqual({ ...ENCODING, happyShares: 2 })
    expect((await fromFolder.upload(TEXT)).uri).toBe(uri)
    await using fromYaml = await createClient({ servers: parseServersYaml(grid.serversYaml) })
    const node = fileOf(fromYaml, uri)
    expect(Buffer.compare(await node.downloadBestVersion(), TEXT)).toBe(0)
  })

  it('looks at leases where the tahoe.cfg of a server or its maker says so', async () => {
    const states = async (folder: string, storage = 'storage'): Promise<string[]> => {
      const names = await readdir(join(folder, 'servers', '1', storage))
      return names.filter((name) => name.startsWith('lease_checker.')).toSorted()
    }
    const saved = ['lease_checker.state.json']
    const folder = join(root, 'crawled')
    await (await createLocalGrid({ servers: 1, folder })).close()
    expect(await states(folder)).toEqual([])
    const cfg = join(folder, 'servers', '1', 'tahoe.cfg')
    await writeFile(
      cfg,
      '[storage]\nstorage_dir = here\nexpire.enabled = true\nexpire.mode = age\n',
    )
    await (await createLocalGrid({ servers: 1, folder })).close()
    expect(await states(folder, 'here')).toEqual(saved)
    await writeFile(cfg, '[storage]\nexpire.enabled = true\n')
    const failed = await createLocalGrid({ servers: 1, folder }).catch((error: unknown) => error)
    expect(isNodeDirectoryError(failed, 'NODEDIR_BAD_CONFIG')).toBe(true)

    const told = join(root, 'crawled by its maker')
    const expiration = {
      enabled: true,
      mode: { kind: 'age' },
      immutable: true,
      mutable: true,
    } as const
    await (await createLocalGrid({ servers: 1, folder: told, expiration })).close()
    expect(await states(told)).toEqual(saved)
    await using inMemory = await createLocalGrid({ servers: 1, transport: 'memory', expiration })
    expect(inMemory.servers).toHaveLength(1)
  })

  it('refuses what makes no sense', async () => {
    await expect(createLocalGrid({ servers: 0 })).rejects.toThrow(RangeError)
    await expect(createLocalGrid({ transport: 'memory', folder: root })).rejects.toThrow(TypeError)
  })
})
