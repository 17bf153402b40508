import { cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startNode } from '@lafs/node'
import type { RunningNode } from '@lafs/node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PassThrough } from 'node:stream'
import type { CommandContext } from '../src/command-context.ts'
import { WalkFailures } from '../src/walk-failures.ts'
import type { WebApi } from '../src/web-api.ts'
import type { WebContext } from '../src/web-command.ts'
import { storeFile } from '../src/web-file.ts'
import { walk } from '../src/web-walk.ts'
import { runHere } from './in-process.ts'
import type { Outcome } from './in-process.ts'
import { useLocalGrid } from './local-grid.ts'

const LONG = 'Far more than what a cap can hold itself. '.repeat(5)
const place = useLocalGrid({ servers: 1, encoding: { requiredShares: 1, totalShares: 1 } })

let node: RunningNode
let cwd: string
beforeAll(async () => {
  cwd = join(place.root, 'cwd')
  await mkdir(cwd)
  await writeFile(join(cwd, 'file'), LONG)
  const folder = join(place.root, 'node')
  await cp(place.grid.clientFolder ?? '', folder, { recursive: true })
  const config = await readFile(join(folder, 'tahoe.cfg'), 'utf8')
  await writeFile(
    join(folder, 'tahoe.cfg'),
    `${config}\n[node]\nweb.port = tcp:0:interface=127.0.0.1\n`,
  )
  node = await startNode(folder)
})
afterAll(() => node.close())

type RunOptions = Parameters<typeof runHere>[1]

function lafs(words: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  return runHere(words, { cwd, ...options })
}

/** How many uploads the node that runs has done. */
async function uploadsOfNode(): Promise<number> {
  const answer = await fetch(new URL('statistics?t=json', node.url))
  const { counters } = (await answer.json()) as { counters: Record<string, number> }
  return counters['uploader.files_uploaded'] ?? 0
}

describe('a command over the web API', () => {
  it('goes to the node that runs from the directory, and to the one that is named', async () => {
    const before = await uploadsOfNode()
    const there = ['-d', node.folder, 'put', 'file']
    expect(await lafs(there)).toMatchObject({ status: 0, stderr: '200 OK\n' })
    expect(await uploadsOfNode()).toBe(before + 1)
    const elsewhere = ['-d', join(place.root, 'nowhere'), 'put', '-u', node.url ?? '', 'file']
    expect(await lafs(elsewhere)).toMatchObject({ status: 0 })
    expect(await uploadsOfNode()).toBe(before + 2)
    expect(await lafs(['-d', place.grid.clientFolder ?? '', 'put', 'file'])).toMatchObject({
      status: 0,
    })
    expect(await uploadsOfNode()).toBe(before + 2)
  })

  it.each(['nonsense', 'ftp://127.0.0.1/'])('knows that %j is no address', async (url) => {
    const outcome = await lafs(['-d', node.folder, 'ls', '--node-url', url, 'URI:DIR2-LIT:'])
    expect(outcome).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/^lafs: CLI_USAGE: /),
    })
  })

  it('says what to do when nobody answers', async () => {
    const outcome = await lafs(['-d', node.folder, 'get', '-u', 'http://127.0.0.1:1', 'URI:LIT:'])
    expect(outcome).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/^lafs: CLI_NO_GATEWAY: [^\n]* 'lafs run'[^\n]*\n$/),
    })
  })

  it('says the same of a failure as the gateway of its own process', async () => {
    const lost = `URI:CHK:${'a'.repeat(26)}:${'a'.repeat(52)}:1:1:500`
    const here = await lafs(['-d', place.grid.clientFolder ?? '', 'get', lost])
    const there = await lafs(['-d', node.folder, 'get', lost])
    expect(there).toEqual(here)
    expect(there).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringMatching(
        /^lafs: DOWNLOAD_NO_SHARES: [^\n]*Check that this is the right grid[^\n]*\n$/,
      ),
    })
  })
})

describe.each(['deep-check', 'deep-check --raw', 'manifest', 'stats', 'stats --raw'])(
  '%s',
  (command) => {
    const verifier = `URI:CHK-Verifier:${'a'.repeat(26)}:${'a'.repeat(52)}:1:1:500`
    it.each([
      ['a file', 'URI:LIT:onwwc3dm'],
      ['something else', verifier],
    ])('says that it begins at no other thing than a directory: %s', async (got, cap) => {
      const outcome = await lafs(['-d', node.folder, ...command.split(' '), cap])
      expect(outcome).toEqual({
        status: 1,
        stdout: '',
        stderr: `lafs: CLI_NOT_A_DIRECTORY: expected a directory to begin at, got ${got}.\n`,
      })
    })
  },
)

