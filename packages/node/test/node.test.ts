import { generateKeyPairSync, randomInt } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import {
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises'
import { request } from 'node:http'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isImmutableFileNode } from '@lafs/filesystem-interface'
import { createNodeDirectory, runningProcess } from '@lafs/node-directory'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openNode, startNode } from '../src/index.ts'
import type { OpenNode, RunningNode } from '../src/index.ts'

const TEXT = 'A file of some size. '.repeat(1000)

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lafs-test-'))
})
afterEach(() => rm(folder, { recursive: true }))

/** A node that stores at itself, once its announcement is where its client looks. */
async function createNode(): Promise<void> {
  const port = await freePort()
  await createNodeDirectory(folder, {
    nickname: 'alone',
    webPort: 'tcp:0:interface=127.0.0.1',
    requiredShares: 1,
    happyShares: 1,
    totalShares: 1,
    tub: { port: `tcp:${port}:interface=127.0.0.1`, location: `tcp:127.0.0.1:${port}` },
    storage: true,
    helper: false,
  })
}

/** A port that is free, and stays so: none of those that systems give to whoever asks for any. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(20_000, 32_000)
    const server = createServer().listen(port, '127.0.0.1')
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    )
    if (!isFree) continue
    server.close()
    await once(server, 'close')
    return port
  }
}

const put = (name: string, text: string): Promise<void> => writeFile(join(folder, name), text)
const textOf = (name: string): Promise<string> => readFile(join(folder, name), 'utf8')

async function changeCfg(change: (text: string) => string): Promise<void> {
  await put('tahoe.cfg', change(await textOf('tahoe.cfg')))
}

async function get(node: RunningNode, path: string): Promise<string> {
  return (await fetch(new URL(path, node.url))).text()
}

describe('startNode', () => {
  it('is client, storage server and web API in one, and the same at its next start', async () => {
    await createNode()
    const first = await startNode(folder)
    expect(await textOf('private/announcement.yaml')).toContain(first.server?.serverId)
    await copyFile(join(folder, 'private/announcement.yaml'), join(folder, 'private/servers.yaml'))
    await first.close()
    const names = ['private/node.pem', 'private/storage.furl', 'permutation-seed', 'my_nodeid']
    const kept = await Promise.all(names.map(textOf))

    const second = await startNode(folder)
    expect(second.server).toEqual(first.server)
    const { status } = await fetch(new URL('uri', second.url), { method: 'PUT', body: TEXT })
    expect(status).toBe(200)
    await second.close()
    expect(await Promise.all(names.map(textOf))).toEqual(kept)

    await using third = await startNode(folder)
    const response = await fetch(new URL('uri', third.url), { method: 'PUT', body: TEXT })
    const cap = await response.text()
    expect(cap).toMatch(/^URI:CHK:/)
    expect(await get(third, `uri/${cap}`)).toBe(TEXT)
    expect(await readdir(join(folder, 'storage/shares'))).toHaveLength(2)
  })

  it('writes what programs look for, and keeps secrets to its owner', async () => {
    await createNode()
    await using node = await startNode(folder)
    expect(node.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/)
    expect(await textOf('node.url')).toBe(`${node.url}\n`)
    expect(await runningProcess(folder)).toBe(process.pid)
    expect(await textOf('my_nodeid')).toMatch(/^[a-z2-7]{32}\n$/)
    expect(await textOf('node.pubkey')).toMatch(/^pub-v0-[a-z2-7]{52}\n$/)
    expect(await textOf('private/node.privkey')).toMatch(/^priv-v0-[a-z2-7]{52}\n$/)
    expect(await textOf('private/api_auth_token')).toMatch(/^[\w-]{43}=\n$/)
    expect(await textOf('permutation-seed')).toBe(`${node.server?.serverId.slice(3)}\n`)
    expect((await stat(join(folder, 'private'))).mode & 0o777).toBe(0o700)
    for (const name of await readdir(join(folder, 'private'))) {
      expect([name, (await stat(join(folder, 'private', name))).mode & 0o077]).toEqual([name, 0])
    }
    const facts = JSON.parse(await get(node, '?t=json')) as object
    expect(facts).toMatchObject({ servers: [], introducers: { statuses: [] } })
    expect(JSON.parse(await get(node, 'storage?t=json'))).toMatchObject({
      stats: { 'storage_server.reserved_space': 1e9 },
    })
  })

  it('runs once from a directory, and leaves it as it was', async () => {
    await createNode()
    const node = await startNode(folder)
    await expect(startNode(folder)).rejects.toMatchObject({ code: 'NODEDIR_IN_USE' })
    expect(await get(node, '?t=json')).toContain('servers')
    await node.close()
    await node.close()
    expect(await runningProcess(folder)).toBeUndefined()
    await expect(fetch(node.url ?? '')).rejects.toThrow('fetch failed')
  })

  it.each(['web.port', 'tub.port'])(
    'names %s when something else listens there',
    async (option) => {
      await createNode()
      const port = await freePort()
      const other = createServer().listen(port, '127.0.0.1')
      await once(other, 'listening')
      await changeCfg((text) =>
        text.replace(
          new RegExp(`^${option} = .*$`, 'm'),
          `${option} = tcp:${port}:interface=127.0.0.1`,
        ),
      )
      const line = (await textOf('tahoe.cfg'))
        .split('\n')
        .findIndex((one) => one.startsWith(option))
      await expect(startNode(folder)).rejects.toMatchObject({
        code: 'NODEDIR_CANNOT_LISTEN',
        message: `tahoe.cfg line ${line + 1}: [node] ${option}: cannot listen on port ${port} of 127.0.0.1: another program listens there already`,
      })
      expect(await runningProcess(folder)).toBeUndefined()
      other.close()
      await once(other, 'close')
      const node = await startNode(folder)
      await node.close()
    },
  )

  it('ends while somebody sends it a file, and keeps nothing of that', async () => {
    await createNode()
    await (await startNode(folder)).close()
    await copyFile(join(folder, 'private/announcement.yaml'), join(folder, 'private/servers.yaml'))
    const node = await startNode(folder)
    const headers = { 'content-length': 1e6, expect: '100-continue' }
    const upload = request(new URL('uri', node.url), { method: 'PUT', headers })
    const cut = once(upload, 'error')
    upload.flushHeaders()
    await once(upload, 'continue')
    upload.write(new Uint8Array(500_000))
    await node.close()
    expect(await cut).toMatchObject([{ code: expect.stringMatching(/^E(CONNRESET|PIPE)$/) }])
    expect(await readdir(join(folder, 'tmp'))).toEqual([])
    expect(await readdir(join(folder, 'storage/shares'))).toEqual(['incoming'])
    expect(await readdir(join(folder, 'storage/shares/incoming'))).toEqual([])
    expect(await runningProcess(folder)).toBeUndefined()
  })

  it('closes the web API where its address cannot be written down', async () => {
    await createNode()
    const port = await freePort()
    await changeCfg((text) => text.replace('tcp:0:', `tcp:${port}:`))
    const log = (line: string): void => {
      if (line.startsWith('storage server on')) mkdirSync(join(folder, 'node.url'))
    }
    await expect(startNode(folder, { log })).rejects.toThrow(/^E[A-Z]+:.*node\.url/)
    await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow('fetch failed')
    expect(await readdir(folder)).not.toContain('running.process')
  })

  it('makes do without what is not there, and says so', async () => {
    await createNode()
    await put('private/introducers.yaml', 'introducers: {ours: {furl: "pb://topsecret"}}')
    await changeCfg((text) => text.replace('helper.furl =', 'helper.furl = pb://topsecret'))
    await chmod(join(folder, 'private'), 0o750)
    const lines: string[] = []
    await using node = await startNode(folder, { log: (line) => lines.push(line) })
    expect(lines).toEqual([
      expect.stringMatching(/^tahoe.cfg line \d+: \[client\] helper\.furl: no helper is used/),
      expect.stringContaining('introducers (ours) are not joined'),
      'private/ holds secrets and is open to others: chmod 700 it',
      expect.stringMatching(/^storage server on port \d+; private\/announcement\.yaml/),
      `web API at ${node.url}`,
    ])
    expect(lines.join()).not.toContain('topsecret')
    const response = await fetch(node.url ?? '', { headers: { accept: 'text/html' } })
    const page = await response.text()
    expect(page).toContain('What this node does without')
    expect(page).toContain('introducers (ours) are not joined')
  })

  it('tells of the servers that are of no use to it, each in a line', async () => {
    await createNode()
    const seed = 'a'.repeat(52)
    const furl = `pb://${'a'.repeat(32)}@tcp:127.0.0.1:1/topsecret`
    const servers = {
      [`v0-a${seed.slice(1)}`]: { nickname: 'no FURL' },
      [`v0-b${seed.slice(1)}`]: { 'anonymous-storage-FURL': furl },
      [`v0-c${seed.slice(1)}`]: {
        'anonymous-storage-FURL': furl,
        'anonymous-storage-NURLs': ['pb://topsecret#v=1'],
      },
      [`v0-d${seed.slice(1)}`]: {
        'anonymous-storage-FURL': furl,
        'anonymous-storage-NURLs': [`pb://${'A'.repeat(43)}@127.0.0.1:1/topsecret#v=1`],
      },
    }
    const storage = Object.entries(servers).map(([id, ann]) => [id, { ann }])
    // YAML has JSON in it.
    await put('private/servers.yaml', JSON.stringify({ storage: Object.fromEntries(storage) }))
    const lines: string[] = []
    await using node = await startNode(folder, { log: (line) => lines.push(line) })
    expect(node.client.broker.knownServers()).toHaveLength(4)
    const told = lines.filter((line) => line.startsWith('private/servers.yaml: '))
    expect(told).toEqual([
      expect.stringMatching(/v0-aaaa\w+: expected a field anonymous-storage-FURL/),
      expect.stringMatching(/no transport of this client \(https\) can reach server baaaaaaa$/),
      expect.stringMatching(/no transport of this client \(https\) can reach server caaaaaaa$/),
    ])
    expect(lines.join()).not.toContain('topsecret')
  })

  it('is a client alone where it stores nothing for others, and nobody’s where it is to hide', async () => {
    await createNode()
    await copyFile(join(folder, 'tahoe.cfg'), join(folder, 'before.cfg'))
    await changeCfg((text) =>
      text
        .replace('enabled = true', 'enabled = false')
        .replace(/tub\.port = .*/, 'tub.port = disabled')
        .replace(/tub\.location = .*/, 'tub.location = disabled')
        .replace('reveal-IP-address = true', 'reveal-IP-address = false')
        .concat('[connections]\ntcp = disabled\n'),
    )
    await put(
      'private/servers.yaml',
      `storage: {v0-a: {ann: {nickname: far, anonymous-storage-FURL: "pb://${'a'.repeat(32)}@tcp:192.0.2.1:1/x", anonymous-storage-NURLs: ["pb://${'A'.repeat(43)}@192.0.2.1:1/x#v=1"]}}}`,
    )
    await using node = await startNode(folder)
    expect(node.server).toBeUndefined()
    expect(await readdir(folder)).not.toContain('storage')
    const [server] = node.client.broker.knownServers()
    expect(server?.connectionStatus).toMatchObject({ connected: false })
    expect(server?.connectionStatus.summary).toContain('no transport')
  })

  it('finds a port of its own where it is told none, and keeps it', async () => {
    await createNode()
    await changeCfg((text) => text.replaceAll(/^tub\..*$/gm, ''))
    const first = await startNode(folder)
    await first.close()
    const kept = await textOf('client.port')
    expect(kept).toMatch(/^tcp:\d+\n$/)
    await using second = await startNode(folder)
    expect(await textOf('client.port')).toBe(kept)
    const furl = second.server?.announcement['anonymous-storage-FURL']
    expect(furl).toMatch(new RegExp(`[@,]${kept.trim().replace(':', ':127.0.0.1:')}[,/]`))
    const nurls = second.server?.announcement['anonymous-storage-NURLs'] ?? []
    expect(nurls).toHaveLength(furl?.split(',').length ?? 0)
  })

  it('stays where its TubID put it when it has shares from before there was a seed', async () => {
    await createNode()
    await mkdir(join(folder, 'storage/shares/aa'), { recursive: true })
    await using node = await startNode(folder)
    expect(await textOf('permutation-seed')).toBe(await textOf('my_nodeid'))
    expect(node.server?.announcement['permutation-seed-base32']).toHaveLength(32)
  })

  it('serves SFTP where it is enabled', async () => {
    await createNode()
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    await put('host', privateKey.export({ type: 'sec1', format: 'pem' }).toString())
    await put('accounts', '')
    await changeCfg((text) =>
      text.concat(
        '[sftpd]\nenabled = true\nport = tcp:0:interface=127.0.0.1\nhost_pubkey_file = host.pub\nhost_privkey_file = host\naccounts.file = accounts\n',
      ),
    )
    await using node = await startNode(folder)
    const socket = connect(node.sftpPort ?? 0, '127.0.0.1')
    const [banner] = (await once(socket, 'data')) as [Buffer]
    expect(banner.toString()).toMatch(/^SSH-2\.0-/)
    socket.destroy()
  })

  it('does not serve storage to whoever comes where that is off', async () => {
    await createNode()
    await changeCfg((text) => text.replace('[storage]', '[storage]\nanonymous = false'))
    await using node = await startNode(folder)
    expect(node.server).toBeUndefined()
    expect(await readdir(join(folder, 'private'))).not.toContain('storage.furl')
  })

  it('throws away what is stored where it is told to', async () => {
    await createNode()
    await changeCfg((text) => text.replace('[storage]', '[storage]\ndebug_discard = true'))
    await (await startNode(folder)).close()
    await copyFile(join(folder, 'private/announcement.yaml'), join(folder, 'private/servers.yaml'))
    const lines: string[] = []
    await using node = await startNode(folder, { log: (line) => lines.push(line) })
    expect(lines[0]).toBe('[storage] debug_discard: what is stored here is lost')
    const { uri } = await node.client.upload(new TextEncoder().encode(TEXT))
    const file = node.client.createNodeFromUri(uri)
    if (!isImmutableFileNode(file)) throw new TypeError('expected a file')
    await expect(file.downloadBestVersion()).rejects.toMatchObject({
      code: expect.stringMatching(/^DOWNLOAD_/),
    })
  })

  it('announces the certificates that it was given', async () => {
    await createNode()
    await changeCfg((text) =>
      text
        .replace('[storage]', '[storage]\ngrid_management = true')
        .concat('[grid_manager_certificates]\none = gm.json\n'),
    )
    await expect(startNode(folder)).rejects.toThrow('found no file')
    await put('gm.json', '{')
    await expect(startNode(folder)).rejects.toThrow('expected JSON')
    await put('gm.json', '{"certificate": "{}", "signature": "x", "more": 1}')
    await expect(startNode(folder)).rejects.toThrow('the fields certificate and signature')
    await put('gm.json', '{"certificate": "{}", "signature": "x"}')
    await using node = await startNode(folder)
    expect(node.server?.announcement).toMatchObject({
      'grid-manager-certificates': [{ certificate: '{}', signature: 'x' }],
    })
  })

  it.each([
    ['private/node.pem', 'topsecret', 'NODEDIR_BAD_SECRET'],
    ['private/node.privkey', 'topsecret', 'NODEDIR_BAD_SECRET'],
    ['private/storage.furl', 'topsecret', 'NODEDIR_BAD_SECRET'],
    ['private/secret', 'topsecret!', 'NODEDIR_BAD_SECRET'],
    ['private/servers.yaml', 'storage: topsecret', 'CLIENT_SERVERS_YAML_BAD_SHAPE'],
    ['tahoe.cfg', '[nodes]\n', 'NODEDIR_UNKNOWN_OPTION'],
    [
      'tahoe.cfg',
      '[sftpd]\nenabled=1\nhost_pubkey_file=a\nhost_privkey_file=b\naccounts.file=c\n[storage]\nenabled=false',
      'NODEDIR_BAD_CONFIG',
    ],
  ])('stops for a %s of %j', async (name, text, code) => {
    await createNode()
    await put(name, text)
    const error: unknown = await startNode(folder).catch((failure: unknown) => failure)
    expect(error).toMatchObject({ code })
    expect(String(error)).not.toContain('topsecret')
    expect(await runningProcess(folder)).toBeUndefined()
  })

  it('says so where there is no node directory', async () => {
    await expect(startNode(join(folder, 'none'))).rejects.toMatchObject({ code: 'NODEDIR_ABSENT' })
  })
})

