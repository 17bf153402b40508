import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createConnection } from 'node:net'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { noise } from '@lafs/testing'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { serveGateway } from '../src/index.ts'
import type { GatewayListener, GatewayRequest, GatewayResponse } from '../src/index.ts'
import { useWeb, whole } from './web.ts'

const temporaryFolder = mkdtempSync(join(tmpdir(), 'lafs-test-'))
afterAll(() => rmSync(temporaryFolder, { recursive: true }))

const web = useWeb({ temporaryFolder })
let listener: GatewayListener
const sockets: Socket[] = []

beforeAll(async () => {
  listener = await serveGateway(
    { handle: (request) => handle(request), close: () => web.gateway.close() },
    { port: 0 },
  )
})
afterAll(() => listener.close())
afterEach(() => {
  handle = (request) => web.gateway.handle(request)
  for (const socket of sockets.splice(0)) socket.destroy()
})

/** What answers: the gateway, unless a test puts something else there. */
let handle = (request: GatewayRequest): Promise<GatewayResponse> => web.gateway.handle(request)

/** A connection on which everything can be sent. */
async function connect(): Promise<Socket> {
  const socket = createConnection(Number(new URL(listener.url).port), '127.0.0.1')
  sockets.push(socket)
  await once(socket, 'connect')
  return socket
}

/** What comes until the other side ends the connection. */
async function received(socket: Socket): Promise<string> {
  return Buffer.from(await whole(socket)).toString('latin1')
}

const HEAD = 'Host: localhost\r\nConnection: close\r\n'
const q = encodeURIComponent

