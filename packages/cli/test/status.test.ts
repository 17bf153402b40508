import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { claimFolder } from '@lafs/node-directory'
import { loadVectors } from '@lafs/vectors'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runHere } from './in-process.ts'
import { writeFiles } from './recorded.ts'

interface Recorded {
  readonly counters: Readonly<Record<string, number>>
  readonly uptime: number
  readonly cases: readonly {
    name: string
    verbose: boolean
    active: readonly object[]
    recent: readonly object[]
    text: string
  }[]
  readonly heads: readonly [uptime: number, text: string][]
}

const recorded = await loadVectors<Recorded>('cli/status')

let root: string
let server: Server
let node: string
/** What the node answers, by the path. */
let answers: Record<string, unknown>

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'lafs-status-'))
  node = join(root, 'node')
  server = createServer((request, response) => {
    const answer = answers[request.url ?? '']
    response.writeHead(answer === undefined ? 500 : 200)
    response.end(typeof answer === 'string' ? answer : JSON.stringify(answer ?? 'broken'))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await writeFiles(node, { 'node.url': `http://127.0.0.1:${port}/\n` })
  await claimFolder(node)
})
afterAll(async () => {
  server.closeAllConnections()
  server.close()
  await rm(root, { recursive: true })
})

function say(active: readonly object[], recent: readonly object[], uptime: number, counters = {}) {
  answers = {
    '/status?t=json': { active, recent },
    '/statistics?t=json': { stats: { 'node.uptime': uptime }, counters },
  }
}

describe('status', () => {
  it.each(recorded.cases)(
    'shows $name as upstream does, verbose: $verbose',
    async ({ verbose, active, recent, text }) => {
      say(active, recent, recorded.uptime, recorded.counters)
      const words = ['-d', node, 'status', ...(verbose ? ['-v'] : [])]
      expect(await runHere(words)).toEqual({ status: 0, stdout: text, stderr: '' })
    },
  )

  it.each(recorded.heads)('tells of %d seconds', async (uptime, text) => {
    say([], [], uptime)
    expect((await runHere(['-d', node, 'status'])).stdout.split('\n\n')[0]).toBe(text)
  })

  it('gives all of it as JSON', async () => {
    say([], [], 7, { x: 1 })
    expect(JSON.parse((await runHere(['-d', node, 'status', '--json'])).stdout)).toEqual({
      status: { active: [], recent: [] },
      statistics: { stats: { 'node.uptime': 7 }, counters: { x: 1 } },
    })
  })

  it('shows how far a download is', async () => {
    const download = {
      type: 'download',
      'storage-index-string': 'x'.repeat(26),
      status: 'a\u001b[2J',
      progress: 0.5,
    }
    say([download], [], 1)
    const { stdout } = await runHere(['-d', node, 'status'], { isTerminal: true })
    expect(stdout).toContain('███████▋        ( 50%) ║ a\\x1b[2J\n')
  })

  it('shows what has no storage index', async () => {
    const upload = { type: 'upload', 'storage-index-string': null, status: 'Finished' }
    say([], [{ ...upload, 'total-size': 3 }], 1)
    const { stdout } = await runHere(['-d', node, 'status'])
    expect(stdout).toContain(`║  put  ║ ${' '.repeat(26)} ║ 3 B        ║ Finished\n`)
  })

  it.each([
    ['something else than JSON', { '/status?t=json': '<html>' }, 'CLI_BAD_ANSWER'],
    [
      'something else than lists',
      { '/status?t=json': {}, '/statistics?t=json': {} },
      'CLI_BAD_ANSWER',
    ],
    ['nothing', { '/status?t=json': 'null' }, 'CLI_BAD_ANSWER'],
    ['an error', {}, 'WEB_500'],
  ])('exits with 2 where the node answers with %s', async (_what, given, code) => {
    answers = given
    const { status, stderr } = await runHere(['-d', node, 'status'])
    expect([status, stderr]).toEqual([2, expect.stringContaining(code)])
  })

  it('exits with 2 where no node runs', async () => {
    const { status, stderr } = await runHere(['-d', root, 'status'])
    expect([status, stderr]).toEqual([2, expect.stringContaining("Start it with 'lafs run'")])
  })
})
