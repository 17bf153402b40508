import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createNodeDirectory } from '../src/create-node-directory.ts'
import type { NewNode } from '../src/create-node-directory.ts'
import { readNodeConfig } from '../src/node-config.ts'
import { readClientDirectory } from '../src/node-directory.ts'
import { disk } from './disk.ts'

const NODE: NewNode = {
  nickname: 'ærlig 100%',
  webPort: 'tcp:3456:interface=127.0.0.1',
  requiredShares: 2,
  happyShares: 3,
  totalShares: 4,
  tub: { port: 'tcp:3457', location: 'tcp:example.org:3457' },
  storage: true,
  storageFolder: '/srv/shares',
  helper: false,
}

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'lafs-test-'))
})
afterEach(async () => {
  vi.restoreAllMocks()
  await rm(root, { recursive: true })
})

describe('createNodeDirectory', () => {
  it('makes a directory that says what it was told', async () => {
    const folder = join(root, 'made', 'here')
    await createNodeDirectory(folder, NODE)
    expect((await readdir(folder)).toSorted()).toEqual(['private', 'tahoe-client.tac', 'tahoe.cfg'])
    expect((await stat(join(folder, 'private'))).mode & 0o777).toBe(0o700)
    expect(await readNodeConfig(folder)).toMatchObject({
      nickname: 'ærlig 100%',
      web: { host: '127.0.0.1', port: 3456 },
      storage: {
        storageFolder: '/srv/shares',
        reservedSpace: 1e9,
        tub: { listen: [{ host: '0.0.0.0', port: 3457 }], locations: ['tcp:example.org:3457'] },
      },
      notes: [],
    })
    expect((await readClientDirectory(folder)).encoding).toMatchObject({
      requiredShares: 2,
      happyShares: 3,
      totalShares: 4,
    })
  })

  it('makes a client that nobody can reach, and keeps its introducer to its owner', async () => {
    const introducer = 'pb://abc@tcp:example.org:1/introducer'
    const folder = join(root, 'client')
    await createNodeDirectory(folder, { ...NODE, tub: undefined, storage: false, introducer })
    expect(await readNodeConfig(folder)).toMatchObject({ storage: undefined })
    const file = join(folder, 'private', 'introducers.yaml')
    expect(await readFile(file, 'utf8')).toBe(`introducers:\n  default:\n    furl: ${introducer}\n`)
    expect((await stat(file)).mode & 0o777).toBe(0o600)
  })

  it('makes one in a volume of its own', async () => {
    await mkdir(join(root, 'lost+found'))
    await createNodeDirectory(root, NODE)
    expect(await readdir(root)).toContain('tahoe.cfg')
  })

  it('touches nothing in a folder that is not empty', async () => {
    await createNodeDirectory(root, NODE)
    const before = await readFile(join(root, 'tahoe.cfg'), 'utf8')
    await expect(createNodeDirectory(root, { ...NODE, nickname: '' })).rejects.toMatchObject({
      code: 'NODEDIR_NOT_EMPTY',
    })
    expect(await readFile(join(root, 'tahoe.cfg'), 'utf8')).toBe(before)
  })

  // Three files, after each of which comes its folder.
  it.each([0, 1, 2, 3, 4, 5])(
    'leaves all as it was where the disk is full after %i steps',
    async (count) => {
      const introducer = 'pb://abc@tcp:example.org:1/introducer'
      const handle = await disk()
      // oxlint-disable-next-line typescript/unbound-method -- called with the file that it is for
      const { sync } = handle
      let left = 0
      vi.spyOn(handle, 'sync').mockImplementation(async function (this: FileHandle) {
        if (left-- === 0) throw new Error('ENOSPC')
        await sync.call(this)
      })
      await mkdir(join(root, 'volume', 'lost+found'), { recursive: true })
      for (const folder of [join(root, 'made', 'here'), join(root, 'volume')]) {
        left = count
        await expect(createNodeDirectory(folder, { ...NODE, introducer })).rejects.toThrow('ENOSPC')
      }
      expect((await readdir(root, { recursive: true })).toSorted()).toEqual([
        'volume',
        join('volume', 'lost+found'),
      ])
    },
  )

  it('takes away nothing that others have made meanwhile', async () => {
    const others = join(root, 'made', 'here', 'private', 'notes')
    vi.spyOn(await disk(), 'sync').mockImplementationOnce(async () => {
      await writeFile(others, 'mine')
      throw new Error('ENOSPC')
    })
    await expect(createNodeDirectory(join(root, 'made', 'here'), NODE)).rejects.toThrow('ENOSPC')
    expect(await readFile(others, 'utf8')).toBe('mine')
    expect(await readdir(join(root, 'made', 'here'))).toEqual(['private'])
  })

  it('makes one node where two are wanted at once', async () => {
    const made = await Promise.allSettled([
      createNodeDirectory(join(root, 'node'), NODE),
      createNodeDirectory(join(root, 'node'), NODE),
    ])
    expect(made.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
    expect(made.find(({ status }) => status === 'rejected')).toMatchObject({
      reason: { code: 'NODEDIR_NOT_EMPTY' },
    })
    expect(await readNodeConfig(join(root, 'node'))).toMatchObject({ nickname: NODE.nickname })
  })

  it('refuses a value that would become an option of its own', async () => {
    const node = { ...NODE, nickname: 'me\nweb.port = 80' }
    await expect(createNodeDirectory(join(root, 'bad'), node)).rejects.toThrow(RangeError)
    expect(await readdir(root)).toEqual([])
  })
})
