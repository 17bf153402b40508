import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable, Writable } from 'node:stream'
import { loadBytes, loadVectors } from '@lafs/vectors'
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest'
import { EXIT_USAGE } from '../src/failure.ts'
import { run } from '../src/run.ts'
import { runHere } from './in-process.ts'
import { writeFiles } from './recorded.ts'
import type { RecordedStep } from './recorded.ts'

/** One command line and what upstream made of it; see the recording. */
interface Step extends RecordedStep {
  readonly flipped?: readonly (readonly [file: string, offset: number, bits: number])[]
}

interface Recording {
  readonly now: number
  readonly files: readonly (readonly [name: string, source: string | null])[]
  readonly steps: readonly Step[]
}

const { now, files, steps } = await loadVectors<Recording>('cli/shares')

const FAILS = { status: 1, stdout: '', stderr: expect.stringMatching(/^lafs: [A-Z_]+: /) }
const USAGE = { status: EXIT_USAGE, stdout: '', stderr: expect.stringMatching(/^lafs: CLI_USAGE/) }
const CHK_V2 = 'one/storage/shares/mf/mfqwcylbmfqwcylbmfqwcylbme/2'
const MDMF = 'one/storage/shares/mn/mnrwgy3dmnrwgy3dmnrwgy3dmm/0'

/** What is otherwise with us, and why, by command line. */
const DIFFERENCES: Readonly<Record<string, object>> = {
  // Upstream fails assertions; here these are command lines that make no sense.
  'find-shares nonsense! one': USAGE,
  'find-shares abc one': USAGE,
  'corrupt-share --offset=0 one/storage/shares/mf/mfqwcylbmfqwcylbmfqwcylbme/0': USAGE,
  // Upstream knows neither large immutable shares nor MDMF here.
  [`corrupt-share ${CHK_V2}`]: {
    status: 0,
    stdout: '[80..581):  247.b2\n',
    stderr: '',
    flipped: [[CHK_V2, 247, 4]],
  },
  [`corrupt-share ${MDMF}`]: {
    status: 0,
    stdout: expect.stringMatching(/^\[\d+\.\.\d+\): {2}\d+\.b2\n$/),
    stderr: '',
    flipped: [[MDMF, expect.any(Number), 4]],
  },
  'corrupt-share one/storage/shares/mr/mrsgizdemrsgizdemrsgizdemq/1': FAILS,
  'corrupt-share one/storage/shares/mv/mvswkzlfmvswkzlfmvswkzlfmu/0': FAILS,
  'corrupt-share missing': FAILS,
}

/** Upstream cannot read shares without a lease; with us they have no time left. */
const WITHOUT_LEASES =
  /^(CHK mrsgizdemrsgizdemrsgizdemq 3\/10 1500 [a-z2-7]{52} 0|UNKNOWN mutable) '.*\n/gm
const CANNOT_READ = /^Error processing '.*\n/gm

const cwd = await mkdtemp(join(tmpdir(), 'lafs-test-'))
for (const [name, source] of files) {
  await writeFiles(cwd, { [name]: source === null ? 'nothing' : await loadBytes(source) })
}
afterAll(() => rm(cwd, { recursive: true }))
afterEach(() => vi.restoreAllMocks())

async function contents(): Promise<Map<string, Uint8Array>> {
  const read = files.map(async ([name]) => [name, await readFile(join(cwd, name))] as const)
  return new Map(await Promise.all(read))
}

function flippedBytes(
  before: ReadonlyMap<string, Uint8Array>,
  after: ReadonlyMap<string, Uint8Array>,
): unknown[] {
  return [...before].flatMap(([name, bytes]) =>
    [...bytes].flatMap((byte, at) => {
      const other = after.get(name)?.[at] ?? 0
      return byte === other ? [] : [[name, at, byte ^ other]]
    }),
  )
}

