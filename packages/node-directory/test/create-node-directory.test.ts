import { mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createNodeDirectory } from '../src/create-node-directory.ts'
import type { NewNode } from '../src/create-node-directory.ts'
import { readNodeConfig } from '../src/node-config.ts'
import { readClientDirectory } from '../src/node-directory.ts'

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
afterEach(() => rm(root, { recursive: true }))

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

  it('refuses a value that would become an option of its own', async () => {
    const node = { ...NODE, nickname: 'me\nweb.port = 80' }
    await expect(createNodeDirectory(join(root, 'bad'), node)).rejects.toThrow(RangeError)
    expect(await readdir(root)).toEqual([])
  })
})