describe('an option of upstream’s before the command', () => {
  it('tells where it is', async () => {
    const { status, stdout } = await lafs(['--version-and-path'])
    expect(status).toBe(0)
    expect(stdout).toMatch(/^lafs: \S+\n(.*\n)+path: \/.*\/packages\/cli\n$/)
  })

  it('changes nothing where it makes no sense', async () => {
    const words = ['--eliot-destination', 'file:x', '--wormhole-server=ws://x', '-d', node.folder]
    expect(await lafs([...words, 'get', 'URI:LIT:onwwc3dm'])).toEqual({
      status: 0,
      stdout: 'small',
      stderr: 'lafs: --eliot-destination changes nothing: there is no Eliot log.\n',
    })
  })
})

describe('--json', () => {
  it('says what came of each command', async () => {
    const json = async (...words: string[]): Promise<unknown> => {
      const { stdout, status } = await lafs(['-d', node.folder, ...words, '--json'])
      expect(status).toBe(0)
      return JSON.parse(stdout)
    }
    const directory = expect.stringMatching(/^URI:DIR2:/)
    expect(await json('create-alias', 'work')).toEqual({ alias: 'work', cap: directory })
    expect(await json('mkdir', 'work:a')).toEqual({ cap: directory })
    expect(await json('put', 'file', 'work:a/f')).toEqual({
      cap: expect.stringMatching(/^URI:CHK:/),
      created: true,
    })
    expect(await json('ln', 'work:a/f', 'work:g')).toEqual({ linked: true })
    expect(await json('mv', 'work:g', 'work:h')).toEqual({ moved: true })
    expect(await json('unlink', 'work:h')).toEqual({ unlinked: true })
    expect(await json('cp', '-r', 'work:a', 'out')).toEqual({ copied: 1 })
    expect(await json('add-alias', 'same', 'URI:DIR2-LIT:')).toEqual({ alias: 'same' })
    expect(await json('check', 'work:a/f')).toMatchObject({ summary: 'Healthy' })
    expect(await json('stats', 'work:')).toMatchObject({ 'count-directories': 2, finished: true })
    for (const command of ['deep-check', 'manifest']) {
      const { stdout } = await lafs(['-d', node.folder, command, '--json', 'work:'])
      const lines = stdout.trim().split('\n')
      expect(lines.map((line) => (JSON.parse(line) as { type: string }).type)).toEqual([
        'directory',
        'directory',
        'file',
        'stats',
      ])
    }
  })
})

describe('a cap from standard input', () => {
  it.each([
    [['get', '-'], 'small'],
    [['ls', '-F', '-'], '\n'],
    [['check', '-'], 'Summary: Healthy (LIT)\n storage index: \n'],
  ])('%j', async (words, stdout) => {
    const stdin = '  URI:LIT:onwwc3dm\n'
    expect(await lafs(['-d', node.folder, ...words], { stdin })).toMatchObject({
      status: 0,
      stdout,
    })
  })

  it('becomes an alias, or the default one', async () => {
    const stdin = 'URI:DIR2-LIT:'
    const options = { stdin }
    const added = await lafs(['-d', node.folder, 'add-alias', 'typed', '-'], options)
    expect(added.stdout).toBe("Alias 'typed' added\n")
    const listed = await lafs(['-d', node.folder, 'ls', '--dir-cap', '-', 'tahoe:'], options)
    expect(listed).toMatchObject({ status: 0, stdout: '' })
  })

  it.each([
    ['nothing', ''],
    ['two lines', 'URI:LIT:\nURI:LIT:\n'],
  ])('is not %s', async (_what, stdin) => {
    const outcome = await lafs(['-d', node.folder, 'get', '-'], { stdin })
    expect(outcome).toMatchObject({ status: 2, stdout: '' })
  })

  it('cannot come from where the file comes from', async () => {
    const outcome = await lafs(['-d', node.folder, 'put', '-', '-'], { stdin: 'x' })
    expect(outcome).toMatchObject({ status: 2, stdout: '' })
  })
})

