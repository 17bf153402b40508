import {
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  stat,
  utimes,
  writeFile,
} from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  addAlias,
  explicitGridPlace,
  gridPlace,
  newAliasName,
  readAliases,
} from '../src/aliases.ts'

const KEYS = `${'a'.repeat(26)}:${'a'.repeat(52)}`
const DIRECTORY = `URI:DIR2:${KEYS}`
const OTHER = `URI:DIR2-RO:${KEYS}`
const ALIASES = new Map([
  ['tahoe', DIRECTORY],
  ['été', OTHER],
  ['web', `http://127.0.0.1:3456/uri/${encodeURIComponent(OTHER)}`],
  ['quoted', encodeURIComponent(OTHER)],
  ['file', 'URI:LIT:onwwc3dm'],
  ['future', 'URI:FUTURE:secret'],
])

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lafs-test-'))
  await mkdir(join(folder, 'private'))
})
afterEach(async () => {
  vi.restoreAllMocks()
  await rm(folder, { recursive: true })
})

const file = (name: string): string => join(folder, 'private', name)

describe('readAliases', () => {
  it('reads what upstream’s file may hold', async () => {
    await writeFile(
      file('aliases'),
      [
        `# my aliases`,
        '',
        ` work :  ${DIRECTORY}  `,
        'été: x',
        '  # no alias: y',
        'été:z',
        '',
      ].join('\r\n'),
    )
    expect(await readAliases(folder)).toEqual(
      new Map([
        ['work ', DIRECTORY],
        ['été', 'z'],
      ]),
    )
  })

  it('has none where there is no file', async () => {
    expect(await readAliases(folder)).toEqual(new Map())
    expect(await readAliases(join(folder, 'nowhere'))).toEqual(new Map())
  })

  it('takes root_dir.cap for the default alias, an alias before that, and an option before both', async () => {
    await writeFile(file('root_dir.cap'), `${OTHER}\n`)
    expect(await readAliases(folder)).toEqual(new Map([['tahoe', OTHER]]))
    await writeFile(file('aliases'), `tahoe: ${DIRECTORY}\n`)
    expect(await readAliases(folder)).toEqual(new Map([['tahoe', DIRECTORY]]))
    expect(await readAliases(folder, 'option')).toEqual(new Map([['tahoe', 'option']]))
  })

  it('names the line that is no alias, and not what is in it', async () => {
    await writeFile(file('aliases'), `# one\nsecret words\n`)
    await expect(readAliases(folder)).rejects.toMatchObject({
      code: 'CLI_BAD_ALIAS',
      message: 'private/aliases line 2: expected "name: cap"',
    })
  })
})

describe('addAlias', () => {
  it('leaves what is there as it is, and ends a last line that has no end', async () => {
    await writeFile(file('aliases'), '# mine\n\nold:  cap\n  odd: x')
    await addAlias(folder, 'new', 'cap 2')
    await addAlias(folder, 'newer', 'cap 3')
    const text = await readFile(file('aliases'), 'utf8')
    expect(text).toBe('# mine\n\nold:  cap\n  odd: x\nnew: cap 2\nnewer: cap 3\n')
  })

  it('loses none of those that are added at once', async () => {
    const names = Array.from({ length: 8 }, (_, index) => `alias${index}`)
    await Promise.all(names.map((name) => addAlias(folder, name, 'cap')))
    expect([...(await readAliases(folder)).keys()].toSorted()).toEqual(names)
    expect(await readdir(dirname(file('aliases')))).toEqual(['aliases'])
  })

  it('takes one name once, of those that are added at once', async () => {
    const caps = ['cap 1', 'cap 2', 'cap 3']
    const added = await Promise.allSettled(caps.map((cap) => addAlias(folder, 'name', cap)))
    const [kept] = caps.filter((_, index) => added[index]?.status === 'fulfilled')
    expect(await readFile(file('aliases'), 'utf8')).toBe(`name: ${kept}\n`)
    expect(added.filter(({ status }) => status === 'rejected')).toEqual([
      { status: 'rejected', reason: expect.objectContaining({ code: 'CLI_EXISTING_ALIAS' }) },
      { status: 'rejected', reason: expect.objectContaining({ code: 'CLI_EXISTING_ALIAS' }) },
    ])
  })

  it('does not wait for a process that was killed while it added one', async () => {
    await writeFile(file('aliases.draft'), 'half')
    await utimes(file('aliases.draft'), 1000, 1000)
    await addAlias(folder, 'new', 'cap')
    expect(await readFile(file('aliases'), 'utf8')).toBe('new: cap\n')
  })

  it('leaves a file alone that it could not write again as it is', async () => {
    const latin1 = Buffer.from(`\u00E9t\u00E9: ${DIRECTORY}\n`, 'latin1')
    await writeFile(file('aliases'), latin1)
    await expect(addAlias(folder, 'new', 'cap')).rejects.toMatchObject({ code: 'CLI_BAD_ALIAS' })
    expect(await readFile(file('aliases'))).toEqual(latin1)
  })

  it('has the file on the disk, and then its name', async () => {
    await using handle = await open(folder)
    const files = Object.getPrototypeOf(handle) as FileHandle
    const synced: boolean[] = []
    vi.spyOn(files, 'sync').mockImplementation(async function (this: FileHandle) {
      const isFolder = (await this.stat()).isDirectory()
      synced.push(isFolder)
      // The folder comes when the file has its name in it.
      expect(await readdir(dirname(file('aliases')))).toEqual([
        isFolder ? 'aliases' : 'aliases.draft',
      ])
    })
    await addAlias(folder, 'new', 'cap')
    expect(synced).toEqual([false, true])
  })

  it('makes the file for its owner alone', async () => {
    await addAlias(folder, 'new', 'cap')
    expect(await readFile(file('aliases'), 'utf8')).toBe('new: cap\n')
    expect((await stat(file('aliases'))).mode & 0o777).toBe(0o600)
  })
})