/** What a step should come to with us. Upstream always flips the lowest bit, whatever it says. */
function expected({ words, status, usage, stdout = '', stderr = '', flipped = [] }: Step): object {
  const ownWords: unknown = expect.any(String)
  return {
    status: usage === undefined ? status : EXIT_USAGE,
    stdout,
    stderr: status === 0 ? stderr.replaceAll(CANNOT_READ, '') : ownWords,
    flipped: flipped.map(([file, offset]) => [file, offset, 4]),
    ...DIFFERENCES[words.join(' ')],
  }
}

describe('the commands for share files, as upstream’s', () => {
  it.each(steps)('$words', async (step) => {
    vi.spyOn(Math, 'random').mockReturnValue(0.3334)
    const before = await contents()
    const outcome = await runHere(['debug', ...step.words], { cwd, nowMs: now * 1000 })
    const flipped = flippedBytes(before, await contents())
    const hide = (text: string): string => text.replaceAll(cwd, '<CWD>')
    const shown = hide(outcome.stdout)
    const stdout = step.words[0] === 'find-shares' ? sortLines(shown) : shown
    expect(stdout.match(WITHOUT_LEASES)?.length ?? 0).toBe(
      step.stderr?.match(CANNOT_READ)?.length ?? 0,
    )
    expect({
      status: outcome.status,
      stdout: stdout.replaceAll(WITHOUT_LEASES, ''),
      stderr: hide(outcome.stderr),
      flipped,
    }).toEqual(expected(step))
  })
})

function sortLines(text: string): string {
  const lines = text.split('\n').slice(0, -1).toSorted()
  return lines.map((line) => `${line}\n`).join('')
}

describe('debug catalog-shares', () => {
  it('takes no share for a bad one because its line cannot be written', async () => {
    const root = await mkdtemp(join(tmpdir(), 'lafs-test-'))
    try {
      for (const name of ['aa', 'bb']) {
        const folder = join(root, 'storage', 'shares', name, `${name}x`)
        await mkdir(folder, { recursive: true })
        await writeFile(join(folder, '0'), await loadBytes('cli/chk-v1.share'))
      }
      const stderr = new PassThrough()
      const stdout = new Writable({
        write: (_piece, _encoding, done) => done(new Error('ENOSPC')),
      }).on('error', () => undefined)
      const status = await run(['debug', 'catalog-shares', root], {
        stdin: Readable.from([]),
        stdout,
        stderr,
        cwd: root,
        now: Date.now,
        signal: new AbortController().signal,
      })
      expect([status, String(stderr.read())]).toEqual([1, 'lafs: ENOSPC.\n'])
    } finally {
      await rm(root, { recursive: true })
    }
  })

  it('goes on after what it cannot read', async () => {
    const root = await mkdtemp(join(tmpdir(), 'lafs-test-'))
    try {
      const shares = join(root, 'storage', 'shares')
      for (const name of ['aa', 'bb', 'cc'])
        await mkdir(join(shares, name, `${name}x`), { recursive: true })
      const whole = await loadBytes('cli/chk-v1.share')
      await writeFile(join(shares, 'aa', 'aax', '0'), whole.subarray(0, 400))
      await mkdir(join(shares, 'bb', 'bbx', '1'))
      await writeFile(join(shares, 'bb', 'file'), '')
      await writeFile(join(shares, 'cc', 'ccx', '2'), whole)
      const { status, stdout, stderr } = await runHere(['debug', 'catalog-shares', root])
      expect(status).toBe(0)
      expect(stdout).toMatch(/^CHK ccx 3\/10 1500 [^\n]+\/cc\/ccx\/2'\n$/)
      const told = stderr.replaceAll(shares, '').split('\n')
      expect(told.filter((line) => line.startsWith('Error'))).toEqual([
        "Error processing '/aa/aax/0'",
        "Error processing '/bb/bbx/1'",
        "Error processing '/bb/file'",
      ])
    } finally {
      await rm(root, { recursive: true })
    }
  })
})