describe('put --streaming', () => {
  it('takes a random key', async () => {
    const caps = new Set<string>()
    for (let count = 0; count < 2; count++) {
      const outcome = await lafs(['-d', node.folder, 'put', '--streaming', '-'], { stdin: LONG })
      expect(outcome.status).toBe(0)
      caps.add(outcome.stdout)
      const back = await lafs(['-d', node.folder, 'get', outcome.stdout.trim()])
      expect(back.stdout).toBe(LONG)
    }
    expect(caps.size).toBe(2)
  })
})

describe('a terminal', () => {
  it.each([
    [['put', 'file'], 'hashing'],
    [['get', 'URI:LIT:onwwc3dm', 'out.txt'], 'downloading'],
    [['cp', 'file', 'copy'], undefined],
    [['deep-check', 'URI:DIR2-LIT:'], 'traversing'],
  ])('sees how far %j is, and no trace of it in the end', async (words, phase) => {
    const { stderr } = await lafs(['-d', node.folder, ...words], { showsProgress: true })
    if (phase !== undefined) expect(stderr).toContain(`\r\u001B[2K${phase}`)
    const rest = stderr.slice(stderr.lastIndexOf('\u001B[2K') + 4)
    expect(rest).toMatch(/^(200 OK\n|\S+ retrieved and written to \S+\n|)$/)
  })
})

/** A gateway that gives one answer, whatever is asked. */
function answering(text: string, status = 200): WebContext {
  const body = async function* (): AsyncGenerator<Uint8Array> {
    await Promise.resolve()
    yield new TextEncoder().encode(text)
  }
  const api: WebApi = {
    request: async (_method, _target, request) => {
      if (request.body !== undefined && !(request.body instanceof Uint8Array)) {
        for await (const _ of request.body);
      }
      return { status, headers: new Map(), body: body() }
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
  const { signal } = new AbortController()
  return { api, aliases: new Map(), signal } as Partial<CommandContext> as WebContext
}

describe('walk', () => {
  async function walked(text: string): Promise<{ types: string[]; told: string; count: number }> {
    const stderr = new PassThrough()
    const failures = new WalkFailures(stderr)
    const types: string[] = []
    for await (const { line } of walk(answering(text), 'URI:DIR2-LIT:', {}, failures)) {
      types.push(line.type)
    }
    return { types, told: String(stderr.read() ?? ''), count: failures.count }
  }

  it('ends where upstream’s gateway does, and says why', async () => {
    const text =
      '{"type": "directory", "path": []}\nERROR: UnrecoverableFileError(no recoverable versions)\nTraceback\n'
    expect(await walked(text)).toEqual({
      types: ['directory'],
      told: expect.stringMatching(
        /^lafs: MUTABLE_UNRECOVERABLE: no recoverable versions\. [^\n]*\n$/,
      ),
      count: 1,
    })
  })

  it.each(['ERROR: something else', 'ERROR:'])('copes with %j', async (text) => {
    expect(await walked(`${text}\n`)).toMatchObject({ types: [], count: 1 })
  })

  it.each(['', '{"type": "directory", "path": []}\n'])('knows that %j is not all', async (text) => {
    await expect(walked(text)).rejects.toMatchObject({ code: 'CLI_CUT_SHORT' })
    const whole = `${text}{"type": "stats", "stats": {}}\n`
    expect((await walked(whole)).types.at(-1)).toBe('stats')
  })

  it.each(['{}', '{"type": "file"}', '{"type": "file", "path": "a"}', '{"type": "stats"}'])(
    'takes no %s for a line of it',
    async (text) => {
      await expect(walked(`${text}\n`)).rejects.toMatchObject({ code: 'CLI_BAD_ANSWER' })
    },
  )

  it('does not show what is no JSON', async () => {
    await expect(walked('{"cap": "secret\n')).rejects.toMatchObject({
      code: 'CLI_BAD_ANSWER',
      message: expect.stringMatching(/^(?!.*secret)/),
    })
  })
})

describe('storeFile', () => {
  it.each([
    ['shorter', 'ab', 3],
    ['longer', 'abcd', 3],
  ])('sends nothing for a whole file that is %s than it was', async (_what, text, size) => {
    const pieces = (async function* () {
      await Promise.resolve()
      yield new TextEncoder().encode(text)
    })()
    const options = { onProgress: () => undefined }
    await expect(
      storeFile(answering('URI:LIT:'), undefined, { size, pieces }, options),
    ).rejects.toMatchObject({ code: 'CLI_SOURCE_CHANGED' })
  })
})