/** How long a condition is waited for before it is given up. */
const PATIENCE_MS = 20_000
async function until(condition: () => boolean): Promise<void> {
  for (const end = performance.now() + PATIENCE_MS; !condition() && performance.now() < end;) {
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(condition()).toBe(true)
}

describe('a server', () => {
  it('says where it is', () => {
    expect(listener.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/)
  })

  it('answers several requests on one connection', async () => {
    const data = noise(3_000_000)
    const put = await fetch(`${listener.url}uri`, { method: 'PUT', body: new Uint8Array(data) })
    const cap = await put.text()
    expect(put.headers.get('content-length')).toBe(String(cap.length))
    const got = await fetch(`${listener.url}uri/${q(cap)}`)
    expect(Buffer.from(await got.arrayBuffer()).equals(data)).toBe(true)
    const head = await fetch(`${listener.url}uri/${q(cap)}`, { method: 'HEAD' })
    expect(head.headers.get('content-length')).toBe('3000000')
    const tag = got.headers.get('etag') ?? ''
    const fresh = await fetch(`${listener.url}uri/${q(cap)}`, { headers: { 'if-none-match': tag } })
    expect(fresh.status).toBe(304)
    expect(readdirSync(temporaryFolder)).toEqual([])
  })

  it('hands on the target as it was sent', async () => {
    const targets: string[] = []
    handle = async ({ target }) => {
      targets.push(target)
      return { status: 200, headers: [], body: new Uint8Array(0) }
    }
    const socket = await connect()
    socket.write(`GET /a/../b//%2e%2E/?x=%zz HTTP/1.1\r\n${HEAD}\r\n`)
    expect(await received(socket)).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(targets).toEqual(['/a/../b//%2e%2E/?x=%zz'])
  })

  it('takes a body without a length', async () => {
    const socket = await connect()
    socket.write(`PUT /uri HTTP/1.1\r\n${HEAD}Transfer-Encoding: chunked\r\n\r\n`)
    socket.write('5\r\nhello\r\n')
    socket.write('0\r\n\r\n')
    expect(await received(socket)).toMatch(/\r\n\r\nURI:LIT:nbswy3dp$/)
  })

  it('lets a client wait until its body is wanted', async () => {
    const socket = await connect()
    const expecting = `${HEAD}Content-Length: 5\r\nExpect: 100-continue\r\n\r\n`
    socket.write(`PUT /uri HTTP/1.1\r\n${expecting}`)
    expect(String((await once(socket, 'data'))[0])).toBe('HTTP/1.1 100 Continue\r\n\r\n')
    socket.write('hello')
    expect(await received(socket)).toMatch(/\r\n\r\nURI:LIT:nbswy3dp$/)
    const refused = await connect()
    refused.write(`PUT /uri?format=x HTTP/1.1\r\n${expecting}`)
    expect(await received(refused)).toMatch(/^HTTP\/1\.1 400 /)
  })

  it('answers at once where it does not want the body', async () => {
    const socket = await connect()
    socket.write(
      'PUT /uri?format=x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nx',
    )
    const text = String((await once(socket, 'data'))[0])
    expect(text).toMatch(/^HTTP\/1\.1 400 /)
    expect(text.toLowerCase()).toContain('connection: close')
  })

  it.each<[what: string, sent: string, status: number]>([
    ['no HTTP', 'hello\r\n\r\n', 400],
    ['a head without end', `GET / HTTP/1.1\r\nX: ${'x'.repeat(200_000)}`, 431],
    ['a target without end', `GET /${'x'.repeat(200_000)} HTTP/1.1\r\n\r\n`, 431],
    ['a bad length', 'PUT /uri HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n', 400],
    [
      'two lengths',
      'PUT /uri HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
      400,
    ],
    ['no host', 'GET / HTTP/1.1\r\n\r\n', 400],
    ['another host', `GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n`, 403],
    ['bad chunks', `PUT /uri HTTP/1.1\r\n${HEAD}Transfer-Encoding: chunked\r\n\r\nzz\r\n`, 400],
  ])('refuses %s', async (_what, sent, status) => {
    const socket = await connect()
    socket.on('error', () => undefined)
    socket.write(sent)
    expect(String((await once(socket, 'data'))[0])).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
  })

  it('cannot listen where somebody else does', async () => {
    const port = Number(new URL(listener.url).port)
    await expect(serveGateway(web.gateway, { port })).rejects.toMatchObject({ code: 'EADDRINUSE' })
  })

  it('ends what is under way when it is closed', async () => {
    let signal: AbortSignal | undefined
    const other = await serveGateway(
      {
        handle: async (request) => {
          signal = request.signal
          await once(request.signal, 'abort')
          return { status: 200, headers: [], body: new Uint8Array(0) }
        },
        close: async () => undefined,
      },
      { port: 0, host: '::1' },
    )
    expect(other.url).toMatch(/^http:\/\/\[::1\]:\d+\/$/)
    const asked = fetch(other.url)
    asked.catch(() => undefined)
    await until(() => signal !== undefined)
    await other.close()
    await expect(asked).rejects.toThrow('fetch failed')
    expect(signal?.aborted).toBe(true)
    await other.close()
  })
})

it('takes no more of a body than is wanted', async () => {
  let go = (): void => {}
  let first = 0
  handle = async ({ body }) => {
    const pieces = body[Symbol.asyncIterator]()
    first = (await pieces.next()).value?.length ?? 0
    await new Promise<void>((resolve) => {
      go = resolve
    })
    await pieces.return?.()
    return { status: 200, headers: [], body: new Uint8Array(0) }
  }
  const size = 64 * 1024 * 1024
  const socket = await connect()
  socket.write(`PUT /uri HTTP/1.1\r\n${HEAD}Content-Length: ${size}\r\n\r\n`)
  for (let sent = 0; sent < size; sent += 1024 * 1024) socket.write(Buffer.alloc(1024 * 1024))
  await until(() => first > 0)
  for (let before = -1, idle = 0; idle < 200; before = socket.writableLength) {
    idle = socket.writableLength === before ? idle + 1 : 0
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(socket.writableLength).toBeGreaterThan(size / 2)
  let answer = ''
  socket.on('data', (data) => (answer += data.toString('latin1')))
  // The connection may end before all of the body is on its way.
  socket.on('error', () => {})
  go()
  await until(() => answer.startsWith('HTTP/1.1 200 OK'))
})

describe('an answer that comes before the end of the body', () => {
  /** Writes a request to its end, and only then looks for an answer. */
  async function writeAll(head: string, size: number, close = false): Promise<string> {
    const socket = await connect()
    socket.pause()
    const piece = Buffer.alloc(1024 * 1024, 'a')
    const connection = close ? 'Connection: close\r\n' : ''
    const more = `Host: localhost\r\n${connection}Content-Length: ${size}`
    socket.write(`${head} HTTP/1.1\r\n${more}\r\n\r\n`)
    for (let sent = 0; sent < size; sent += piece.length) {
      await new Promise<void>((resolve, reject) => {
        socket.write(piece.subarray(0, size - sent), (error) => (error ? reject(error) : resolve()))
      })
    }
    return received(socket)
  }

  const SIZE = 32 * 1024 * 1024 + 1

  it.each<[status: number, head: string, size: number]>([
    [400, 'PUT /uri?format=x', SIZE],
    [401, 'PUT /private/logs', SIZE],
    [404, 'PUT /nowhere', SIZE],
    [413, 'POST /uri?t=mkdir-with-children', 64 * 1024 * 1024 + SIZE],
  ])('reaches a client that writes on: %d', async (status, head, size) => {
    const answer = await writeAll(head, size)
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} .*\r\n\r\n.`, 's'))
    expect(answer.toLowerCase()).toContain('connection: close')
  })

  it('reaches it where it is larger than what is on the way', async () => {
    handle = async () => ({
      status: 200,
      headers: [],
      body: (async function* () {
        for (let count = 0; count < 16; count++) yield new Uint8Array(1024 * 1024).fill(0x62)
      })(),
    })
    const answer = await writeAll('PUT /', SIZE)
    expect(answer.length).toBeGreaterThan(16 * 1024 * 1024)
    expect(answer).toMatch(/\r\n0\r\n\r\n$/)
  })

  it('is not waited behind for ever', async () => {
    const socket = await connect()
    let ended = false
    socket.on('end', () => (ended = true))
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      socket.write('PUT /uri?format=x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999\r\n\r\n')
      expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1\.1 400 /)
      socket.write('x')
      await until(() => vi.getTimerCount() > 0)
      expect(ended).toBe(false)
      vi.advanceTimersByTime(6 * 60_000)
      await until(() => ended)
    } finally {
      vi.useRealTimers()
    }
  })
})

it('takes a request for another protocol as one for this', async () => {
  const socket = await connect()
  const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAA\r\n'
  socket.write(`GET /private/logs/v1 HTTP/1.1\r\nHost: localhost\r\n${upgrade}\r\n`)
  expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1\.1 401 /)
})

describe('a client that goes away', () => {
  it.each(['PUT', 'POST'])('in the middle of %s leaves nothing behind', async (method) => {
    const upload = vi.spyOn(web.client, 'upload')
    const statuses: number[] = []
    handle = async (request) => {
      const response = await web.gateway.handle(request)
      statuses.push(response.status)
      return response
    }
    const socket = await connect()
    const type = method === 'POST' ? 'Content-Type: multipart/form-data; boundary=B\r\n' : ''
    const part = '--B\r\nContent-Disposition: form-data; name="file"\r\n\r\n'
    socket.write(`${method} /uri HTTP/1.1\r\n${HEAD}${type}Content-Length: 99999999\r\n\r\n`)
    if (method === 'POST') socket.write(part)
    const piece = Buffer.alloc(1024 * 1024)
    for (let count = 0; count < 8; count++) {
      if (!socket.write(piece)) await once(socket, 'drain')
    }
    socket.destroy()
    await until(() => statuses.length === 1)
    expect(statuses).toEqual([400])
    expect(upload).not.toHaveBeenCalled()
    await until(() => readdirSync(temporaryFolder).length === 0)
    upload.mockRestore()
  })

  it('while its upload is under way has it dropped', async () => {
    const reasons: unknown[] = []
    let begun = false
    const upload = vi.spyOn(web.client, 'upload').mockImplementation(async (_source, options) => {
      begun = true
      await once(options?.signal ?? new AbortController().signal, 'abort')
      reasons.push(options?.signal?.reason)
      throw options?.signal?.reason
    })
    const socket = await connect()
    socket.write(`PUT /uri HTTP/1.1\r\n${HEAD}Content-Length: 5\r\n\r\nhello`)
    await until(() => begun)
    socket.destroy()
    await until(() => reasons.length === 1)
    upload.mockRestore()
  })

  it('in the middle of a download ends that', async () => {
    let pulled = 0
    let left = false
    handle = async () => ({
      status: 200,
      headers: [],
      body: (async function* () {
        try {
          for (;;) {
            pulled += 1
            yield new Uint8Array(256 * 1024)
          }
        } finally {
          left = true
        }
      })(),
    })
    const socket = await connect()
    socket.write(`GET / HTTP/1.1\r\n${HEAD}\r\n`)
    await once(socket, 'data')
    socket.pause()
    // What it does not take is not pulled, once the buffers of both sides are full.
    for (let before = -1, idle = 0; idle < 200; before = pulled) {
      idle = pulled === before ? idle + 1 : 0
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(pulled).toBeLessThan(100)
    socket.destroy()
    await until(() => left)
  })
})

describe('a client that stalls', () => {
  it('in the middle of a body is answered and let go', async () => {
    const socket = await connect()
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      const asked = new Promise<void>((resolve) => {
        handle = (request) => {
          const response = web.gateway.handle(request)
          resolve()
          return response
        }
      })
      socket.write('PUT /uri HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhell')
      await asked
      await until(() => vi.getTimerCount() > 0)
      vi.advanceTimersByTime(61_000)
      expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1\.1 408 /)
    } finally {
      vi.useRealTimers()
    }
  })

  it('in the middle of an answer in one piece is let go', async () => {
    let signal: AbortSignal | undefined
    handle = async (request) => {
      signal = request.signal
      return { status: 200, headers: [], body: new Uint8Array(64 * 1024 * 1024) }
    }
    const socket = await connect()
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      socket.write(`GET / HTTP/1.1\r\n${HEAD}\r\n`)
      await once(socket, 'readable')
      await until(() => {
        vi.advanceTimersByTime(16 * 60_000)
        return signal?.aborted === true
      })
    } finally {
      vi.useRealTimers()
    }
  })

  it('in the middle of a download is let go', async () => {
    let left = false
    handle = async () => ({
      status: 200,
      headers: [],
      body: (async function* () {
        try {
          for (;;) yield new Uint8Array(256 * 1024)
        } finally {
          left = true
        }
      })(),
    })
    const socket = await connect()
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      socket.write(`GET / HTTP/1.1\r\n${HEAD}\r\n`)
      await once(socket, 'readable')
      await until(() => vi.getTimerCount() > 0)
      await until(() => {
        vi.advanceTimersByTime(16 * 60_000)
        return left
      })
    } finally {
      vi.useRealTimers()
    }
  })
})

it('tells a download that breaks from one that ends', async () => {
  handle = async () => ({
    status: 200,
    headers: [['content-length', '100']],
    body: (async function* () {
      yield new Uint8Array(50)
      throw new Error('the servers have gone')
    })(),
  })
  const response = await fetch(listener.url)
  await expect(response.arrayBuffer()).rejects.toThrow('terminated')
})

it.each([
  ['shorter', [50]],
  ['shorter, and nothing', []],
  ['longer', [50, 51]],
])('does not pass off an answer as whole that is %s than announced', async (_what, sizes) => {
  handle = async () => ({
    status: 200,
    headers: [['content-length', '100']],
    body: (async function* () {
      for (const size of sizes) yield new Uint8Array(size)
    })(),
  })
  const response = await fetch(listener.url)
  await expect(response.arrayBuffer()).rejects.toThrow('terminated')
})
