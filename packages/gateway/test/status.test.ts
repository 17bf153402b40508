import { createHistory } from '@lafs/client'
import { createMemoryStore } from '@lafs/share-store-memory'
import { createStorageServer } from '@lafs/storage-server'
import { virtualClock } from '@lafs/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { NodeStatistics, openMetrics } from '../src/statistics.ts'
import { useWeb } from './web.ts'

const storage = createStorageServer({ store: createMemoryStore() })
const web = useWeb({ storage })
/** The gateway of a node that stores nothing. */
const clientOnly = useWeb()

const HTML = 'text/html; charset=utf-8'

let root: string
let file: string

beforeAll(async () => {
  root = `/uri/${encodeURIComponent((await web.put('/uri?t=mkdir')).text)}`
  file = `/uri/${encodeURIComponent((await web.put('/uri', new Uint8Array(5000))).text)}`
  await web.get(file)
  await web.get(`${root}?t=json`)
})

afterAll(() => storage.close())

describe('the welcome page', () => {
  it('GET /?t=json tells what upstream does', async () => {
    const answer = await web.get('/?t=json')
    expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8')
    const found = answer.json() as { servers: { nodeid: string }[] }
    expect(found).toEqual({
      introducers: { statuses: [] },
      servers: Array.from({ length: 3 }, () => ({
        nodeid: expect.stringMatching(/^v0-[a-z2-7]{52}$/),
        connection_status: 'connected',
        available_space: expect.any(Number),
        nickname: expect.stringMatching(/^server \d$/),
        version: expect.any(String),
        last_received_data: expect.any(Number),
      })),
    })
    const ids = found.servers.map(({ nodeid }) => nodeid)
    expect(ids).toEqual(ids.toSorted())
  })

  it('says of a server that it cannot be reached', async () => {
    await clientOnly.grid.servers[0]?.stop()
    const found = (await clientOnly.get('/?t=json')).json() as {
      servers: { connection_status: string; version: string | null }[]
    }
    const away = found.servers.filter(({ version }) => version === null)
    expect(away).toHaveLength(1)
    expect(away[0]?.connection_status).not.toBe('connected')
  })

  it('GET / is a page for people', async () => {
    for (const target of ['/', '/?t=']) {
      const answer = await web.get(target)
      expect([answer.status, answer.headers.get('content-type')]).toEqual([200, HTML])
    }
  })
})