describe('newAliasName', () => {
  it('takes a name with or without its colon', async () => {
    expect(await newAliasName(folder, 'été')).toBe('été')
    expect(await newAliasName(folder, 'été:')).toBe('été')
  })

  it.each([
    ['a:b', 'CLI_BAD_ALIAS'],
    ['a::', 'CLI_BAD_ALIAS'],
    ['a b', 'CLI_BAD_ALIAS'],
    ['a\nb', 'CLI_BAD_ALIAS'],
    ['a\u001Bb', 'CLI_BAD_ALIAS'],
    ['#a', 'CLI_BAD_ALIAS'],
    ['', 'CLI_BAD_ALIAS'],
    ['old', 'CLI_EXISTING_ALIAS'],
  ])('refuses %j', async (word, code) => {
    await writeFile(file('aliases'), `old: ${DIRECTORY}\n`)
    await expect(newAliasName(folder, word)).rejects.toMatchObject({ code })
  })
})

describe('gridPlace', () => {
  it.each([
    ['tahoe:', DIRECTORY, ''],
    ['tahoe:a/b', DIRECTORY, 'a/b'],
    ['  tahoe:a  ', DIRECTORY, 'a'],
    ['tahoe:a:b', DIRECTORY, 'a:b'],
    ['été:a', OTHER, 'a'],
    ['web:a', OTHER, 'a'],
    ['quoted:a', OTHER, 'a'],
    ['a/b', DIRECTORY, 'a/b'],
    ['', DIRECTORY, ''],
    ['a/b:c', DIRECTORY, 'a/b:c'],
    ['./tahoe:a', DIRECTORY, './tahoe:a'],
    [OTHER, OTHER, ''],
    [`${OTHER}/a/b`, OTHER, 'a/b'],
    [`${OTHER}/`, OTHER, ''],
    [`${OTHER}:./a/b`, OTHER, 'a/b'],
    ['URI:LIT:', 'URI:LIT:', ''],
    ['ro.URI:FUTURE:x/y', 'ro.URI:FUTURE:x', 'y'],
    [encodeURIComponent(OTHER), OTHER, ''],
    [`https://example.net:1/uri/${encodeURIComponent(OTHER)}/a%20b`, OTHER, 'a b'],
  ])('takes %j apart', (word, root, path) => {
    expect(gridPlace(ALIASES, word)).toEqual({ root, path })
  })

  it.each([
    ['nope:a', 'CLI_UNKNOWN_ALIAS', /'nope'/],
    ['no\u001Bpe:a', 'CLI_UNKNOWN_ALIAS', /"no\\x1bpe"/],
    ['file:a', 'CLI_BAD_ALIAS', /'file'/],
    ['future:a', 'CLI_BAD_ALIAS', /^(?!.*secret)/],
    [':a', 'CLI_UNKNOWN_ALIAS', /''/],
  ])('refuses %j', (word, code, message) => {
    expect(() => gridPlace(ALIASES, word)).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    )
  })

  it('says how to make the default alias', () => {
    expect(() => gridPlace(new Map(), 'a')).toThrow(/'lafs create-alias tahoe'/)
  })
})

describe('explicitGridPlace', () => {
  it.each(['a', 'a/b', '', './a:b', '/a', '../x', 'a/b:c'])(
    'leaves %j to the local system',
    (word) => {
      expect(explicitGridPlace(ALIASES, word)).toBeUndefined()
    },
  )

  it('takes what has an alias or a cap', () => {
    expect(explicitGridPlace(ALIASES, 'tahoe:a')).toEqual({ root: DIRECTORY, path: 'a' })
    expect(explicitGridPlace(new Map(), 'URI:LIT:')).toEqual({ root: 'URI:LIT:', path: '' })
  })
})
