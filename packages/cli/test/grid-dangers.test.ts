import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Client } from '@lafs/client'
import { createLocalGrid } from '@lafs/node-directory'
import type { LocalGrid } from '@lafs/node-directory'
import type { IDirectoryNode, NewChild } from '@lafs/filesystem-interface'
import { isDirectoryNode, isMutableFileNode } from '@lafs/filesystem-interface'
import { uploadableFromBytes } from '@lafs/immutable'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { runHere } from './in-process.ts'
import type { Outcome } from './in-process.ts'
import { usePublishedKeys } from '@lafs/testing/published-keys'

const HOSTILE = 'red\u001B[31m\u202Etxt'
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

let root: string
let grid: LocalGrid
let client: Client
beforeAll(async () => {
  await usePublishedKeys()
  root = await mkdtemp(join(tmpdir(), 'lafs-test-'))
  grid = await createLocalGrid({ servers: 1, encoding: { requiredShares: 1, totalShares: 1 } })
  client = await grid.createClient()
})
afterAll(async () => {
  await client.close()
  await grid.close()
  await rm(root, { recursive: true, force: true })
})

let cwd: string
beforeEach(async () => {
  cwd = await mkdtemp(join(root, 'cwd-'))
})

function lafs(...words: string[]): Promise<Outcome> {
  return runHere(['-d', grid.clientFolder ?? '', ...words], { cwd })
}

/** A directory with small files of these names. */
async function directoryOf(...names: string[]): Promise<IDirectoryNode> {
  const node = client.createNodeFromUri('URI:LIT:onwwc3dm')
  return client.createDirnode(
    new Map(names.map((name): [string, NewChild] => [name, { node, metadata: {} }])),
  )
}

