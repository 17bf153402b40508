import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ServerAnnouncement } from '@lafs/storage-interface'
import { loadVectors } from '@lafs/vectors'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readNodeConfig } from '../src/node-config.ts'
import { readClientDirectory } from '../src/node-directory.ts'

/** As upstream's node writes it, with the servers it heard of. */
const CACHE = `- ann:
    anonymous-storage-FURL: pb://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@tcp:192.0.2.7:1/secret
    anonymous-storage-NURLs: ['pb://x@192.0.2.7:1/secret#v=1']
    nickname: cellar
    nonce: abc
    seqnum: 3
    service-name: storage
    version: 0
  key_s: v0-one
- ann: {nickname: other, service-name: storage, anonymous-storage-FURL: 'pb://a@tcp:b:1/c'}
  key_s: v0-two
- ann: {service-name: stub_client}
  key_s: v0-three
- ann: {service-name: storage, anonymous-storage-FURL: 7}
  key_s: v0-four
- ann: 7
  key_s: v0-five
- 8
`

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lafs-test-'))
  await mkdir(join(folder, 'private'))
  await put('tahoe.cfg', '[storage]\nenabled = false\n')
})
afterEach(() => rm(folder, { recursive: true }))

async function put(name: string, text: string): Promise<void> {
  await writeFile(join(folder, name), text)
}

const nicknames = async (): Promise<unknown[]> =>
  (await readClientDirectory(folder)).servers.map(({ announcement }) => announcement.nickname)

describe('the introducers of a node directory', () => {
  it('are not joined, but whom they told of is known', async () => {
    await put('private/introducers.yaml', 'introducers:\n  ours:\n    furl: pb://topsecret\n')
    expect(await nicknames()).toEqual([])
    await put('private/introducer_ours_cache.yaml', CACHE)
    await put('private/introducer_theirs_cache.yaml', CACHE.replace('v0-two', 'v0-six'))
    expect(await nicknames()).toEqual(['cellar', 'other'])
    await put('private/servers.yaml', 'storage: {v0-two: {ann: {nickname: corrected}}}')
    expect(await nicknames()).toEqual(['corrected', 'cellar'])
    const { notes } = await readNodeConfig(folder)
    expect(notes).toEqual([
      expect.stringMatching(/^introducers \(ours\) are not joined: .* and 2 /),
    ])
    expect(notes.join()).not.toContain('secret')
  })

  it('told of servers, which upstream’s node wrote down', async () => {
    const { text, announcements } = await loadVectors<{
      text: string
      announcements: [string, ServerAnnouncement][]
    }>('node-directory/introducer-cache')
    await put('private/introducers.yaml', 'introducers: {ours: {furl: pb://x}}')
    await put('private/introducer_ours_cache.yaml', text)
    const storage = announcements.filter(([, ann]) => ann['service-name'] === 'storage')
    expect((await readClientDirectory(folder)).servers).toEqual(
      storage.map(([serverId, announcement]) => ({ serverId, announcement })),
    )
  })

  it('may stand in tahoe.cfg, under the name default', async () => {
    await put(
      'tahoe.cfg',
      '[storage]\nenabled = false\n[client]\nintroducer.furl = pb://topsecret\n',
    )
    await put('private/introducer_default_cache.yaml', CACHE)
    expect(await nicknames()).toEqual(['cellar', 'other'])
  })

  it.each(['', 'garbage', '[', '{}'])('may have left a cache of %j', async (text) => {
    await put('private/introducers.yaml', 'introducers: {ours: {furl: pb://x}}')
    await put('private/introducer_ours_cache.yaml', text)
    expect(await nicknames()).toEqual([])
  })

  it.each([
    ['[', 'expected YAML'],
    ['topsecret', 'expected a mapping'],
    ['introducers: [topsecret]', 'expected a mapping'],
    ['introducers: {a: topsecret}', 'expected a furl'],
    ['introducers: {a: {furl: 7}}', 'expected a furl'],
    ['introducers: {default: {furl: pb://a}}', 'line 4: expected nothing'],
  ])('are refused when they are %j', async (text, message) => {
    await put(
      'tahoe.cfg',
      '[storage]\nenabled = false\n[client]\nintroducer.furl = pb://topsecret\n',
    )
    await put('private/introducers.yaml', text)
    const error: unknown = await readNodeConfig(folder).catch((failure: unknown) => failure)
    expect(error).toMatchObject({ code: 'NODEDIR_BAD_CONFIG' })
    expect(String(error)).toContain(message)
    expect(String(error)).not.toContain('topsecret')
  })
})