describe('openNode', () => {
  const ask = async (
    node: OpenNode,
    target: string,
    host: string,
  ): Promise<{ status: number; text: string }> => {
    const { status, body } = await node.gateway.handle({
      method: 'GET',
      target,
      headers: new Map([['host', host]]),
      body: (async function* (): AsyncGenerator<Uint8Array> {})(),
      signal: new AbortController().signal,
    })
    const pieces: Uint8Array[] = []
    if (body instanceof Uint8Array) pieces.push(body)
    else for await (const piece of body) pieces.push(piece)
    return { status, text: Buffer.concat(pieces).toString() }
  }

  it('has the web API of a directory, and serves nothing', async () => {
    await createNode()
    await using node = await openNode(folder)
    expect(await ask(node, '/uri/URI:LIT:onwwc3dm', 'localhost')).toEqual({
      status: 200,
      text: 'small',
    })
    expect(await runningProcess(folder)).toBeUndefined()
    const names = await readdir(folder)
    expect(names).not.toContain('node.url')
    expect(names).not.toContain('storage')
  })

  it('may be known by names of its owner’s', async () => {
    await createNode()
    await using node = await openNode(folder, { allowedHosts: ['grid.example.org'] })
    expect(await ask(node, '/uri/URI:LIT:onwwc3dm', 'grid.example.org')).toMatchObject({
      status: 200,
    })
    expect(await ask(node, '/uri/URI:LIT:onwwc3dm', 'other.example.org')).toMatchObject({
      status: 403,
    })
  })
})
