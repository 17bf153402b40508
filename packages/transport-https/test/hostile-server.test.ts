// Servers that hold the right key and answer wrongly: each gives its named error, none a hang.
import { once } from 'node:events'
import { X509Certificate } from 'node:crypto'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import { encodeVersion } from '@lafs/storage-protocol'
import { afterEach, expect, it } from 'vitest'
import { createHttpsIdentity, httpsTransport, spkiHashOf } from '../src/index.ts'

const identity = createHttpsIdentity()
const version = encodeVersion({
  maximumImmutableShareSize: 1,
  maximumMutableShareSize: 1,
  availableSpace: 1,
  toleratesImmutableReadOverrun: true,
  deleteMutableSharesWithZeroLengthWritev: true,
  fillsHolesWithZeroBytes: true,
  preventsReadPastEndOfShareData: true,
  applicationVersion: 'hostile',
})

let server: Server | undefined
afterEach(() => server?.close())

/** Serves a good version, a good listing of one share, and `answer` to anything else. */
async function connectTo(answer: (socket: TLSSocket) => void) {
  const sockets = new Set<TLSSocket>()
  server = createServer(
    { key: identity.privateKeyPem, cert: identity.certificatePem },
    (socket) => {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('data', (data: Buffer) => {
        const [head = ''] = data.toString('latin1').split('\r\n', 1)
        if (head.includes('/version '))
          reply(socket, '200 OK', ['content-type: application/cbor'], version)
        else if (head.startsWith('GET') && head.includes('/shares '))
          reply(
            socket,
            '200 OK',
            ['content-type: application/cbor'],
            Uint8Array.of(0xd9, 1, 2, 0x81, 0),
          )
        // What follows a head is the body of the same request.
        else if (/^[A-Z]+ \//.test(head)) answer(socket)
      })
    },
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const hash = spkiHashOf(new X509Certificate(identity.certificatePem))
  const connection = await httpsTransport({ timeoutMs: 800 }).connect({
    'anonymous-storage-NURLs': [`pb://${hash}@127.0.0.1:${address.port}/${identity.swissnum}#v=1`],
  })
  return {
    connection,
    async [Symbol.asyncDispose]() {
      await connection.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

function reply(
  socket: TLSSocket,
  status: string,
  headers: string[],
  body: Uint8Array = new Uint8Array(0),
): void {
  socket.write(
    `HTTP/1.1 ${[status, `content-length: ${body.length}`, ...headers].join('\r\n')}\r\n\r\n`,
  )
  socket.write(body)
}

const bytes = 'content-type: application/octet-stream'
const cbor = 'content-type: application/cbor'
const ten = new Uint8Array(10)

const reads: [string, (socket: TLSSocket) => void, string][] = [
  [
    'more than was asked for',
    (s) => reply(s, '206 P', [bytes, 'content-range: bytes 0-10/*'], new Uint8Array(11)),
    'STORAGE_BAD_RESPONSE',
  ],
  [
    'more than it says',
    (s) => reply(s, '206 P', [bytes, 'content-range: bytes 0-4/*'], ten),
    'STORAGE_BAD_RESPONSE',
  ],
  [
    'less than it says',
    (s) => reply(s, '206 P', [bytes, 'content-range: bytes 0-9/*'], new Uint8Array(5)),
    'STORAGE_BAD_RESPONSE',
  ],
  [
    'another range',
    (s) => reply(s, '206 P', [bytes, 'content-range: bytes 1-9/*'], new Uint8Array(9)),
    'STORAGE_BAD_RESPONSE',
  ],
  ['no range', (s) => reply(s, '206 P', [bytes], ten), 'STORAGE_BAD_RESPONSE'],
  [
    'a range that is none',
    (s) => reply(s, '206 P', [bytes, 'content-range: bytes */10'], ten),
    'STORAGE_BAD_RESPONSE',
  ],
  ['everything', (s) => reply(s, '200 OK', [bytes], ten), 'STORAGE_BAD_RESPONSE'],
  [
    'HTML',
    (s) => reply(s, '206 P', ['content-type: text/html', 'content-range: bytes 0-9/*'], ten),
    'STORAGE_BAD_RESPONSE',
  ],
  [
    'a redirection',
    (s) => reply(s, '302 Found', ['location: https://127.0.0.1:1/']),
    'STORAGE_BAD_RESPONSE',
  ],
  ['a breakdown', (s) => reply(s, '500 Oops', [], ten), 'STORAGE_BAD_RESPONSE'],
  [
    'a long story about a breakdown',
    (s) => reply(s, '500 Oops', [], new Uint8Array(20_000)),
    'STORAGE_BAD_RESPONSE',
  ],
  ['that it is not for us', (s) => reply(s, '401 No', []), 'STORAGE_UNAUTHORIZED'],
  ['that there is none', (s) => reply(s, '404 No', []), 'STORAGE_NO_SUCH_SHARE'],
  ['that it is closed', (s) => reply(s, '503 No', []), 'STORAGE_CLOSED'],
  ['a body without end', (s) => endless(s), 'STORAGE_BAD_RESPONSE'],
  ['nothing', () => {}, 'STORAGE_TIMEOUT'],
  [
    'a head and then nothing',
    (s) => s.write('HTTP/1.1 206 P\r\ncontent-length: 10\r\n'),
    'STORAGE_TIMEOUT',
  ],
  [
    'half a body and then nothing',
    (s) =>
      s.write(
        `HTTP/1.1 206 P\r\n${bytes}\r\ncontent-range: bytes 0-9/*\r\ncontent-length: 10\r\n\r\n12345`,
      ),
    'STORAGE_TIMEOUT',
  ],
  [
    'half a body, and goes',
    (s) =>
      s.end(
        `HTTP/1.1 206 P\r\n${bytes}\r\ncontent-range: bytes 0-9/*\r\ncontent-length: 10\r\n\r\n12345`,
      ),
    'STORAGE_UNREACHABLE',
  ],
  ['nothing, and goes', (s) => s.destroy(), 'STORAGE_UNREACHABLE'],
  ['garbage', (s) => s.write('garbage\r\n\r\n'.repeat(100)), 'STORAGE_UNREACHABLE'],
  [
    'headers without end',
    (s) => s.write(`HTTP/1.1 206 P\r\n${'x: yyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n'.repeat(100_000)}`),
    'STORAGE_UNREACHABLE',
  ],
]

/** A chunked body that goes on until somebody closes the connection. */
function endless(socket: TLSSocket): void {
  socket.write(
    `HTTP/1.1 206 P\r\n${bytes}\r\ncontent-range: bytes 0-9/*\r\ntransfer-encoding: chunked\r\n\r\n`,
  )
  const more = (): void => {
    if (socket.destroyed) return
    socket.write('4\r\nabcd\r\n')
    setImmediate(more)
  }
  more()
}

it.each(reads)('a read that is answered with %s', async (_, answer, code) => {
  await using hostile = await connectTo(answer)
  const readers = await hostile.connection.storageServer.getBuckets(new Uint8Array(16))
  const error: unknown = await readers
    .get(0)
    ?.read(0, 10)
    .catch((reason: unknown) => reason)
  expect(error).toMatchObject({ code })
  expect(String(error)).not.toContain(identity.swissnum)
  // What one answer did does not harm the next request.
  expect((await hostile.connection.storageServer.getVersion()).applicationVersion).toBe('hostile')
})

const allocations: [string, (socket: TLSSocket) => void, string][] = [
  ['bytes that are no message', (s) => reply(s, '200 OK', [cbor], ten), 'STORAGE_BAD_RESPONSE'],
  ['another type', (s) => reply(s, '200 OK', [bytes], ten), 'STORAGE_BAD_RESPONSE'],
  ['no type', (s) => reply(s, '200 OK', [], ten), 'STORAGE_BAD_RESPONSE'],
  ['another message', (s) => reply(s, '200 OK', [cbor], version), 'STORAGE_BAD_RESPONSE'],
  [
    'a message of 31 MB',
    (s) => s.write(`HTTP/1.1 200 OK\r\n${cbor}\r\ncontent-length: 32505856\r\n\r\n`),
    'STORAGE_BAD_RESPONSE',
  ],
  [
    'room for a share that was not asked for',
    (s) =>
      reply(
        s,
        '200 OK',
        [cbor],
        Buffer.from('a26c616c72656164792d68617665d901028069616c6c6f6361746564d901028105', 'hex'),
      ),
    'STORAGE_BAD_RESPONSE',
  ],
  ['that there is no room', (s) => reply(s, '507 No', []), 'STORAGE_NO_SPACE'],
]

it.each(allocations)('an allocation that is answered with %s', async (_, answer, code) => {
  await using hostile = await connectTo(answer)
  const secret = new Uint8Array(32)
  const request = {
    renewSecret: secret,
    cancelSecret: secret,
    shareNumbers: new Set([0]),
    allocatedSize: 10,
  }
  await expect(
    hostile.connection.storageServer.allocateBuckets(new Uint8Array(16), request),
  ).rejects.toMatchObject({ code })
})

const endlessly = (socket: TLSSocket): void => {
  socket.write(`HTTP/1.1 200 OK\r\n${cbor}\r\ntransfer-encoding: chunked\r\n\r\n`)
  const more = (): void => {
    if (socket.destroyed) return
    socket.write(`10000\r\n${'x'.repeat(0x10000)}\r\n`)
    setImmediate(more)
  }
  more()
}

const batches: [string, (socket: TLSSocket) => void, string][] = [
  ['bytes that are no message', (s) => reply(s, '200 OK', [cbor], ten), 'STORAGE_BAD_RESPONSE'],
  ['another type', (s) => reply(s, '200 OK', [bytes], ten), 'STORAGE_BAD_RESPONSE'],
  [
    'half of it',
    (s) => reply(s, '200 OK', [cbor], Uint8Array.of(0x81, 0xf6)),
    'STORAGE_BAD_RESPONSE',
  ],
  ['a breakdown', (s) => reply(s, '500 Oops', []), 'STORAGE_BAD_RESPONSE'],
  ['that it is not for us', (s) => reply(s, '401 No', []), 'STORAGE_UNAUTHORIZED'],
  ['that it is closed', (s) => reply(s, '503 No', []), 'STORAGE_CLOSED'],
  ['a message without end', endlessly, 'STORAGE_BAD_RESPONSE'],
  ['nothing', () => {}, 'STORAGE_TIMEOUT'],
  [
    'half a message and then nothing',
    (s) => s.write(`HTTP/1.1 200 OK\r\n${cbor}\r\ncontent-length: 10\r\n\r\n12345`),
    'STORAGE_TIMEOUT',
  ],
  [
    'half a message, and goes',
    (s) => s.end(`HTTP/1.1 200 OK\r\n${cbor}\r\ncontent-length: 10\r\n\r\n12345`),
    'STORAGE_UNREACHABLE',
  ],
  ['nothing, and goes', (s) => s.destroy(), 'STORAGE_UNREACHABLE'],
]

it.each(batches)('a batch that is answered with %s', async (_, answer, code) => {
  await using hostile = await connectTo(answer)
  const { storageServer } = hostile.connection
  const work = [1, 2].map((n) => storageServer.getBuckets(new Uint8Array(16).fill(n)))
  for (const outcome of await Promise.allSettled(work)) {
    expect(outcome).toMatchObject({ status: 'rejected', reason: { code } })
  }
  // What comes alone goes by another request.
  expect((await storageServer.getBuckets(new Uint8Array(16))).size).toBe(1)
})

it('a batch that is answered by a server that knows nothing of it', async () => {
  await using hostile = await connectTo((s) =>
    reply(s, '404 Not Found', ['content-type: text/html'], ten),
  )
  const { storageServer } = hostile.connection
  const work = [1, 2].map((n) => storageServer.getBuckets(new Uint8Array(16).fill(n)))
  expect((await Promise.all(work)).map(({ size }) => size)).toEqual([1, 1])
})