describe('the operations of the client', () => {
  it('GET /status?t=json tells of them, the last one first', async () => {
    const answer = await web.get('/status?t=json')
    expect(answer.headers.get('content-type')).toBe('application/json')
    const { active, recent } = answer.json() as Record<string, Record<string, unknown>[]>
    expect(active).toEqual([])
    const storageIndex = expect.stringMatching(/^[a-z2-7]{26}$/)
    const common = { 'storage-index-string': storageIndex, status: 'Finished' }
    const of = (type: string): object | undefined => recent?.find((one) => one['type'] === type)
    expect(of('upload')).toEqual({
      ...common,
      type: 'upload',
      'total-size': 5000,
      'progress-hash': 1,
      'progress-ciphertext': 1,
      'progress-encode-push': 1,
    })
    expect(of('download')).toEqual({
      ...common,
      status: expect.any(String),
      type: 'download',
      'total-size': 5000,
      progress: 1,
    })
    expect(of('publish')).toEqual({ ...common, type: 'publish', 'total-size': 0 })
    expect(of('retrieve')).toEqual({ ...common, type: 'retrieve', 'total-size': 0 })
    expect(of('mapupdate')).toEqual({
      ...common,
      type: 'mapupdate',
      mode: expect.stringMatching(/^MODE_/),
      'total-size': '-NA-',
    })
    expect(recent?.map(({ type }) => type).indexOf('retrieve')).toBe(0)
  })

  it('are active as long as they go on', async () => {
    const upload = {
      counter: 1_000_000,
      startedMs: Date.now(),
      storageIndex: undefined,
      size: undefined,
      usingHelper: false,
      status: 'Hashing',
      active: true,
      progress: { chk: 0.5, ciphertext: 0, encodeAndPush: 0 },
      results: undefined,
    }
    clientOnly.history.addUpload(upload)
    const active = async (): Promise<unknown> => {
      const answer = await clientOnly.get('/status?t=json')
      return (answer.json() as { active: unknown }).active
    }
    expect(await active()).toEqual([
      {
        'storage-index-string': null,
        'total-size': null,
        status: 'Hashing',
        type: 'upload',
        'progress-hash': 0.5,
        'progress-ciphertext': 0,
        'progress-encode-push': 0,
      },
    ])
    const page = await clientOnly.get('/status/up-1000000')
    expect([page.status, page.text.includes('Hashing')]).toEqual([200, true])
    upload.active = false
    expect(await active()).toEqual([])
  })

  it('GET /status, GET /status/:operation are pages', async () => {
    expect((await web.get('/status/')).headers.get('content-type')).toBe(HTML)
    const { history } = web
    const pages = [
      `up-${history.listAllUploads()[0]?.counter}`,
      `down-${history.listAllDownloads()[0]?.counter}`,
      `publish-${history.listAllPublishes()[0]?.counter}`,
      `retrieve-${history.listAllRetrieves()[0]?.counter}`,
      `mapupdate-${history.listAllServermapUpdates()[0]?.counter}`,
    ]
    for (const page of pages) {
      const answer = await web.get(`/status/${page}`)
      expect([page, answer.status, answer.headers.get('content-type')]).toEqual([page, 200, HTML])
    }
  })

  it('GET /status/:operation/event_json tells what happened in a download', async () => {
    const { counter } = web.history.listAllDownloads()[0] ?? {}
    const answer = await web.get(`/status/down-${counter}/event_json`)
    expect(answer.headers.get('content-type')).toBe('text/plain')
    expect(Object.keys(answer.json() as object)).toEqual([
      'misc',
      'read',
      'segment',
      'dyhb',
      'block',
      'block_rownums',
      'server_info',
      'num_serverids',
      'serverids',
      'bounds',
    ])
  })

  it.each([
    ['up-999999', 404],
    ['down-999999', 404],
    ['mapupdate-999999', 404],
    ['publish-999999', 404],
    ['retrieve-999999', 404],
    ['down-999999/event_json', 404],
    ['up-0/event_json', 404],
    ['foo-1', 404],
    ['up-x', 404],
    ['up-', 404],
    ['up-1e0', 404],
    ['foo', 400],
    ['up-1-2', 400],
    ['down--1', 400],
  ])('are not %s', async (name, status) => {
    expect((await web.get(`/status/${name}`)).status).toBe(status)
  })
})

describe('statistics', () => {
  it('GET /statistics?t=json tells them by upstream’s names', async () => {
    const answer = await web.get('/statistics?t=json')
    expect(answer.headers.get('content-type')).toBe('text/plain')
    const { counters, stats } = answer.json() as Record<string, Record<string, unknown>>
    expect(counters).toMatchObject({
      'uploader.files_uploaded': 1,
      'uploader.bytes_uploaded': 5000,
      'downloader.files_downloaded': 1,
      'downloader.bytes_downloaded': 5000,
      'mutable.files_published': 1,
      'mutable.bytes_published': 0,
      'mutable.files_retrieved': 1,
      'mutable.bytes_retrieved': 0,
    })
    expect(stats).toMatchObject({
      'node.uptime': expect.any(Number),
      'cpu_monitor.total': expect.any(Number),
      'storage_server.accepting_immutable_shares': 1,
      'storage_server.allocated': 0,
    })
  })

  it('GET /statistics?t=openmetrics tells them to Prometheus', async () => {
    const answer = await web.get('/statistics?t=openmetrics')
    expect(answer.headers.get('content-type')).toBe(
      'application/openmetrics-text; version=1.0.0; charset=utf-8',
    )
    const lines = answer.text.split('\n')
    expect(lines).toContain('tahoe_counters_uploader_bytes_uploaded 5000')
    expect(lines.slice(-2)).toEqual(['# EOF', ''])
  })

  it('GET /statistics is a page', async () => {
    expect((await web.get('/statistics')).headers.get('content-type')).toBe(HTML)
  })

  it('are written for Prometheus as upstream writes them', () => {
    const text = openMetrics({
      counters: { 'uploader.files_uploaded': 2, 'mutable.bytes_published': 5410 },
      stats: {
        'storage_server.latencies.get.samplesize': 8,
        'storage_server.latencies.get.mean': 0.00017192959785461426,
        'storage_server.latencies.get.99_9_percentile': null,
        'storage_server.latencies.get.01_0_percentile': 0.5,
        'cpu_monitor.1min_avg': 0.25,
      },
    })
    expect(text).toBe(
      [
        'tahoe_counters_mutable_bytes_published 5410',
        'tahoe_counters_uploader_files_uploaded 2',
        'tahoe_stats_cpu_monitor_1min_avg 0.25',
        'tahoe_stats_storage_server_latencies_get{quantile="0.010"} 0.5',
        'tahoe_stats_storage_server_latencies_get{quantile="0.999"} NaN',
        'tahoe_stats_storage_server_latencies_get_mean 0.00017192959785461426',
        'tahoe_stats_storage_server_latencies_get_samplesize 8',
        '# EOF',
        '',
      ].join('\n'),
    )
  })

  it('average the use of the processor over 1, 5 and 15 minutes, once they have gone by', async () => {
    const clock = virtualClock()
    const sources = { clock, startedMs: 0, history: createHistory(), storage: undefined }
    const statistics = new NodeStatistics(sources)
    const averages = async (): Promise<string[]> => {
      const { stats } = await statistics.gather()
      return Object.keys(stats).filter((name) => name.endsWith('min_avg'))
    }
    expect(await averages()).toEqual([])
    await clock.elapse(60_000)
    expect(await averages()).toEqual(['cpu_monitor.1min_avg'])
    await clock.elapse(4 * 60_000)
    expect(await averages()).toEqual(['cpu_monitor.1min_avg', 'cpu_monitor.5min_avg'])
    await clock.elapse(30 * 60_000)
    expect(await averages()).toHaveLength(3)
    const { stats } = await statistics.gather()
    expect(stats['node.uptime']).toBe(35 * 60)
    for (const name of await averages()) {
      expect(stats[name]).toBeGreaterThanOrEqual(0)
      expect(stats[name]).toBeLessThan(1)
    }
    statistics.close()
  })
})

