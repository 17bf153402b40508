import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { createLocalGrid } from '@lafs/node-directory'
import type { LocalGrid } from '@lafs/node-directory'
import type { Client } from '@lafs/client'
import { isDirectoryNode } from '@lafs/filesystem-interface'
import ssh2 from 'ssh2'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { serveSftp } from '../src/index.ts'
import type { SftpListener } from '../src/index.ts'
import { OPEN, READ_MAX } from '../src/protocol.ts'
import { concat, noAttributes, offset, REQUEST, text, uint32 } from './raw-client.ts'

let grid: LocalGrid
let client: Client
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const hostPrivateKey = privateKey.export({ type: 'sec1', format: 'pem' }).toString()

beforeAll(async () => {
  grid = await createLocalGrid({ servers: 1, transport: 'memory' })
  client = await grid.createClient()
})
afterAll(async () => {
  await client.close()
  await grid.close()
})

const serve = (): Promise<SftpListener> =>
  serveSftp({ client, port: 0, hostPrivateKey, accounts: '' })

/** Somebody who has connected, and does not go away when told to. */
async function visit({ port }: SftpListener): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  socket.on('error', () => undefined)
  await once(socket, 'data')
  return socket
}

describe.each([
  ['nothing', ''],
  ['hello and no more', 'SSH-2.0-stalled\r\n'],
])('a connection that says %s', (_what, greeting) => {
  afterEach(() => {
    vi.useRealTimers()
  })

  it('keeps nothing from closing', async () => {
    const listener = await serve()
    const socket = await visit(listener)
    socket.write(greeting)
    await listener.close()
    socket.destroy()
  })

  it('ends when it has not logged in for a minute', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    await using listener = await serve()
    const socket = await visit(listener)
    const ended = once(socket.resume(), 'end')
    socket.write(greeting)
    vi.advanceTimersByTime(60_000)
    await ended
    socket.destroy()
    expect(socket.destroyed).toBe(true)
  })
})

it('stores a file that is being closed, and no other, when it closes under a client that is stuck', async () => {
  const root = await client.createDirnode()
  if (!isDirectoryNode(root)) throw new TypeError('expected a directory')
  const key = ssh2.utils.generateKeyPairSync('ed25519')
  const accounts = `alice ${key.public} ${root.uri}`
  const listener = await serveSftp({ client, port: 0, hostPrivateKey, accounts })
  const socket = connect({ port: listener.port, host: '127.0.0.1', allowHalfOpen: true })
  const user = new ssh2.Client()
  user.on('error', () => undefined)
  user.connect({ sock: socket, username: 'alice', privateKey: key.private })
  await once(user, 'ready')
  const sftp = await new Promise<ssh2.SFTPWrapper>((resolve, reject) => {
    user.sftp((error, opened) => (error === undefined ? resolve(opened) : reject(error)))
  })
  const written = async (name: string): Promise<Buffer> => {
    const handle = await new Promise<Buffer>((resolve, reject) => {
      sftp.open(name, 'w', (error, opened) =>
        error === undefined ? resolve(opened) : reject(error),
      )
    })
    const content = Buffer.from(name.repeat(100))
    await new Promise((resolve) => {
      sftp.write(handle, content, 0, content.length, 0, resolve)
    })
    return handle
  }
  await written('open')
  const closing = await written('closing')
  await new Promise((resolve) => {
    sftp.close(closing, () => undefined)
    sftp.stat('open', resolve)
  })
  socket.pause()
  await listener.close()
  socket.destroy()
  expect([...(await root.list()).keys()]).toEqual(['closing'])
})

it('has no more than so many who are about to log in', async () => {
  await using listener = await serve()
  const sockets = await Promise.all(Array.from({ length: 100 }, () => visit(listener)))
  const [first] = sockets
  const turnedAway = async (): Promise<boolean> => {
    const socket = connect(listener.port, '127.0.0.1').on('error', () => undefined)
    const said = once(socket, 'data').then(
      () => false,
      () => true,
    )
    const ended = once(socket, 'close').then(() => true)
    const isAway = await Promise.race([said, ended])
    socket.destroy()
    return isAway
  }
  expect(await turnedAway()).toBe(true)
  first?.destroy()
  await expect.poll(turnedAway).toBe(false)
  for (const socket of sockets) socket.destroy()
})

describe('a user who has logged in', () => {
  let listener: SftpListener
  let user: ssh2.Client
  beforeEach(async () => {
    const root = await client.createDirnode()
    if (!isDirectoryNode(root)) throw new TypeError('expected a directory')
    const data = new Uint8Array(READ_MAX)
    await root.addFile('file', {
      size: data.length,
      read: () => pieces(data),
      close: async () => {},
    })
    const key = ssh2.utils.generateKeyPairSync('ed25519')
    const accounts = `alice ${key.public} ${root.uri}`
    listener = await serveSftp({ client, port: 0, hostPrivateKey, accounts })
    user = new ssh2.Client()
    user.connect({
      host: '127.0.0.1',
      port: listener.port,
      username: 'alice',
      privateKey: key.private,
    })
    await once(user, 'ready')
  })
  afterEach(async () => {
    user.end()
    await listener.close()
  })

  async function* pieces(data: Uint8Array): AsyncGenerator<Uint8Array> {
    yield data
  }

  const openChannel = (): Promise<ssh2.ClientChannel> =>
    new Promise((resolve, reject) => {
      user.subsys('sftp', (error, channel) =>
        error === undefined ? resolve(channel) : reject(error),
      )
    })

  it('has no more than ten channels at one time', async () => {
    const channels = await Promise.all(Array.from({ length: 10 }, openChannel))
    await expect(openChannel()).rejects.toThrow('Unable to start subsystem')
    const [first] = channels
    first?.resume().end()
    await once(first ?? user, 'close')
    await expect
      .poll(() =>
        openChannel().then(
          () => true,
          () => false,
        ),
      )
      .toBe(true)
  })

  it('may leave as many answers lying as there can be requests', async () => {
    const warned = vi.fn<(warning: Error) => void>()
    process.on('warning', warned)
    const channel = await openChannel()
    const send = (type: number, ...fields: Uint8Array[]): void => {
      const body = concat([Uint8Array.of(type), uint32(1), ...fields])
      channel.write(concat([uint32(body.length), body]))
    }
    send(REQUEST.open, text('file'), uint32(OPEN.read), noAttributes)
    await once(channel, 'readable')
    // The first handle of a connection.
    const handle = text(uint32(1))
    for (let count = 0; count < 64; count++) send(REQUEST.read, handle, offset(0), uint32(READ_MAX))
    // The answer to what comes last is behind all others.
    send(REQUEST.close, handle)
    let length = 0
    await sleep(200)
    for await (const piece of channel) {
      length += (piece as Uint8Array).length
      if (length > 64 * READ_MAX) break
    }
    process.off('warning', warned)
    expect(warned.mock.calls).toEqual([])
  })
})
