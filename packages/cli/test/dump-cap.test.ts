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
