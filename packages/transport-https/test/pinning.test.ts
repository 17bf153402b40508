import { X509Certificate } from 'node:crypto'
import { createServer as createTcpServer, type Server } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { once } from 'node:events'
import { createMemoryStore } from '@lafs/share-store-memory'
import { parseFurl, parseNurl } from '@lafs/storage-protocol'
import { createStorageServer } from '@lafs/storage-server'
import { loadVectors } from '@lafs/vectors'
import { afterEach, describe, expect, it } from 'vitest'
import {
  createHttpsIdentity,
  type HttpsIdentity,
  httpsIdentityFromPem,
  httpsTransport,
  spkiHashOf,
} from '../src/index.ts'

const { pins } = await loadVectors<{ pins: { certificate: string; hash: string }[] }>('gbs/spki')

it.each(pins)('pins certificates as upstream does: $hash', ({ certificate, hash }) => {
  expect(spkiHashOf(new X509Certificate(certificate))).toBe(hash)
})

describe('an identity', () => {
  it('is a certificate that signs itself, for ever', () => {
    const identity = createHttpsIdentity()
    const certificate = new X509Certificate(identity.certificatePem)
    expect(certificate.verify(certificate.publicKey)).toBe(true)
    expect(new Date(certificate.validTo).getUTCFullYear()).toBe(9999)
    expect(new Date(certificate.validFrom).getTime()).toBeLessThan(Date.now())
    expect(identity.tubId).toHaveLength(20)
    expect(identity.swissnum).toMatch(/^[a-z2-7]{32}$/)
  })

  it('comes back from its PEM', () => {
    const identity = createHttpsIdentity()
    expect(httpsIdentityFromPem(identity)).toEqual(identity)
  })

  it('is not made of parts of two', () => {
    const { privateKeyPem } = createHttpsIdentity()
    expect(() => httpsIdentityFromPem({ ...createHttpsIdentity(), privateKeyPem })).toThrow(
      'not that of the certificate',
    )
  })

  it('announces the same thing each time', async () => {
    const identity = createHttpsIdentity()
    const serve = () =>
      httpsTransport({ identity, announceHost: 'example.org', announcePort: 3457 }).serve(
        createStorageServer({ store: createMemoryStore() }),
      )
    await using first = await serve()
    await using second = await serve()
    expect(first.announcement).toEqual(second.announcement)
    const furl = parseFurl(String(first.announcement['anonymous-storage-FURL']))
    expect(furl).toEqual({
      tubId: identity.tubId,
      hints: ['tcp:example.org:3457'],
      swissnum: identity.swissnum,
    })
    expect(parseNurl(first.announcement['anonymous-storage-NURLs']?.[0] ?? '')).toEqual({
      scheme: 'pb',
      host: 'example.org',
      port: 3457,
      swissnum: identity.swissnum,
      spkiHash: spkiHashOf(new X509Certificate(identity.certificatePem)),
    })
  })
})

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

async function listen(server: Server): Promise<number> {
  servers.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

function announcementOf(identity: HttpsIdentity, ...ports: number[]) {
  const hash = spkiHashOf(new X509Certificate(identity.certificatePem))
  return {
    'anonymous-storage-NURLs': ports.map(
      (port) => `pb://${hash}@127.0.0.1:${port}/${identity.swissnum}#v=1`,
    ),
  }
}

describe('a peer that is not the server', () => {
  const identity = createHttpsIdentity()
  const transport = httpsTransport({ timeoutMs: 800 })

  it('has another key, and gets no byte of a request', async () => {
    const { privateKeyPem, certificatePem } = createHttpsIdentity()
    const heard: Buffer[] = []
    const tls = createTlsServer({ key: privateKeyPem, cert: certificatePem }, (socket) => {
      socket.on('data', (data) => heard.push(data))
      socket.on('error', () => {})
    })
    const port = await listen(tls)
    await expect(transport.connect(announcementOf(identity, port))).rejects.toMatchObject({
      code: 'STORAGE_WRONG_SERVER',
    })
    expect(heard).toEqual([])
  })

  it.each([
    ['closes at once', (): string => '', 'STORAGE_UNREACHABLE'],
    [
      'speaks HTTP without TLS',
      (): string => 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n',
      'STORAGE_UNREACHABLE',
    ],
    [
      'speaks garbage',
      (): string => '\u0016\u0003\u0001garbage'.repeat(1000),
      'STORAGE_UNREACHABLE',
    ],
    ['says nothing', undefined, 'STORAGE_TIMEOUT'],
  ])('%s', async (_, reply, code) => {
    const tcp = createTcpServer((socket) => {
      socket.on('error', () => {})
      socket.once('data', () => {
        if (reply !== undefined) socket.end(reply())
      })
    })
    const port = await listen(tcp)
    await expect(transport.connect(announcementOf(identity, port))).rejects.toMatchObject({ code })
  })

  it('shows no certificate', async () => {
    const tls = createTlsServer(
      { ciphers: 'ADH-AES128-GCM-SHA256:@SECLEVEL=0', maxVersion: 'TLSv1.2' },
      () => {},
    )
    tls.on('tlsClientError', () => {})
    const port = await listen(tls)
    await expect(transport.connect(announcementOf(identity, port))).rejects.toMatchObject({
      code: 'STORAGE_UNREACHABLE',
    })
  })

  it('cannot hide behind the resumption of a session', async () => {
    const { privateKeyPem, certificatePem } = identity
    const resumed: boolean[] = []
    const tls = createTlsServer({ key: privateKeyPem, cert: certificatePem }, (socket) => {
      resumed.push(socket.isSessionReused())
      socket.on('error', () => {})
      // Every answer ends the connection: the next request needs another one.
      socket.on('data', () =>
        socket.end('HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n'),
      )
    })
    const port = await listen(tls)
    for (let i = 0; i < 3; i++) {
      await expect(transport.connect(announcementOf(identity, port))).rejects.toMatchObject({
        code: 'STORAGE_NO_SUCH_SHARE',
      })
    }
    expect(resumed).toEqual([false, false, false])
  })

  it('does not keep us from another address of the same server', async () => {
    await using listener = await httpsTransport({ identity }).serve(
      createStorageServer({ store: createMemoryStore() }),
    )
    const [nurl = ''] = listener.announcement['anonymous-storage-NURLs'] ?? []
    const silent = await listen(createTcpServer((socket) => void socket.on('error', () => {})))
    const announcement = announcementOf(identity, silent, 1, parseNurl(nurl).port)
    await using connection = await transport.connect(announcement)
    expect((await connection.storageServer.getVersion()).availableSpace).toBeGreaterThan(0)
    expect(connection.status).toMatchObject({ connected: true })
  })

  it('cannot hold up a connection that is given up, nor keep its socket', async () => {
    let sockets = 0
    let closed = (): void => {}
    const allClosed = new Promise<void>((resolve) => {
      closed = resolve
    })
    const controller = new AbortController()
    const tcp = createTcpServer((socket) => {
      sockets += 1
      socket.on('error', () => {})
      socket.on('close', closed)
      socket.resume()
      controller.abort(new Error('enough'))
    })
    const port = await listen(tcp)
    const attempt = httpsTransport().connect(announcementOf(identity, port), {
      signal: controller.signal,
    })
    await expect(attempt).rejects.toThrow('enough')
    await allClosed
    expect(sockets).toBe(1)
  }, 5000)

  it('of which none can be reached gives one error', async () => {
    const error: unknown = await transport
      .connect(announcementOf(identity, 1, 2))
      .catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'STORAGE_UNREACHABLE' })
    expect(String(error)).not.toContain(identity.swissnum)
  })
})
