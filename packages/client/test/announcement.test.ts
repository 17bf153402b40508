import { isStorageError } from '@lafs/storage-interface'
import type { ServerAnnouncement } from '@lafs/storage-interface'
import { loadVectors, toHex } from '@lafs/vectors'
import { describe, expect, it } from 'vitest'
import { identifyServer } from '../src/announcement.ts'

interface AnnouncementCase {
  readonly serverId: string
  readonly announcement: ServerAnnouncement
  readonly permutationSeed: string
  readonly tubId: string
  readonly name: string
  readonly longName: string
}

const { cases } = await loadVectors<{ cases: AnnouncementCase[] }>('servers/announcements')

describe('identifyServer', () => {
  it.each(cases)('gives upstream’s names and seeds for $serverId', (recorded) => {
    const identity = identifyServer(recorded)
    expect({
      permutationSeed: toHex(identity.permutationSeed),
      tubId: toHex(identity.leaseSeed),
      name: identity.name,
      longName: identity.longName,
      nickname: identity.nickname,
    }).toEqual({
      permutationSeed: recorded.permutationSeed,
      tubId: recorded.tubId,
      name: recorded.name,
      longName: recorded.longName,
      nickname: recorded.announcement.nickname ?? '',
    })
  })

  it.each([
    ['no FURL', {}],
    ['a FURL of another scheme', { 'anonymous-storage-FURL': 'http://example.org/' }],
    ['a FURL without a TubID', { 'anonymous-storage-FURL': 'pb://@tcp:h:1/swissnum' }],
    ['a TubID that is no base32', { 'anonymous-storage-FURL': 'pb://0189@tcp:h:1/swissnum' }],
    ['a TubID that is too short', { 'anonymous-storage-FURL': 'pb://mfra@tcp:h:1/swissnum' }],
    [
      'a seed that is no base32',
      {
        'anonymous-storage-FURL': `pb://${'a'.repeat(32)}@h/s`,
        'permutation-seed-base32': 'UPPER',
      },
    ],
  ])('refuses %s, without showing the FURL', (_what, announcement) => {
    const attempt = (): unknown => identifyServer({ serverId: 'v0-abc', announcement })
    let caught: unknown
    try {
      attempt()
    } catch (error) {
      caught = error
    }
    expect(isStorageError(caught, 'STORAGE_BAD_ANNOUNCEMENT')).toBe(true)
    expect((caught as Error).message).not.toContain('swissnum')
  })
})
