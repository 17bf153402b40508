import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { checkTahoeCfg, readTahoeCfg } from '../src/known-options.ts'
import { nodeConfig, readNodeConfig } from '../src/node-config.ts'
import type { NodeConfig } from '../src/node-config.ts'
import { parseTahoeCfg } from '../src/tahoe-cfg.ts'

const NODE = '/home/somebody/node'
const CLIENT = '[storage]\nenabled = false\n'

function configOf(text: string): NodeConfig {
  const cfg = parseTahoeCfg(text)
  checkTahoeCfg(cfg)
  return nodeConfig(cfg, NODE)
}

function failureOf(text: string): unknown {
  try {
    return configOf(text)
  } catch (error) {
    return error
  }
}

describe('nodeConfig', () => {
  it('has upstream’s defaults', () => {
    expect(configOf('')).toMatchObject({
      nickname: '<unspecified>',
      web: undefined,
      staticFolder: `${NODE}/public_html`,
      temporaryFolder: `${NODE}/tmp`,
      connects: true,
      storage: {
        enabled: true,
        anonymous: true,
        readonly: false,
        reservedSpace: 0,
        storageFolder: `${NODE}/storage`,
        tub: { listen: undefined, locations: ['AUTO'] },
      },
      sftp: undefined,
      notes: [],
    })
  })

  it('reads all that a storage server and its web API are told', () => {
    const config = configOf(
      `
      [node]
      nickname = 100%% ours
      web.port = 3456
      web.static = ~/static
      tempdir = /var/tmp/lafs
      timeout.keepalive = 240
      tub.port = tcp:3457:interface=192.0.2.7,tcp6:3458
      tub.location = tcp:example.org:3457, old.example.org:3457
      [storage]
      reserved_space = 1.5G`.replace('1.5G', '500MiB'),
    )
    expect(config).toMatchObject({
      nickname: '100% ours',
      web: { host: '127.0.0.1', port: 3456, place: 'tahoe.cfg line 4: [node] web.port' },
      temporaryFolder: '/var/tmp/lafs',
      storage: {
        reservedSpace: 500 * 1024 * 1024,
        tub: {
          listen: [
            { host: '192.0.2.7', port: 3457 },
            { host: '::', port: 3458 },
          ],
          locations: ['tcp:example.org:3457', 'old.example.org:3457'],
        },
      },
    })
  })

  it('listens on the loopback interface for the web, and where it is told to', () => {
    const web = (port: string): unknown => configOf(`${CLIENT}[node]\nweb.port = ${port}\n`).web
    expect(web('tcp:3456')).toMatchObject({ host: '127.0.0.1' })
    expect(web('tcp6:3456')).toMatchObject({ host: '::1' })
    expect(web('tcp:3456:interface=0.0.0.0')).toMatchObject({ host: '0.0.0.0' })
    expect(web('')).toBeUndefined()
  })

  it.each([
    ['1', 1],
    ['0', 0],
    ['', 0],
    ['100k', 100_000],
    ['1KiB', 1024],
    ['5 G', undefined],
    ['2T', 2e12],
    ['3eb', undefined],
    ['-1', undefined],
    ['1GG', undefined],
    ['constructor', undefined],
  ])('takes %j of reserved space for %s bytes', (text, bytes) => {
    const result = failureOf(`[storage]\nreserved_space = ${text}\n`)
    if (bytes === undefined) {
      expect(result).toMatchObject({ code: 'NODEDIR_BAD_CONFIG' })
      expect(String(result)).toContain('tahoe.cfg line 2: expected a size')
    } else {
      expect(result).toMatchObject({ storage: { reservedSpace: bytes } })
    }
  })

  it('reads SFTP, and the certificates of grid managers', () => {
    const config = configOf(`${CLIENT}
[sftpd]
enabled = true
port = tcp:8022:interface=127.0.0.1
host_pubkey_file = private/ssh_host.pub
host_privkey_file = private/ssh_host
accounts.file = private/accounts
[grid_manager_certificates]
default = gm.json`)
    expect(config.sftp).toEqual({
      listen: { host: '127.0.0.1', port: 8022, place: expect.stringContaining('[sftpd] port') },
      hostPrivateKeyFile: `${NODE}/private/ssh_host`,
      accountsFile: `${NODE}/private/accounts`,
    })
    expect(config.gridManagerCertificateFiles).toEqual([`${NODE}/gm.json`])
  })

  it('has a client that connects to nobody where it is to hide', () => {
    const config = configOf(
      `${CLIENT}[connections]\ntcp = disabled\n[node]\nreveal-IP-address = no\ntub.location = tor:a.onion:1\ntub.port = listen:tor,tcp:1:interface=127.0.0.1\n`,
    )
    expect(config.connects).toBe(false)
    expect(configOf(`${CLIENT}[connections]\ntcp = Disabled\n`).connects).toBe(false)
    expect(config.notes).toEqual([
      expect.stringMatching(/^tahoe.cfg line \d+: \[connections\] tcp: no storage server/),
      expect.stringMatching(/^tahoe.cfg line 8: \[node\] tub.port: Tor/),
    ])
  })

  it('tells what is missing, and does without it', () => {
    const text = `${CLIENT}[client]\nhelper.furl = pb://secret\nkey_generator.furl = pb://secret\n[node]\nlog_gatherer.furl = pb://secret\n[helper]\nenabled = true\n[tor]\nlaunch = true\nonion = true\n[i2p]\nlaunch = true\ndest = true\n`
    const { notes } = configOf(text)
    expect(notes.map((note) => /^tahoe\.cfg line \d+: (\[\w+\] [\w.]+): /.exec(note)?.[1])).toEqual(
      [
        '[client] helper.furl',
        '[client] key_generator.furl',
        '[node] log_gatherer.furl',
        '[helper] enabled',
        '[tor] launch',
        '[tor] onion',
        '[i2p] launch',
        '[i2p] dest',
      ],
    )
    expect(notes.join()).not.toContain('secret')
    expect(configOf(`${CLIENT}[client]\nhelper.furl =\n[helper]\nenabled = false\n`).notes).toEqual(
      [],
    )
  })

  it('lets plugins and grid managers have what names they like', () => {
    const free = '[storageclient.plugins.x]\nany = 1\n[storageserver.plugins.y]\nthing = 2\n'
    expect(configOf(`${CLIENT}${free}`).notes).toEqual([])
  })

  it.each([
    ['NODEDIR_UNKNOWN_OPTION', 2, '[client]\nshares.neded = 3\n'],
    ['NODEDIR_UNKNOWN_OPTION', 3, '\n[node]\nssh.port = 8022\n'],
    ['NODEDIR_UNKNOWN_OPTION', 1, '[clients]\nshares.needed = 3\n'],
    ['NODEDIR_UNKNOWN_OPTION', 1, '[constructor]\na = 3\n'],
    ['NODEDIR_UNKNOWN_OPTION', 2, '[storage]\nmanhole = 1\n'],
    ['NODEDIR_UNKNOWN_OPTION', 2, '[DEFAULT]\nnickname = me\n[node]\n[storage]\n'],
    ['NODEDIR_BAD_CONFIG', 2, '[client]\nhelper.furl = pb://topsecret#comment\n'],
    ['NODEDIR_BAD_CONFIG', 2, '[node]\nnickname = 50%\n'],
    ['NODEDIR_BAD_CONFIG', 2, '[node]\ntimeout.keepalive = topsecret\n'],
    ['NODEDIR_BAD_CONFIG', 2, '[node]\nreveal-IP-address = topsecret\n'],
    ['NODEDIR_BAD_CONFIG', 2, '[node]\nreveal-IP-address = false\n'],
    [
      'NODEDIR_BAD_CONFIG',
      5,
      '[connections]\ntcp = disabled\n[node]\nreveal-IP-address = false\ntub.location = tor:a.onion:1,tcp:topsecret:1\n',
    ],
    ['NODEDIR_BAD_CONFIG', 2, '[node]\nweb.port = tcp:topsecret\n'],
    ['NODEDIR_UNAVAILABLE', 2, '[node]\nweb.port = ssl:3456:privateKey=topsecret\n'],
    ['NODEDIR_UNAVAILABLE', 2, '[node]\nweb.port = unix:/topsecret\n'],
    ['NODEDIR_BAD_CONFIG', 2, '[node]\ntub.port =\n'],
    ['NODEDIR_BAD_CONFIG', 2, '[node]\ntub.location =\n'],
    ['NODEDIR_BAD_CONFIG', 2, '[node]\ntub.port = tcp:0\n'],
    ['NODEDIR_BAD_CONFIG', undefined, '[node]\ntub.port = disabled\n'],
    ['NODEDIR_BAD_CONFIG', undefined, '[node]\ntub.location = disabled\n'],
    ['NODEDIR_BAD_CONFIG', undefined, '[node]\ntub.location = disabled\ntub.port = disabled\n'],
    ['NODEDIR_UNAVAILABLE', 2, '[node]\ntub.port = listen:tor\n'],
    ['NODEDIR_UNAVAILABLE', 2, '[connections]\ntcp = tor\n'],
    ['NODEDIR_BAD_CONFIG', 2, '[connections]\ntcp = topsecret\n'],
    ['NODEDIR_UNAVAILABLE', 2, '[client]\nforce_foolscap = true\n'],
    ['NODEDIR_UNAVAILABLE', 2, '[storage]\nforce_foolscap = true\n'],
    ['NODEDIR_UNAVAILABLE', 2, '[storage]\nplugins = topsecret\n'],
    ['NODEDIR_UNAVAILABLE', 2, '[client]\nstorage.plugins = topsecret\n'],
    ['NODEDIR_BAD_CONFIG', 2, '[storage]\ndebug_discard = perhaps\n'],
    ['NODEDIR_BAD_CONFIG', 2, '[storage]\nenabled = perhaps\n'],
    ['NODEDIR_BAD_CONFIG', undefined, '[sftpd]\nenabled = true\n'],
    [
      'NODEDIR_BAD_CONFIG',
      5,
      '[sftpd]\nenabled=1\nhost_pubkey_file=a\nhost_privkey_file=b\nport=web\naccounts.file=c\n',
    ],
  ])('%s at line %s: %j', (code, line, text) => {
    const error = failureOf(text)
    expect(error).toMatchObject({ name: 'NodeDirectoryError', code })
    expect(String(error)).toMatch(line === undefined ? /tahoe\.cfg/ : `tahoe.cfg line ${line}:`)
    expect(String(error)).not.toContain('topsecret')
  })
})

describe('readNodeConfig', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lafs-test-'))
  })
  afterEach(() => rm(folder, { recursive: true }))

  it('takes a folder with servers alone for a client', async () => {
    await expect(readNodeConfig(folder)).rejects.toMatchObject({ code: 'NODEDIR_ABSENT' })
    await mkdir(join(folder, 'private'))
    await writeFile(join(folder, 'private', 'servers.yaml'), '')
    expect(await readNodeConfig(folder)).toMatchObject({ storage: undefined, web: undefined })
  })

  it('refuses a file in another encoding', async () => {
    await writeFile(
      join(folder, 'tahoe.cfg'),
      Buffer.from('[node]\nnickname = caf\u00e9', 'latin1'),
    )
    await expect(readTahoeCfg(folder)).rejects.toThrow('tahoe.cfg: expected text in UTF-8')
  })

  it('refuses what a node older than tahoe.cfg was told', async () => {
    await writeFile(join(folder, 'tahoe.cfg'), CLIENT)
    expect(await readTahoeCfg(folder)).toBeDefined()
    await writeFile(join(folder, 'webport'), '3456')
    await expect(readTahoeCfg(folder)).rejects.toThrow('the file webport')
  })
})
