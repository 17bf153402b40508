import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { formatServersYaml, parseServersYaml } from '@lafs/client'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { addServers } from '../src/add-servers.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lafs-test-'))
})
afterEach(() => rm(folder, { recursive: true }))

const server = (serverId: string, nickname: string): string =>
  formatServersYaml([{ serverId, announcement: { nickname } }])
const file = (): string => join(folder, 'private', 'servers.yaml')

async function nicknames(): Promise<unknown[]> {
  const servers = parseServersYaml(await readFile(file(), 'utf8'))
  return servers.map(({ serverId, announcement }) => [serverId, announcement.nickname])
}

describe('addServers', () => {
  it('adds servers to a file that need not be there, for its owner alone', async () => {
    expect(await addServers(folder, server('v0-a', 'one'))).toMatchObject([{ serverId: 'v0-a' }])
    expect((await stat(file())).mode & 0o777).toBe(0o600)
    await addServers(folder, server('v0-b', 'true'))
    await addServers(folder, server('v0-a', 'corrected'))
    expect(await nicknames()).toEqual([
      ['v0-a', 'corrected'],
      ['v0-b', 'true'],
    ])
  })

  it.each([
    '',
    '# mine\n',
    'storage:\n',
    'storage: {}\n',
    'other: 7\nstorage: {v0-z: {ann: {}}}\n',
  ])('leaves what else is in a file of %j', async (text) => {
    await addServers(folder, server('v0-z', 'z'))
    await writeFile(file(), text)
    await addServers(folder, server('v0-a', 'one'))
    expect(await nicknames()).toContainEqual(['v0-a', 'one'])
    const after = await readFile(file(), 'utf8')
    for (const part of text.match(/# mine|other: 7|v0-z/g) ?? []) expect(after).toContain(part)
  })

  it.each([
    ['storage: [', ''],
    ['topsecret', ''],
    [server('v0-a', 'one'), 'topsecret'],
    [server('v0-a', 'one'), 'storage: ['],
  ])('changes nothing for %j in a file of %j', async (announcements, text) => {
    await addServers(folder, server('v0-z', 'z'))
    await writeFile(file(), text)
    await expect(addServers(folder, announcements)).rejects.toMatchObject({
      code: expect.stringMatching(/^CLIENT_SERVERS_YAML_/),
      message: expect.not.stringContaining('topsecret'),
    })
    expect(await readFile(file(), 'utf8')).toBe(text)
  })
})
