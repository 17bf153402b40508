// Clients that break off or speak something else: the server serves the next one, and calls nothing a fault.
import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { createMemoryStore } from '@lafs/share-store-memory'
import {
  encodeAllocate,
  formatAuthorization,
  formatSecret,
  type Nurl,
  parseNurl,
  routePath,
} from '@lafs/storage-protocol'
import { createStorageServer } from '@lafs/storage-server'
import { expect, it } from 'vitest'
import { httpsTransport } from '../src/index.ts'

const storageIndex = new Uint8Array(16).fill(1)
const secret = new Uint8Array(32)

function head(nurl: Nurl, request: string, headers: string[] = []): string {
  const lines = [
    `${request} HTTP/1.1`,
    'host: x',
    `authorization: ${formatAuthorization(nurl.swissnum)}`,
    ...headers,
  ]
  return `${lines.join('\r\n')}\r\n\r\n`
}

async function overTls(nurl: Nurl, text: string, more: Uint8Array = new Uint8Array(0)) {
  const socket = connectTls({ host: nurl.host, port: nurl.port, rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  socket.write(text)
  socket.write(more)
  return socket
}

async function overTcp(nurl: Nurl, text: string): Promise<Socket> {
  const socket = connectTcp(nurl.port, nurl.host)
  await once(socket, 'connect')
  socket.write(text)
  return socket
}

const upload = `PATCH ${routePath('writeShare', storageIndex, 5)}`
const secretLine = `x-tahoe-authorization: ${formatSecret('upload-secret', secret)}`

const allocateLines = [
  secretLine,
  `x-tahoe-authorization: ${formatSecret('lease-renew-secret', secret)}`,
  `x-tahoe-authorization: ${formatSecret('lease-cancel-secret', secret)}`,
]

/** Asks for room for share 5, and then writes on the same connection. */
async function writing(nurl: Nurl, headers: string[], data: Uint8Array): Promise<Socket> {
  const message = encodeAllocate({ shareNumbers: new Set([5]), allocatedSize: 100_000 })
  const lines = [...allocateLines, `content-length: ${message.length}`]
  const text = head(nurl, `POST ${routePath('allocate', storageIndex)}`, lines)
  const socket = await overTls(nurl, text, message)
  const [answer] = await once(socket, 'data')
  expect(String(answer)).toMatch(/^HTTP\/1.1 200/)
  socket.write(head(nurl, upload, [secretLine, ...headers]))
  socket.write(data)
  return socket
}

const clients: [string, (nurl: Nurl) => Promise<Socket>][] = [
  ['speaks HTTP without TLS', (nurl) => overTcp(nurl, head(nurl, 'GET /storage/v1/version'))],
  ['speaks garbage', (nurl) => overTcp(nurl, '\u0016\u0003\u0001\u0000\u0001garbage')],
  ['speaks garbage over TLS', (nurl) => overTls(nurl, 'garbage\r\n\r\n')],
  [
    'sends headers without end',
    (nurl) => overTls(nurl, `GET / HTTP/1.1\r\n${'x: y\r\n'.repeat(10_000)}`),
  ],
  [
    'breaks off in a write',
    (nurl) =>
      writing(
        nurl,
        ['content-range: bytes 0-99999/*', 'content-length: 100000'],
        new Uint8Array(50_000),
      ),
  ],
  [
    'sends more than it says',
    (nurl) =>
      writing(nurl, ['content-range: bytes 0-1/*', 'content-length: 2'], new Uint8Array(50_000)),
  ],
  [
    'breaks off in a message',
    (nurl) =>
      overTls(
        nurl,
        head(nurl, `POST ${routePath('allocate', storageIndex)}`, [
          ...allocateLines,
          'content-length: 100',
        ]),
        encodeAllocate({ shareNumbers: new Set([1]), allocatedSize: 1 }).slice(0, 5),
      ),
  ],
]

it.each(clients)('survives a client that %s', async (_, client) => {
  const faults: unknown[] = []
  const server = createStorageServer({ store: createMemoryStore() })
  const transport = httpsTransport({ onFault: (error) => faults.push(error) })
  await using listener = await transport.serve(server)
  await using connection = await transport.connect(listener.announcement)
  const { storageServer } = connection
  const request = {
    renewSecret: secret,
    cancelSecret: secret,
    shareNumbers: new Set([0]),
    allocatedSize: 100_000,
  }
  const { writers } = await storageServer.allocateBuckets(storageIndex, request)
  const socket = await client(
    parseNurl(listener.announcement['anonymous-storage-NURLs']?.[0] ?? ''),
  )
  socket.on('error', () => {})
  await new Promise((resolve) => {
    setTimeout(resolve, 20)
  })
  socket.destroy()
  await writers.get(0)?.write(0, [new Uint8Array(100_000)])
  await writers.get(0)?.close()
  const readers = await storageServer.getBuckets(storageIndex)
  expect(await readers.get(0)?.read(99_990, 100)).toEqual(new Uint8Array(10))
  expect(faults).toEqual([])
})

it('serves many connections that do nothing but ask for the version', async () => {
  const server = createStorageServer({ store: createMemoryStore() })
  await using listener = await httpsTransport().serve(server)
  const nurl = parseNurl(listener.announcement['anonymous-storage-NURLs']?.[0] ?? '')
  const text = head(nurl, 'GET /storage/v1/version')
  const sockets = await Promise.all(Array.from({ length: 100 }, () => overTls(nurl, text)))
  for (let round = 0; round < 3; round++) {
    const answers = await Promise.all(sockets.map((socket) => once(socket, 'data')))
    expect(answers.every(([data]) => String(data).startsWith('HTTP/1.1 200 OK'))).toBe(true)
    for (const socket of sockets) socket.write(text)
  }
  for (const socket of sockets) socket.destroy()
})

it('ends while a client is amid its handshake', async () => {
  const listener = await httpsTransport().serve(createStorageServer({ store: createMemoryStore() }))
  const nurl = parseNurl(String(listener.announcement['anonymous-storage-NURLs']?.[0]))
  const silent = await overTcp(nurl, '')
  const gone = once(silent, 'close')
  silent.on('error', () => {})
  await listener.close()
  await gone
})
