import { memoryTransport } from '@lafs/transport-memory'
import { verifyingKeyFromString } from '@lafs/crypto'
import { createStorageBroker, readServerCertificate, uploadGate } from '@lafs/client'
import { loadVectors } from '@lafs/vectors'
import { describe, expect, it } from 'vitest'

interface Recorded {
  readonly identity: string
  readonly servers: Readonly<Record<string, string>>
  readonly announced: readonly { certificate: string; signature: string }[]
  readonly gates: readonly [
    managers: string[],
    certificates: number[],
    server: string,
    now: number,
    permitted: boolean,
  ][]
}

const recorded = await loadVectors<Recorded>('grid-manager/grid-manager')
const MANAGER = verifyingKeyFromString(recorded.identity)
const [certificate = { certificate: '', signature: '' }] = recorded.announced
const ALICE = (recorded.servers['alice'] ?? '').replace('pub-', '')
const SIGNED_MS = 1_700_000_000_123

/** A server with these certificates. */
const aServer = (serverId: string, certificates: unknown) => ({
  serverId,
  announcement: {
    nickname: 'one',
    'anonymous-storage-FURL': 'pb://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@nowhere/a',
    'grid-manager-certificates': certificates,
  },
})

describe('what a grid manager permits', () => {
  it.each(recorded.gates)(
    'by %j with certificates %j for %s at %d: %j',
    (keys, chosen, key, now, permitted) => {
      const certificates = chosen.map((index) => recorded.announced[index])
      const server = aServer(key.replace('pub-', ''), certificates)
      const gate = uploadGate(server, keys.map(verifyingKeyFromString), () => now * 1000)
      expect(gate()).toBe(permitted)
    },
  )

  it('ends with the certificate', () => {
    let nowMs = SIGNED_MS
    const gate = uploadGate(aServer(ALICE, [certificate]), [MANAGER], () => nowMs)
    expect(gate()).toBe(true)
    nowMs += 86_400_001
    expect(gate()).toBe(false)
  })

  it.each<[string, unknown]>([
    ['no list', certificate],
    ['nothing', undefined],
    ['something else in the list', [null, 7, 'x', [], {}]],
    ['no signature', [{ certificate: certificate.certificate }]],
    ['a signature that is no base32', [{ ...certificate, signature: '!' }]],
    ['a short signature', [{ ...certificate, signature: certificate.signature.slice(0, 16) }]],
    ['another text', [{ ...certificate, certificate: `${certificate.certificate} ` }]],
  ])('is nothing where a server announces %s', (_what, certificates) => {
    expect(uploadGate(aServer(ALICE, certificates), [MANAGER], () => SIGNED_MS)()).toBe(false)
  })

  it('is told with a date', () => {
    expect(readServerCertificate(certificate, MANAGER)).toEqual({
      publicKey: recorded.servers['alice'],
      expires: '2023-11-15T22:13:20.123456+00:00',
      expiresMs: SIGNED_MS + 86_400_000,
    })
  })

  it('decides where uploads go, and never where downloads come from', () => {
    const servers = [aServer(ALICE, [certificate]), aServer(`v0-${'a'.repeat(52)}`, undefined)]
    const transport = { ...memoryTransport(), accepts: () => true }
    const transports = [transport]
    const broker = createStorageBroker({
      servers,
      transports,
      gridManagerKeys: [MANAGER],
      now: () => SIGNED_MS,
    })
    const index = new Uint8Array(16)
    const upload = broker.serversForStorageIndex(index, { forUpload: true })
    expect(upload.map(({ serverId }) => serverId)).toEqual([ALICE])
    expect(broker.serversForStorageIndex(index)).toHaveLength(2)
  })
})