describe('names of entries that somebody else chose', () => {
  it.each(['..', '.', '../outside', '/absolute', 'a/b', 'nul\0'])(
    'writes no local file for %j, and those beside it',
    async (name) => {
      const { uri } = await directoryOf('beside', name)
      const { status, stdout, stderr } = await lafs('cp', '-r', uri, 'target')
      expect(stderr).toMatch(
        /^lafs: ['"][^\n]+: CLI_UNSAFE_NAME: [\x20-\x7E]+\nlafs: CLI_INCOMPLETE: one thing failed; all the rest is copied.\n$/,
      )
      expect([status, stdout]).toEqual([1, ''])
      expect(await readdir(cwd)).toEqual(['target'])
      expect(await readdir(join(cwd, 'target'))).toEqual(['beside'])
      expect(await readdir(root)).not.toContain('outside')
    },
  )

  it('tells where each of them stands, also of those that are too long for the disk', async () => {
    const long = 'x'.repeat(256)
    const longest = 'y'.repeat(255)
    const inner = await directoryOf('..', long, longest)
    const outer = await directoryOf('file')
    await outer.setNode('inner', inner)
    await outer.setNode('..', await directoryOf('unseen'))
    await outer.setNode(long, await directoryOf('unseen', 'too'))
    const { status, stdout, stderr } = await lafs('cp', '-r', '--json', outer.uri, 'target')
    expect(stderr.match(/(?<=^lafs: ).*?(?=:)/gm)).toEqual([
      "'..'",
      "'inner/..'",
      `'inner/${long}'`,
      `'${long}'`,
      'CLI_INCOMPLETE',
    ])
    expect([status, JSON.parse(stdout)]).toEqual([1, { copied: 2 }])
    expect(await readdir(cwd)).toEqual(['target'])
    expect((await readdir(join(cwd, 'target'))).toSorted()).toEqual(['file', 'inner'])
    expect(await readdir(join(cwd, 'target', 'inner'))).toEqual([longest])
  })

  it('is plain text in errors', async () => {
    const { uri } = await directoryOf('file')
    for (const words of [
      ['get', `${uri}/${HOSTILE}`],
      ['cp', `tahoe${HOSTILE}:`, 'x'],
    ]) {
      const { status, stderr } = await lafs(...words)
      expect(stderr).toMatch(/^lafs: [\x20-\x7E]+\n$/)
      expect(status).toBe(1)
    }
  })

  it('stands in a listing as it is, and in quotes on a terminal', async () => {
    const { uri } = await directoryOf(HOSTILE, 'plain')
    expect((await lafs('ls', uri)).stdout).toBe(`plain\n${HOSTILE}\n`)
    const options = { cwd, isTerminal: true }
    const { stdout } = await runHere(['-d', grid.clientFolder ?? '', 'ls', uri], options)
    expect(stdout).toBe('plain\n"red\\x1b[31m\\u202etxt"\n')
  })

  it.each([['manifest'], ['deep-check -v'], ['deep-check -v --repair']])(
    'does nothing to a terminal in what %s tells',
    async (command) => {
      const { uri } = await directoryOf('left\u202Eright', HOSTILE)
      const words = ['-d', grid.clientFolder ?? '', ...command.split(' '), uri]
      const { status, stdout } = await runHere(words, { cwd, isTerminal: true })
      expect(status).toBe(0)
      expect(stdout).toMatch(/^[\x20-\x7E\n]+$/)
      expect(stdout).toContain(String.raw`left\u202eright`)
      const piped = await runHere(words, { cwd })
      expect(piped.stdout).toContain('left\u202Eright')
      expect(piped.stdout).not.toContain('\u001B')
    },
  )

  it.each(['--uri', '--readonly-uri'])(
    'does nothing to a terminal in caps, with %s',
    async (option) => {
      const made = await directoryOf()
      const cap = 'x-tahoe-future:\u001B[31m\nline'
      await made.setUri('name', undefined, `ro.${cap}`)
      const words = ['-d', grid.clientFolder ?? '', 'ls', option, made.uri]
      const { status, stdout } = await runHere(words, { cwd, isTerminal: true })
      expect(status).toBe(0)
      expect(stdout).toMatch(/^name [\x20-\x7E]+\n$/)
    },
  )

  it('does nothing to a terminal when it looks like an option', async () => {
    const { status, stderr } = await lafs('put', `--${HOSTILE}`)
    expect(status).toBe(2)
    expect(stderr).toMatch(/^[\x20-\x7E]+\n$/)
    expect(stderr).toContain(String.raw`--red\x1b[31m\u202etxt`)
  })

  it('keeps the order of names in JSON, even of those that are numbers', async () => {
    const { uri } = await directoryOf('2', '10', '__proto__')
    const { stdout } = await lafs('ls', '--json', uri)
    expect([...stdout.matchAll(/^ {3}"(\w+)": \[/gm)].map(([, name]) => name)).toEqual([
      '10',
      '2',
      '__proto__',
    ])
  })
})

describe('a directory that contains itself', () => {
  it('is not copied, and nothing is written', async () => {
    const outer = await directoryOf('file')
    const inner = await directoryOf('other')
    await outer.setNode('inner', inner)
    await inner.setNode('outer', outer)
    const { status, stderr } = await lafs('cp', '-r', outer.uri, 'target')
    expect(stderr).toMatch(/^lafs: CLI_CYCLE: .*'outer'.*\n$/)
    expect(status).toBe(1)
    expect(await readdir(cwd)).toEqual([])
    expect((await lafs('manifest', outer.uri)).stdout.trim().split('\n')).toHaveLength(4)
  })

  it('is found in the local file system, too', async () => {
    await mkdir(join(cwd, 'loop'))
    await symlink('..', join(cwd, 'loop', 'up'))
    const { uri } = await directoryOf()
    const { status, stderr } = await lafs('cp', '-r', 'loop', uri)
    expect(stderr).toMatch(/^lafs: CLI_CYCLE: /)
    expect(status).toBe(1)
  })
})

describe('what of a tree on the grid is lost', () => {
  const lost = `${'a'.repeat(26)}:${'a'.repeat(52)}:1:1:1000`

  it('is told, and the rest is brought back', async () => {
    const inner = await directoryOf('file', 'other')
    await inner.setUri('lost', `URI:CHK:${lost}`)
    const outer = await directoryOf('first', 'zuletzt')
    await outer.setNode('inner', inner)
    await outer.setUri('lost directory', `URI:DIR2-CHK:${lost}`)
    await outer.setUri('unknown', undefined, 'ro.x-tahoe-future:something')
    const { status, stdout, stderr } = await lafs('cp', '-r', '--json', outer.uri, 'target')
    expect([status, JSON.parse(stdout)]).toEqual([1, { copied: 4 }])
    expect(stderr.split('\n')).toEqual([
      expect.stringMatching(/^lafs: 'unknown': CLI_UNKNOWN_NODE: /),
      expect.stringMatching(/^lafs: 'lost directory': DOWNLOAD_NO_SHARES: /),
      expect.stringMatching(/^lafs: 'inner\/lost': DOWNLOAD_NO_SHARES: /),
      'lafs: CLI_INCOMPLETE: 3 things failed; all the rest is copied.',
      '',
    ])
    const names = await readdir(join(cwd, 'target'), { recursive: true })
    expect(names.toSorted()).toEqual([
      'first',
      'inner',
      'inner/file',
      'inner/other',
      'lost directory',
      'zuletzt',
    ])
  })

  it('ends the copy where it is all that was to be copied', async () => {
    const { status, stderr } = await lafs('cp', `URI:CHK:${lost}`, 'target')
    expect([status, stderr]).toEqual([1, expect.stringMatching(/^lafs: DOWNLOAD_NO_SHARES: /)])
    expect(await readdir(cwd)).toEqual([])
  })
})

describe('what of a local folder cannot be copied', () => {
  it('is told, and the rest is copied', async () => {
    await mkdir(join(cwd, 'folder'))
    await writeFile(join(cwd, 'folder', 'good'), 'small')
    const undecodable = Buffer.concat([Buffer.from(join(cwd, 'folder/bad')), Buffer.from([0xff])])
    await writeFile(undecodable, 'precious')
    await symlink('nowhere', join(cwd, 'folder', 'dangling'))
    await symlink('loop', join(cwd, 'folder', 'loop'))
    await symlink(`good/below`, join(cwd, 'folder', 'through'))
    const { uri } = await directoryOf()
    const { status, stdout, stderr } = await lafs('cp', '-r', 'folder', uri)
    expect([status, stdout]).toEqual([1, ''])
    expect(stderr.split('\n')).toEqual([
      expect.stringMatching(
        /^lafs: [^ ]+folder\/bad[^ ]+ CLI_UNSAFE_NAME: not copied: its name is/,
      ),
      `WARNING: '${cwd}/folder/dangling' is left out: it is a link that leads nowhere`,
      `WARNING: '${cwd}/folder/loop' is left out: it is a link that leads nowhere`,
      expect.stringMatching(/^lafs: [^ ]+folder\/through': ENOTDIR: /),
      'lafs: CLI_INCOMPLETE: 2 things failed; all the rest is copied.',
      '',
    ])
    expect((await lafs('ls', `${uri}/folder`)).stdout).toBe('good\n')
  })
})

describe('a local file that changes while it is read', () => {
  it.runIf(existsSync('/proc/sys/kernel/random'))(
    'is told, and the rest is copied (where there is /proc, whose files say that they have no bytes)',
    async () => {
      const { uri } = await directoryOf()
      await mkdir(join(cwd, 'folder'))
      await symlink('/proc/sys/kernel/random/boot_id', join(cwd, 'folder', 'changes'))
      await writeFile(join(cwd, 'folder', 'stays'), 'small')
      const { status, stdout, stderr } = await lafs('cp', '-r', '--json', 'folder', uri)
      expect([status, JSON.parse(stdout)]).toEqual([1, { copied: 1 }])
      expect(stderr).toMatch(
        /^lafs: 'folder\/changes': CLI_SOURCE_CHANGED: [^\n]+\nlafs: CLI_INCOMPLETE: one thing failed; /,
      )
      expect((await lafs('ls', `${uri}/folder`)).stdout).toBe('stays\n')
      const alone = await lafs('cp', 'folder/changes', `${uri}/alone`)
      expect(alone).toMatchObject({
        status: 1,
        stderr: expect.stringMatching(/^lafs: CLI_SOURCE_CHANGED: /),
      })
    },
  )
})

describe('what stands in the way', () => {
  it('stays: a directory where a file is to be copied', async () => {
    const target = await directoryOf('file')
    await target.setNode('name', await directoryOf('precious'))
    await writeFile(join(cwd, 'name'), 'new')
    const { status, stderr } = await lafs('cp', 'name', target.uri)
    expect(stderr).toMatch(/^lafs: CLI_IS_A_DIRECTORY: .*'name'.*\n$/)
    expect(status).toBe(1)
    expect((await lafs('ls', `${target.uri}/name`)).stdout).toBe('precious\n')
  })

  it('stays: a file where a directory is to be copied', async () => {
    const target = await directoryOf('tree')
    await mkdir(join(cwd, 'tree'))
    const { status, stderr } = await lafs('cp', '-r', 'tree', target.uri)
    expect(stderr).toMatch(/^lafs: CLI_NOT_A_DIRECTORY: .*'tree'.*\n$/)
    expect(status).toBe(1)
    expect((await lafs('get', `${target.uri}/tree`)).stdout).toBe('small')
  })

  it('is found whatever form its accents have, and so are two files that meet there', async () => {
    const target = await directoryOf()
    const file = await client.createMutableFile(bytes('old'))
    await target.setNode('\u00E9', file)
    await writeFile(join(cwd, 'e\u0301'), 'new')
    expect(await lafs('cp', 'e\u0301', target.uri)).toMatchObject({ status: 0 })
    expect(await file.downloadBestVersion()).toEqual(bytes('new'))
    await writeFile(join(cwd, '\u00E9'), 'other')
    const { status, stderr } = await lafs('cp', 'e\u0301', '\u00E9', target.uri)
    expect(stderr).toMatch(/^lafs: CLI_BAD_COPY: cannot copy multiple files with the same name/)
    expect(status).toBe(1)
  })

  it('stays: a local folder where a file is to be copied', async () => {
    const { uri } = await directoryOf('name')
    await mkdir(join(cwd, 'target', 'name'), { recursive: true })
    const { status } = await lafs('cp', '-r', uri, 'target')
    expect(status).toBe(1)
    expect(await readdir(join(cwd, 'target', 'name'))).toEqual([])
  })

  it('gets the new content where it is a mutable file, and keeps its cap and what is noted there', async () => {
    const target = await directoryOf('other')
    const file = await client.createMutableFile(bytes('old'))
    await target.setNode('name', file, { metadata: { own: 1 } })
    await writeFile(join(cwd, 'name'), 'new')
    expect(await lafs('cp', 'name', target.uri)).toMatchObject({ status: 0 })
    const { node, metadata } = await target.childAndMetadataAtPath('name')
    expect(node.uri).toBe(file.uri)
    expect(metadata).toMatchObject({ own: 1 })
    expect(isMutableFileNode(node) && (await node.downloadBestVersion())).toEqual(bytes('new'))
  })
})

describe('cp within the grid', () => {
  it('links immutable files, whatever keys they have', async () => {
    const data = bytes('A file with a key of its own. '.repeat(10))
    const uploadable = { ...uploadableFromBytes(data), encryptionKey: 'random' as const }
    const { uri } = await client.upload(uploadable)
    const from = await directoryOf()
    await from.setUri('file', uri)
    const to = await directoryOf()
    expect(await lafs('cp', '-r', from.uri, `${to.uri}/copy`)).toMatchObject({ status: 0 })
    const copy = await to.get('copy')
    expect(isDirectoryNode(copy) && (await copy.get('file')).uri).toBe(uri)
  })

  it('copies the content of mutable files, so that the copy stays', async () => {
    const from = await directoryOf()
    const file = await client.createMutableFile(bytes('then'))
    await from.setNode('file', file)
    const to = await directoryOf()
    expect(await lafs('cp', `${from.uri}/file`, `${to.uri}/file`)).toMatchObject({ status: 0 })
    await file.overwrite(bytes('now'))
    expect((await lafs('get', `${to.uri}/file`)).stdout).toBe('then')
  })
})

describe('mv', () => {
  it('onto itself is no change', async () => {
    const { uri } = await directoryOf('name')
    expect(await lafs('mv', `${uri}/name`, `${uri}/name`)).toMatchObject({ status: 0 })
    expect((await lafs('ls', uri)).stdout).toBe('name\n')
  })

  it.each(['', ' '])(
    'onto itself is no change either where its accents differ, after %j',
    async (start) => {
      const { uri } = await directoryOf(`${start}\u00E9`)
      const words = [`${uri}/${start}e\u0301`, `${uri}/${start}\u00E9`]
      expect(await lafs('mv', ...words)).toMatchObject({ status: 0 })
      expect((await lafs('ls', '--json', uri)).stdout).toContain(`"${start}\\u00e9"`)
    },
  )

  it('onto itself is no change either where the cap says more than it must', async () => {
    const { uri } = await client.createDirnode(
      new Map([['name', { node: client.createNodeFromUri('URI:LIT:onwwc3dm'), metadata: {} }]]),
      // An MDMF one.
      { version: 1 },
    )
    expect(await lafs('mv', `${uri}:3:131073/name`, `${uri}/name`)).toMatchObject({ status: 0 })
    expect((await lafs('ls', uri)).stdout).toBe('name\n')
  })

  it('takes along what is noted beside the entry', async () => {
    const [from, to] = [await directoryOf(), await directoryOf()]
    await from.setUri('name', 'URI:LIT:onwwc3dm', undefined, { metadata: { own: 1 } })
    expect(await lafs('mv', `${from.uri}/name`, `${to.uri}/`)).toMatchObject({ status: 1 })
    expect(await lafs('mv', `${from.uri}/name`, `${to.uri}/new`)).toMatchObject({ status: 0 })
    expect(await to.metadataFor('new')).toMatchObject({ own: 1 })
    expect(await from.hasChild('name')).toBe(false)
  })
})

describe('mv of a directory', () => {
  it('loses none that was to be moved into itself', async () => {
    const top = await directoryOf('file')
    const inner = await top.createSubdirectory('d\u00E9')
    await inner.createSubdirectory('below')
    await top.setNode('link', inner)
    const { uri, readonlyUri } = top
    for (const [from, to] of [
      ['d\u00E9', 'd\u00E9/new'],
      ['d\u00E9', 'd\u00E9/'],
      ['d\u00E9', 'de\u0301/below/new/er'],
      ['d\u00E9', 'link/new'],
      ['link', 'd\u00E9/'],
    ] as const) {
      const { status, stderr } = await lafs('mv', `${uri}/${from}`, `${uri}/${to}`)
      expect(stderr).toMatch(/^lafs: CLI_INTO_ITSELF: /)
      expect(status).toBe(1)
    }
    const innerUri = inner.uri
    expect(await lafs('mv', `${uri}/link`, `${innerUri}/x`)).toMatchObject({ status: 1 })
    expect(await lafs('mv', `${readonlyUri}/link`, `${uri}/link/x`)).toMatchObject({ status: 1 })
    expect([...(await top.list()).keys()].toSorted()).toEqual(['d\u00E9', 'file', 'link'])
    expect([...(await inner.list()).keys()]).toEqual(['below'])
    // Beside itself, and up, it can go.
    expect(await lafs('mv', `${uri}/link`, `${uri}/linked`)).toMatchObject({ status: 0 })
    expect(await lafs('mv', `${uri}/d\u00E9/below`, `${uri}/d\u00E92`)).toMatchObject({ status: 0 })
  })
})

it('mv says where an entry stands that it could not remove', async () => {
  const { uri } = await directoryOf()
  const { status, stderr } = await lafs('mv', 'URI:LIT:onwwc3dm', `${uri}/new`)
  expect(stderr).toMatch(/^lafs: CLI_NOT_REMOVED: it stands at the new place, and at the old one/)
  expect(status).toBe(2)
  expect((await lafs('ls', uri)).stdout).toBe('new\n')
})

it.each([
  ['mkdir', 'file'],
  ['mkdir', 'file/below'],
])('%s %s says that there is a file in the way', async (command, path) => {
  const { uri } = await directoryOf('file')
  const { status, stderr } = await lafs(command, `${uri}/${path}`)
  expect(stderr).toBe('lafs: CLI_NOT_A_DIRECTORY: there is a file in the way.\n')
  expect(status).toBe(1)
})

describe('ls -l', () => {
  it('shows the year of old entries', async () => {
    const made = await directoryOf()
    await made.setUri('name', 'URI:LIT:onwwc3dm')
    const halfAYearMs = 6 * 30 * 86_400_000
    const list = async (nowMs: number): Promise<string> =>
      (await runHere(['-d', grid.clientFolder ?? '', 'ls', '-l', made.uri], { cwd, nowMs })).stdout
    const day = /^-r-- 5 [A-Z][a-z]{2} \d\d/.source
    expect(await list(Date.now())).toMatch(new RegExp(`${day} \\d\\d:\\d\\d name\\n$`))
    expect(await list(Date.now() + halfAYearMs + 1000)).toMatch(
      new RegExp(`${day}  20\\d\\d name\\n$`),
    )
  })
})

describe('put', () => {
  it('says what is wrong with a private key, and nothing of it', async () => {
    await writeFile(
      join(cwd, 'key.pem'),
      '-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n',
    )
    await writeFile(join(cwd, 'file'), 'content')
    const { status, stderr } = await lafs(
      'put',
      '--format=MDMF',
      '--private-key-path=key.pem',
      'file',
    )
    expect(stderr).toMatch(/^lafs: ENCODING_[A-Z_]+: (?!.*c2VjcmV0).*\n$/)
    expect(status).toBe(1)
  })

  it('keeps the local file that it cannot put', async () => {
    const { readonlyUri } = await directoryOf('file')
    await writeFile(join(cwd, 'file'), 'content')
    const { status, stderr } = await lafs('put', 'file', `${readonlyUri}/new`)
    expect(stderr).toMatch(/^lafs: NODE_NOT_WRITEABLE: (?!.*URI:).*\n$/)
    expect(status).toBe(1)
    expect(await readFile(join(cwd, 'file'), 'utf8')).toBe('content')
  })
})
