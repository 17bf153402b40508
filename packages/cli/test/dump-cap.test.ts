import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadVectors } from '@lafs/vectors'
import { describe, expect, it } from 'vitest'
import { runHere } from './in-process.ts'

interface Dump {
  readonly arguments: readonly string[]
  readonly stdout: string
}

const { dumps } = await loadVectors<{ dumps: Dump[] }>('cli/dump-cap')

describe('debug dump-cap', () => {
  it.each(dumps)('prints what upstream prints for $arguments', async (dump) => {
    const outcome = await runHere(['debug', 'dump-cap', ...dump.arguments])
    expect(outcome).toEqual({ status: 0, stdout: dump.stdout, stderr: '' })
  })

  it('reads the client secret from a node directory', async () => {
    const withSecret = dumps.find((dump) => dump.arguments[0] === '-c')
    const [, secret = '', cap = ''] = withSecret?.arguments ?? []
    const folder = await mkdtemp(join(tmpdir(), 'lafs-test-'))
    try {
      await mkdir(join(folder, 'private'))
      await writeFile(join(folder, 'private', 'secret'), `${secret}\n`)
      const outcome = await runHere(['debug', 'dump-cap', '-d', folder, cap])
      expect(outcome.stdout).toBe(withSecret?.stdout)
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('takes the cap from standard input', async () => {
    const { stdout } = await runHere(['debug', 'dump-cap', '-'], { stdin: 'URI:LIT:onwwc3dm\n' })
    expect(stdout).toBe("\nLiteral File URI:\n data: 'small'\n")
  })

  it.each([
    [['URI:LIT:onwwc3dm'], { kind: 'lit', data: 'onwwc3dm' }],
    [['URI:DIR2-LIT:onwwc3dm'], { kind: 'dir2-lit' }],
    [['lafs://from-the-future'], { kind: 'unknown' }],
  ])('answers %j in JSON', async (words, facts) => {
    const { stdout } = await runHere(['debug', 'dump-cap', '--json', ...words])
    expect(JSON.parse(stdout)).toEqual(facts)
  })

  it.each(dumps.filter((dump) => dump.arguments.length > 1))(
    'has every secret in JSON that it prints for $arguments',
    async (dump) => {
      const { stdout } = await runHere(['debug', 'dump-cap', '--json', ...dump.arguments])
      const facts = Object.values(JSON.parse(stdout) as object)
      const secrets = [...dump.stdout.matchAll(/(?:secret|_enabler|key): (\w+)$/gm)]
      expect(facts).toEqual(expect.arrayContaining(secrets.map(([, secret]) => secret)))
    },
  )

  it.each([
    ['a node id that is no base32', ['-n', '0189', 'URI:LIT:']],
    ['a secret that is no base32', ['-c', '!', 'URI:LIT:']],
    ['no cap', []],
    ['an unknown option', ['--what', 'URI:LIT:']],
  ])('takes %s for a mistake', async (_what, words) => {
    const outcome = await runHere(['debug', 'dump-cap', ...words])
    expect(outcome).toMatchObject({ status: 2, stdout: '' })
    expect(outcome.stderr).not.toBe('')
  })
})
