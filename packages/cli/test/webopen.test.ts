import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { claimFolder } from '@lafs/node-directory'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { runHere } from './in-process.ts'
import { writeFiles } from './recorded.ts'

const CAP =
  'URI:DIR2:aaaaaaaaaaaaaaaaaaaaaaaaaa:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'
const ESCAPED = encodeURIComponent(CAP)

let root: string
let node: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'lafs-webopen-'))
  node = join(root, 'node')
  await writeFiles(node, {
    'private/aliases': `tahoe: ${CAP}\n`,
    'node.url': 'http://127.0.0.1:1234/\n',
  })
  await claimFolder(node)
  await mkdir(join(root, 'silent'))
  await claimFolder(join(root, 'silent'))
  const browser = join(root, 'browser')
  await writeFile(
    browser,
    `#!/bin/sh\necho "$1" > ${join(root, 'opened')}.tmp\nmv ${join(root, 'opened')}.tmp ${join(root, 'opened')}\n`,
  )
  await chmod(browser, 0o700)
})
beforeEach(() => {
  vi.stubEnv('BROWSER', join(root, 'browser'))
  return () => vi.unstubAllEnvs()
})
afterAll(() => rm(root, { recursive: true }))

/** The address that a browser is given. */
async function opened(...words: string[]): Promise<string> {
  const file = join(root, 'opened')
  await rm(file, { force: true })
  expect(await runHere(['-d', node, 'webopen', ...words])).toEqual({
    status: 0,
    stdout: '',
    stderr: '',
  })
  return vi.waitFor(async () => (await readFile(file, 'utf8')).trim())
}

describe('webopen', () => {
  it.each([
    [[], '/'],
    [['-i'], '/?t=info'],
    [['tahoe:'], `/uri/${ESCAPED}`],
    [['tahoe:/'], `/uri/${ESCAPED}`],
    [['-i', 'tahoe:'], `/uri/${ESCAPED}?t=info`],
    [['tahoe:a b/c?'], `/uri/${ESCAPED}/a%20b/c%3F`],
    [[CAP], `/uri/${ESCAPED}`],
    [['-i', 'URI:LIT:aa'], '/uri/URI%3ALIT%3Aaa?t=info'],
    [['--dir-cap', CAP, 'x'], `/uri/${ESCAPED}/x`],
  ])('opens the page of %j', async (words, target) => {
    expect(await opened(...words)).toBe(`http://127.0.0.1:1234${target}`)
  })

  it('takes another gateway', async () => {
    expect(await opened('-u', 'https://grid.example/x/')).toBe('https://grid.example/x/')
  })

  it('prints the address where there is no browser', async () => {
    vi.stubEnv('BROWSER', join(root, 'absent'))
    const outcome = await runHere(['-d', node, 'webopen', 'tahoe:x'])
    expect(outcome.stdout).toBe(`http://127.0.0.1:1234/uri/${ESCAPED}/x\n`)
    expect(outcome.stderr).toContain('no browser')
  })

  it('does not print the address, which may hold a cap, where it is opened', async () => {
    const { stdout } = await runHere(['-d', node, 'webopen', '--json', 'tahoe:x'])
    expect(JSON.parse(stdout)).toEqual({ opened: true })
  })

  it.each([
    [['-d', 'absent', 'webopen'], 1, 'CLI_NO_NODE_RUNNING'],
    [['-d', 'silent', 'webopen'], 1, 'CLI_NO_WEB_API'],
    [['-d', 'silent', 'status'], 2, 'CLI_NO_WEB_API'],
    [['webopen', '-u', 'file:///etc/passwd'], 2, 'expected the address of a gateway'],
    [['webopen', '-u', 'http://127.0.0.1:1/', 'none:'], 1, 'CLI_UNKNOWN_ALIAS'],
  ])('refuses %j', async (words, status, said) => {
    const outcome = await runHere(words, { cwd: root })
    expect([outcome.status, outcome.stderr]).toEqual([status, expect.stringContaining(said)])
  })
})
