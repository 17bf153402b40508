import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isImmutableFileNode } from '@lafs/filesystem-interface'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeKey, startFrontend } from './frontend.ts'
import type { Frontend } from './frontend.ts'

let frontend: Frontend
beforeAll(async () => {
  frontend = await startFrontend()
}, 60_000)
afterAll(() => frontend[Symbol.asyncDispose]())

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Bytes without a pattern that a mistake in order could hide behind. */
function noise(size: number): Uint8Array {
  const data = new Uint8Array(size)
  let state = 1
  for (let index = 0; index < size; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    data[index] = state >>> 24
  }
  return data
}

async function contentOf(name: string): Promise<Uint8Array> {
  const node = await frontend.root.get(name)
  if (!isImmutableFileNode(node)) throw new TypeError(`expected a file, got ${node.kind}`)
  return node.downloadToData()
}

describe('files through OpenSSH’s sftp', () => {
  it.each([0, 1, 55, 56, 32_768, 3_000_001])('keeps %i bytes as they are', async (size) => {
    const { folder, sftp } = frontend
    const data = noise(size)
    const local = join(folder, `up-${size}`)
    const back = join(folder, `down-${size}`)
    await writeFile(local, data)
    const outcome = await sftp([`put ${local} file-${size}`, `get file-${size} ${back}`])
    expect(outcome).toMatchObject({ status: 0, stderr: '' })
    expect(Buffer.compare(await readFile(back), data)).toBe(0)
    expect(Buffer.compare(await contentOf(`file-${size}`), data)).toBe(0)
  })

  it('goes on where a transfer stopped, both ways', async () => {
    const { folder, sftp } = frontend
    const data = noise(500_000)
    await writeFile(join(folder, 'whole'), data)
    await writeFile(join(folder, 'part'), data.subarray(0, 123_456))
    const up = await sftp([
      `put ${join(folder, 'part')} resumed`,
      `reput ${join(folder, 'whole')} resumed`,
    ])
    expect(up).toMatchObject({ status: 0 })
    expect(Buffer.compare(await contentOf('resumed'), data)).toBe(0)
    const down = await sftp([`reget resumed ${join(folder, 'part')}`])
    expect(down).toMatchObject({ status: 0 })
    expect(Buffer.compare(await readFile(join(folder, 'part')), data)).toBe(0)
  })

  it('replaces a file, and leaves nothing behind in the temporary folder', async () => {
    const { folder, sftp } = frontend
    await writeFile(join(folder, 'new'), 'second')
    await frontend.root.addFile('replaced', {
      size: 5,
      async *read() {
        yield bytes('first')
      },
      close: async () => {},
    })
    expect(await sftp([`put ${join(folder, 'new')} replaced`])).toMatchObject({ status: 0 })
    expect(new TextDecoder().decode(await contentOf('replaced'))).toBe('second')
    const left = (await readdir(folder)).filter((name) => name.startsWith('lafs-sftp-'))
    expect(left).toEqual([])
  })

  it('writes into a mutable file, which stays the same file', async () => {
    const { folder, root, client, sftp } = frontend
    const file = await client.createMutableFile(bytes('first content, longer'))
    await root.setNode('mutable', file)
    await writeFile(join(folder, 'text'), 'second')
    expect(await sftp([`put ${join(folder, 'text')} mutable`])).toMatchObject({ status: 0 })
    expect(new TextDecoder().decode(await file.downloadBestVersion())).toBe('second')
    expect((await root.get('mutable')).uri).toBe(file.uri)
  })

  it('reads what a cap names, below /uri', async () => {
    const { folder, client, sftp } = frontend
    const { uri } = await client.upload(noise(1000))
    const back = join(folder, 'by-cap')
    expect(await sftp([`get /uri/${uri} ${back}`])).toMatchObject({ status: 0 })
    expect(Buffer.compare(await readFile(back), noise(1000))).toBe(0)
  })
})

describe('directories through OpenSSH’s sftp', () => {
  it('makes, lists, renames and removes', async () => {
    const { folder, sftp, root } = frontend
    await writeFile(join(folder, 'a'), 'a')
    const made = await sftp([
      'mkdir box',
      `put ${join(folder, 'a')} box/ä-é`,
      'rename box/ä-é box/renamed',
      `put ${join(folder, 'a')} box/other`,
      'rename box/other box/renamed',
      'ls -l box',
      'ls box/..',
    ])
    expect(made).toMatchObject({ status: 0, stderr: '' })
    expect(made.stdout).toMatch(/^-rw-rw-rw- {4}1 tahoe {4}tahoe {11}1 \S+ \d+ \d\d:\d\d renamed$/m)
    expect(await sftp(['rmdir box/renamed'])).toMatchObject({ status: 1 })
    expect(await sftp(['rm box/renamed', 'rmdir box'])).toMatchObject({ status: 0 })
    expect(await root.hasChild('box')).toBe(false)
  })

  it('protects a file from being written', async () => {
    const { folder, sftp, root } = frontend
    await writeFile(join(folder, 'a'), 'a')
    const file = join(folder, 'a')
    expect(await sftp([`put ${file} guarded`, 'chmod 444 guarded'])).toMatchObject({ status: 0 })
    expect(await root.metadataFor('guarded')).toMatchObject({ 'no-write': true })
    const refused = await sftp([`put ${file} guarded`])
    expect(refused.status).toBe(1)
    expect(refused.stderr).toMatch(/Permission denied/)
    expect(await sftp(['chmod 644 guarded', `put ${file} guarded`])).toMatchObject({ status: 0 })
    expect(await root.metadataFor('guarded')).not.toHaveProperty('no-write')
  })

  it.each([
    ['a file that is not there', ['get nowhere'], /not found|No such file/],
    ['a path through a file', ['ls guarded/below'], /not found|No such file/],
    ['a directory as a file', ['rm deep'], /Permission denied/],
    ['a link', ['ln -s a b'], /(unsupported|Operation unsupported)/i],
  ])('refuses %s', async (_what, commands, message) => {
    await frontend.sftp(['-mkdir deep'])
    const outcome = await frontend.sftp(commands)
    expect(outcome.status).toBe(1)
    expect(outcome.stderr + outcome.stdout).toMatch(message)
    expect(outcome.stderr).not.toMatch(/URI:/)
  })
})

describe('who gets in', () => {
  it('takes RSA keys too', async () => {
    expect(await frontend.sftp(['ls'], { key: 'user-rsa' })).toMatchObject({ status: 0 })
  })

  it('keeps out other keys and other names', async () => {
    await makeKey(frontend.folder, 'stranger')
    expect(await frontend.sftp(['ls'], { key: 'stranger' })).toMatchObject({ status: 255 })
    expect(await frontend.sftp(['ls'], { user: 'bob' })).toMatchObject({ status: 255 })
  })

  it('answers df, which sshfs asks for, and runs nothing else', async () => {
    const df = await frontend.ssh('df -P -k /')
    expect(df.status).toBe(0)
    expect(df.stdout).toContain('628318530 314159265 314159265')
    const other = await frontend.ssh('id')
    expect(other.status).toBe(1)
    expect(other.stderr).toContain('supports only the SFTP protocol')
  })
})
