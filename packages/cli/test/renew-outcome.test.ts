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
let comesToItsEnd: boolean
/** A renewal that gets so far, and no further or to its end. */
function renewLeases(): IMonitor<RenewalStatus> {
  return monitored<RenewalStatus>(undefined, async (monitor) => {
    monitor.setStatus(status)
    if (comesToItsEnd) return status
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
  comesToItsEnd = false
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

const renew = (...options: string[]): ReturnType<typeof runHere> =>
  runHere(['-d', node, 'renew', ...options, 'URI:DIR2-LIT:'], { signal: interrupt.signal })

async function kept(): Promise<unknown> {
  const folder = join(node, 'private', 'renewals')
  const [name = ''] = await readdir(folder)
  return JSON.parse(await readFile(join(folder, name), 'utf8'))
}

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

  it('says when it begins anew though there is something to go on with, and keeps that at first', async () => {
    await renew()
    interrupt = new AbortController()
    status = { ...status, cursor: [''] }
    expect(await renew()).toEqual({
      status: EXIT_INTERRUPTED,
      stdout: '',
      stderr:
        'lafs: the last renewal was interrupted; this one begins anew (--resume goes on where it stopped).\n' +
        'lafs: interrupted.\n',
    })
    expect(await kept()).toMatchObject({ cursor: ['a', ''] })
  })

  it('can be gone on with after a time at which the tree could not be read', async () => {
    await renew()
    interrupt = new AbortController()
    comesToItsEnd = true
    const failures = [{ path: [], serverId: undefined, error: new Error('out of reach') }]
    status = { ...status, objects: 0, leases: 0, failures }
    expect(await renew('--resume')).toMatchObject({ status: 1 })
    expect(await kept()).toMatchObject({ cursor: ['a', ''] })
    status = { ...status, failures: [] }
    await renew('--resume')
    expect(await kept()).toMatchObject({ cursor: null })
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

describe('renew, with servers out of reach', () => {
  const server = { leases: 2, failures: 0, notAsked: 0, lastError: undefined }
  const away = { ...server, leases: 0, notAsked: 4 }

  it.each([
    [0, ['v0-a'], 'one server was out of reach, and leases there are as they were; renew again'],
    [0, ['v0-a', 'v0-b'], '2 servers were out of reach, and'],
    [1, [], 'the leases of one object were not renewed everywhere.\n'],
    [2, ['v0-a'], 'the leases of 2 objects were not renewed everywhere; one server was out of'],
  ])('ends badly after %d failures without %j', async (failureCount, awayIds, said) => {
    comesToItsEnd = true
    const servers = new Map([['v0-c', server], ...awayIds.map((id) => [id, away] as const)])
    status = { ...status, failureCount, servers }
    expect(await renew()).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(`lafs: CLI_INCOMPLETE: ${said}`),
    })
  })

  it('ends well when all were asked', async () => {
    comesToItsEnd = true
    status = { ...status, failureCount: 0, servers: new Map([['v0-c', server]]) }
    expect(await renew()).toEqual({
      status: 0,
      stdout: 'done: 9 leases of 3 objects renewed\n server v0-c: 2 leases\n',
      stderr: '',
    })
  })
})
