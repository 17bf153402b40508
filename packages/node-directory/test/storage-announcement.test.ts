import { networkInterfaces } from 'node:os'
import { parseFurl, parseNurl } from '@lafs/storage-protocol'
import { createHttpsIdentity } from '@lafs/transport-https'
import { describe, expect, it } from 'vitest'
import { locationHints, storageAnnouncement } from '../src/storage-announcement.ts'

const https = createHttpsIdentity()

describe('storageAnnouncement', () => {
  it('has a NURL for each place that HTTPS reaches, and a FURL with all of them', () => {
    const hints = ['tcp:example.org:3457', 'tcp:[2001:db8::1]:3458', 'tor:a.onion:1', 'tcp:odd']
    const announcement = storageAnnouncement({
      https,
      nickname: 'cellar',
      permutationSeed: 'abc',
      hints,
      certificates: undefined,
    })
    expect(announcement).toMatchObject({ nickname: 'cellar', 'permutation-seed-base32': 'abc' })
    expect(announcement).not.toHaveProperty('grid-manager-certificates')
    const { tubId, swissnum } = https
    const furl = parseFurl(announcement['anonymous-storage-FURL'] ?? '')
    expect(furl).toEqual({ tubId, swissnum, hints })
    const nurls = (announcement['anonymous-storage-NURLs'] ?? []).map(parseNurl)
    expect(nurls).toMatchObject([
      { scheme: 'pb', host: 'example.org', port: 3457, swissnum },
      { scheme: 'pb', host: '2001:db8::1', port: 3458, swissnum },
    ])
  })
})

describe('locationHints', () => {
  it('has every address of this machine for AUTO, and the rest as it stands', () => {
    const own = Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .filter(({ family }) => family === 'IPv4')
      .map(({ address }) => `tcp:${address}:1`)
    expect(locationHints(['a.example:5', 'AUTO', 'tcp:b.example:6', 'tor:c.onion:7'], 1)).toEqual([
      'tcp:a.example:5',
      ...own,
      'tcp:b.example:6',
      'tor:c.onion:7',
    ])
  })
})
