import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RenewalStatus } from '@lafs/checker'
import { monitored } from '@lafs/dirnode'
import type { IMonitor } from '@lafs/filesystem-interface'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { EXIT_INTERRUPTED } from '../src/failure.ts'
import { runHere } from './in-process.ts'

let status: RenewalStatus
/** A renewal that gets so far and no further. */
function renewLeases(): IMonitor<RenewalStatus> {
  return monitored<RenewalStatus>(undefined, async (monitor) => {
    monitor.setStatus(status)
    return new Promise((_resolve, reject) => {
      monitor.signal.addEventListener('abort', () => reject(monitor.signal.reason as Error))
      interrupt.abort(new DOMException('interrupted', 'AbortError'))
    })
  })
}
vi.mock('@lafs/checker', async (importActual) => ({
  ...(await importActual<object>()),
  renewLeases,
}))

let node: string
let interrupt: AbortController
beforeEach(async () => {
  interrupt = new AbortController()
  node = await mkdtemp(join(tmpdir(), 'lafs-test-'))
  await writeFile(join(node, 'tahoe.cfg'), '')
  status = {
    objects: 3,
    leases: 9,
    failureCount: 1,
    failures: [],
    servers: new Map(),
    cursor: ['a', ''],
  }
})
afterEach(() => rm(node, { recursive: true }))

const renew = (): ReturnType<typeof runHere> =>
  runHere(['-d', node, 'renew', 'URI:DIR2-LIT:'], { signal: interrupt.signal })

describe('renew, interrupted', () => {
  it('keeps how far it was, for its owner alone', async () => {
    expect(await renew()).toEqual({
      status: EXIT_INTERRUPTED,
      stdout: '',
      stderr: 'lafs: use --resume to go on from here.\nlafs: interrupted.\n',
    })
    const folder = join(node, 'private', 'renewals')
    const [name = ''] = await readdir(folder)
    const record: unknown = JSON.parse(await readFile(join(folder, name), 'utf8'))
    expect(record).toEqual({ cursor: ['a', ''], objects: 4, total: null })
    expect((await stat(join(folder, name))).mode & 0o777).toBe(0o600)
  })

  it('keeps nothing where nothing was done', async () => {
    status = { ...status, cursor: undefined }
    expect(await renew()).toMatchObject({
      status: EXIT_INTERRUPTED,
      stderr: 'lafs: interrupted.\n',
    })
    await expect(readdir(join(node, 'private', 'renewals'))).rejects.toThrow('ENOENT')
  })
})