describe('the storage server', () => {
  it('GET /storage?t=json tells of it', async () => {
    expect((await web.get('/storage?t=json')).json()).toEqual({
      stats: expect.objectContaining({ 'storage_server.accepting_immutable_shares': 1 }),
      'bucket-counter': null,
      'lease-checker': null,
      'lease-checker-progress': null,
    })
    await storage.startCrawlers()
    expect((await web.get('/storage?t=json')).json()).toEqual({
      stats: expect.any(Object),
      'bucket-counter': expect.objectContaining({ 'last-complete-bucket-count': null }),
      'lease-checker': expect.objectContaining({ history: {} }),
      'lease-checker-progress': expect.objectContaining({ 'cycle-in-progress': false }),
    })
  })

  it('GET /storage is a page', async () => {
    expect((await web.get('/storage')).headers.get('content-type')).toBe(HTML)
  })

  it('need not be there', async () => {
    expect((await clientOnly.get('/storage?t=json')).json()).toEqual({})
    expect((await clientOnly.get('/storage')).headers.get('content-type')).toBe(HTML)
  })
})

it('GET /helper_status, GET /helper_status?t=json tell of no upload helper', async () => {
  const answer = await web.get('/helper_status?t=json')
  expect([answer.status, answer.text]).toEqual([200, '{}\n'])
  expect((await web.get('/helper_status')).headers.get('content-type')).toBe(HTML)
})

it('GET /report_incident, POST /report_incident record nothing', async () => {
  const got = await web.get('/report_incident')
  expect([got.status, got.text]).toEqual([400, '/report_incident can only be used with POST'])
  const answer = await web.post('/report_incident?details=x')
  expect([answer.status, answer.text]).toEqual([
    501,
    'This node records no incidents: nothing has been saved.',
  ])
})

it('POST /?t=json, POST /status?t=json, POST /statistics?t=json, POST /storage?t=json, POST /helper_status?t=json answer as GET does', async () => {
  for (const target of ['/', '/status', '/statistics', '/storage', '/helper_status']) {
    const body = 't=json&token=secret'
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const answer = await web.ask('POST', `${target}?t=json`, { headers, body })
    const got = await web.get(`${target}?t=json`)
    expect([answer.status, Object.keys(answer.json() as object)]).toEqual([
      200,
      Object.keys(got.json() as object),
    ])
  }
})

it.each(['/', '/status', '/statistics', '/storage', '/helper_status'])(
  '%s has no other form',
  async (target) => {
    const answer = await web.get(`${target}?t=xyz`)
    expect([answer.status, answer.text]).toEqual([400, "Unknown t value: 'xyz'"])
  },
)
