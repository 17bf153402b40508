// What becomes of the connections to a server, seen from a server that counts them.
import { Buffer } from 'node:buffer'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import type { OutgoingRequest } from '@lafs/storage-protocol/client'
import { parseNurl } from '@lafs/storage-protocol'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ConnectionPool } from '../src/connection-pool.ts'
import { HttpConnection } from '../src/http-connection.ts'
import { createHttpsIdentity, spkiHashOf } from '../src/index.ts'

const identity = createHttpsIdentity()
const spkiHash = spkiHashOf(new X509Certificate(identity.certificatePem))
const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'

let server: Server
let sockets: TLSSocket[]
/** What the server does with what comes. */
let onData: (socket: TLSSocket, text: string, connection: number) => void
let pool: ConnectionPool

beforeEach(async () => {
  sockets = []
  onData = (socket) => socket.write(OK)
  server = createServer(
    { key: identity.privateKeyPem, cert: identity.certificatePem },
    (socket) => {
      const connection = sockets.push(socket)
      socket.on('error', () => {})
      socket.on('data', (data) => onData(socket, data.toString('latin1'), connection))
    },
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  pool = poolOf(3)
})

afterEach(() => {
  pool.close(new Error('over'))
  for (const socket of sockets) socket.destroy()
  server.close()
})

function poolOf(connectionsMax: number): ConnectionPool {
  const { port } = server.address() as { port: number }
  const nurl = parseNurl(`pb://${spkiHash}@127.0.0.1:${port}/${identity.swissnum}#v=1`)
  const closed = new AbortController().signal
  return new ConnectionPool(
    () => HttpConnection.open(nurl, { timeoutMs: 5000, closed }),
    connectionsMax,
  )
}

const never = new AbortController().signal

function send(request: Partial<OutgoingRequest> = {}): Promise<string> {
  const sent = pool.send({
    method: 'GET',
    path: '/x',
    headers: [],
    bodySizeMax: () => 1000,
    onMoved: () => {},
    signal: never,
    ...request,
  })
  return sent.then(({ body }) => Buffer.from(body).toString('latin1'))
}

describe('a connection', () => {
  it('is kept for the next request', async () => {
    for (let n = 0; n < 5; n++) expect(await send()).toBe('ok')
    expect(sockets).toHaveLength(1)
  })

  it('is not kept when the server does not want that', async () => {
    onData = (socket) => socket.end(OK.replace('\r\n', '\r\nconnection: close\r\n'))
    for (let n = 0; n < 3; n++) expect(await send()).toBe('ok')
    expect(sockets).toHaveLength(3)
  })

  it('is not used again when the server has closed it meanwhile', async () => {
    await send()
    sockets[0]?.end()
    await once(sockets[0] as TLSSocket, 'close')
    expect(await send()).toBe('ok')
    expect(sockets).toHaveLength(2)
  })

  it('ends when the server says more than it was asked for', async () => {
    onData = (socket) => socket.write(OK)
    await send()
    sockets[0]?.write(OK)
    await once(sockets[0] as TLSSocket, 'close')
    onData = (socket) => socket.write(OK.replace('ok', 'no'))
    expect(await send()).toBe('no')
  })

  it('is given up with the request that was aborted on it', async () => {
    onData = (socket) => socket.write(OK.slice(0, -1))
    const controller = new AbortController()
    const onMoved = (): void => controller.abort(new Error('enough'))
    await expect(send({ signal: controller.signal, onMoved })).rejects.toThrow('enough')
    await once(sockets[0] as TLSSocket, 'close')
    onData = (socket) => socket.write(OK)
    expect(await send()).toBe('ok')
  })

  it('takes no head that holds another', async () => {
    const headers = [['x', 'y\r\nz: a']] as const
    await expect(send({ headers })).rejects.toThrow('printable ASCII')
    await expect(send({ path: '/ HTTP/1.1\r\n\r\n' })).rejects.toThrow('printable ASCII')
    expect(await send()).toBe('ok')
  })
})

describe('connections', () => {
  it('are as many as there are requests at once, up to the most', async () => {
    let open = 0
    let most = 0
    onData = (socket) => {
      most = Math.max(most, (open += 1))
      setTimeout(() => {
        open -= 1
        socket.write(OK)
      }, 5)
    }
    const answers = await Promise.all(Array.from({ length: 20 }, () => send()))
    expect(answers).toEqual(Array<string>(20).fill('ok'))
    expect(most).toBe(3)
    expect(sockets).toHaveLength(3)
  })

  it('are not waited for by who gives up', async () => {
    onData = () => {}
    const busy = [send(), send(), send()]
    const controller = new AbortController()
    const given = send({ signal: controller.signal })
    const waits = send()
    controller.abort(new Error('enough'))
    await expect(given).rejects.toThrow('enough')
    while (sockets.length < 3) await new Promise((resolve) => setTimeout(resolve, 5))
    onData = (socket) => socket.write(OK)
    for (const socket of sockets) socket.write(OK)
    expect(await Promise.all([...busy, waits])).toEqual(Array<string>(4).fill('ok'))
  })

  it('fail all who wait when there are none to be had', async () => {
    const { port } = server.address() as { port: number }
    const closed = once(server, 'close')
    server.close()
    await closed
    const all = await Promise.allSettled(Array.from({ length: 10 }, () => send()))
    for (const each of all) {
      expect(each).toMatchObject({ status: 'rejected', reason: { code: 'ECONNREFUSED' } })
    }
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    // Attempts that are under way may still fail.
    await expect.poll(() => send().catch(() => 'failed')).toBe('ok')
  })

  it('end with the pool, and with them what is under way', async () => {
    onData = () => {}
    const all = Array.from({ length: 5 }, () => send())
    while (sockets.length < 3) await new Promise((resolve) => setTimeout(resolve, 5))
    pool.close(new Error('over'))
    for (const each of await Promise.allSettled(all)) expect(each.status).toBe('rejected')
    await expect(send()).rejects.toThrow('over')
  })
})

describe('a kept connection that the server resets when it is used again', () => {
  beforeEach(async () => {
    await send()
    onData = (socket, _, connection) => {
      if (connection === 1) socket.destroy()
      else socket.write(OK)
    }
  })

  it('makes a question be asked again', async () => {
    expect(await send()).toBe('ok')
    expect(sockets).toHaveLength(2)
  })

  it.each(['POST', 'PUT', 'PATCH'] as const)(
    'fails a %s, which may have arrived',
    async (method) => {
      await expect(send({ method })).rejects.toThrow(/closed|ECONN/)
      expect(sockets).toHaveLength(1)
    },
  )
})

it('a question that is reset on every connection fails', async () => {
  onData = (socket) => socket.destroy()
  await expect(send()).rejects.toThrow(/closed|ECONN/)
  expect(sockets).toHaveLength(1)
})

describe('a large body', () => {
  const body = [new Uint8Array(3_000_000).fill(97), new Uint8Array(2_000_000).fill(98)]
  const headers = [['content-length', '5000000']] as const

  it('arrives whole, and tells of its progress', async () => {
    let text = ''
    let moved = 0
    onData = (socket, piece) => {
      text += piece
      if (text.endsWith('b'.repeat(2_000_000))) socket.write(OK)
    }
    const onMoved = (): void => void (moved += 1)
    expect(await send({ method: 'PATCH', headers, body, onMoved })).toBe('ok')
    const [head = '', data] = text.split('\r\n\r\n')
    expect(head.split('\r\n')).toEqual([
      'PATCH /x HTTP/1.1',
      expect.stringMatching(/^host: 127\.0\.0\.1:\d+$/),
      'content-length: 5000000',
    ])
    expect(data).toBe('a'.repeat(3_000_000) + 'b'.repeat(2_000_000))
    expect(moved).toBeGreaterThan(9)
    onData = (socket) => socket.write(OK)
    expect(await send()).toBe('ok')
    expect(sockets).toHaveLength(1)
  })

  it('may be answered before it has all gone, which ends the connection', async () => {
    onData = (socket) => {
      socket.pause()
      socket.write(OK)
    }
    const large = [new Uint8Array(50_000_000)]
    expect(await send({ method: 'PUT', headers, body: large })).toBe('ok')
    onData = (socket) => socket.write(OK)
    expect(await send()).toBe('ok')
    expect(sockets).toHaveLength(2)
  })
})
