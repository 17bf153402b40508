import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadBytes, loadVectors } from '@lafs/vectors'
import { afterAll, describe, expect, it } from 'vitest'
import { runHere } from './in-process.ts'
import { writeFiles } from './recorded.ts'

interface Dump {
  readonly share: string
  readonly folder: string
  readonly flags: readonly string[]
  readonly stdout: string
}

const { now, dumps } = await loadVectors<{ now: number; dumps: Dump[] }>('cli/dump-share')
const root = await mkdtemp(join(tmpdir(), 'lafs-test-'))
afterAll(() => rm(root, { recursive: true }))

/** Every text and number in a value, as text. */
function leavesOf(value: unknown): string[] {
  return typeof value === 'object' && value !== null
    ? Object.values(value).flatMap(leavesOf)
    : [String(value)]
}

async function dumpBytes(bytes: Uint8Array): Promise<{ status: number; stderr: string }> {
  const path = join(root, 'share')
  await writeFile(path, bytes)
  return runHere(['debug', 'dump-share', path])
}

describe('debug dump-share', () => {
  it.each(dumps)('prints what upstream prints for $share in $folder, $flags', async (dump) => {
    const folder = join(root, dump.folder)
    await mkdir(folder, { recursive: true })
    const path = join(folder, '0')
    await writeFile(path, await loadBytes(dump.share))
    const outcome = await runHere(['debug', 'dump-share', ...dump.flags, path], {
      nowMs: now * 1000,
    })
    expect(outcome.stderr).toBe('')
    expect(outcome.stdout.replaceAll(path, 'PATH')).toBe(dump.stdout)
    expect(outcome.status).toBe(0)
  })

  it('does nothing to a terminal, whatever the share says of itself', async () => {
    const text = Buffer.from(await loadBytes('cli/chk-v1.share')).toString('latin1')
    const hostile = Buffer.from(text.replace('codec_name:3:crs', 'codec_name:3:\u001B[m'), 'latin1')
    const path = join(root, 'hostile')
    await writeFile(path, hostile)
    const { stdout } = await runHere(['debug', 'dump-share', path], { nowMs: now * 1000 })
    expect(stdout).toMatch(/^[\x20-\x7E\n]+$/)
    expect(stdout).toContain(String.raw`codec_name: \x1b[m`)
  })

  it.each(dumps)('has the same in JSON of $share in $folder, $flags', async (dump) => {
    const path = join(root, dump.folder, '0')
    await writeFiles(root, { [join(dump.folder, '0')]: await loadBytes(dump.share) })
    const words = ['debug', 'dump-share', '--json', ...dump.flags, path]
    const { stdout } = await runHere(words, { nowMs: now * 1000 })
    const leaves = leavesOf(JSON.parse(stdout))
    const values = [
      ...dump.stdout.matchAll(/^ *[\w -]+: (.+?)(?: +\(0x\w+\)| bytes| nodes)?$/gm),
      ...dump.stdout.matchAll(/ in (-?\d+)s/g),
    ].flatMap(([, value = '']) => value.split(','))
    for (const value of values) expect(leaves).toContain(value === "'PATH'" ? path : value)
  })

  it('names the file as upstream does when the command runs in its folder', async () => {
    await writeFile(join(root, '3'), await loadBytes('cli/chk-v1.share'))
    const outcome = await runHere(['debug', 'dump-share', '3'], { cwd: root })
    expect(outcome.stdout.split('\n')[0]).toBe(`share filename: '${join(root, '3')}'`)
  })

  it('says so when there is no such file', async () => {
    const outcome = await runHere(['debug', 'dump-share', join(root, 'none')])
    expect(outcome).toMatchObject({ status: 1, stdout: '' })
    expect(outcome.stderr).toMatch(/^lafs: ENOENT: .*Check the name of the file\.\n$/)
  })

  it('survives truncations and flipped bytes of a share of each kind', async () => {
    const names = [...new Set(dumps.map((dump) => dump.share))]
    for (const name of names) {
      const whole = await loadBytes(name)
      const lengths = [0, 1, 4, 11, 12, 47, 48, 99, 100, 467, 468, 500, 600, whole.length - 1]
      const truncated = lengths.map((length) => whole.subarray(0, length))
      const flipped = Array.from({ length: 230 }, (_, index) => {
        const damaged = Uint8Array.from(whole)
        damaged[index * 3] = (damaged[index * 3] ?? 0) ^ 0x80
        return damaged
      })
      for (const bytes of [...truncated, ...flipped]) {
        const { status, stderr } = await dumpBytes(bytes)
        expect(`${status} ${stderr}`).toMatch(/^(0 |1 lafs: [A-Z_]+: [^\n]*\n)$/)
      }
    }
  })
})
