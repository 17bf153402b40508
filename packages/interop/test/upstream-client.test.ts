import { join } from 'node:path'
import { createClient } from '@lafs/client'
import type { Client } from '@lafs/client'
import {
  createResourceStack,
  describeWithUpstream,
  startOwnServer,
  startUpstreamClient,
  temporaryFolder,
} from '@lafs/interop'
import type { OwnServer, UpstreamClient } from '@lafs/interop'
import { stretch } from '@lafs/vectors'
import { afterAll, beforeAll, expect, it } from 'vitest'

const encode = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text)
const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

/** What a check of upstream finds, as far as it is looked at here. */
interface CheckResults {
  results: {
    healthy: boolean
    'count-shares-good': number
    'count-corrupt-shares': number
    'count-happiness': number
  }
}

// What upstream's client does to storage servers beyond plain uploads: mutable slots, leases, checks.
describeWithUpstream("upstream's client on our servers", () => {
  const resources = createResourceStack()
  let upstream: UpstreamClient
  let own: Client

  beforeAll(async () => {
    const { path } = resources.use(await temporaryFolder())
    const servers: OwnServer[] = await Promise.all(
      [0, 1, 2, 3, 4].map((number) => startOwnServer(join(path, `own-${number}`))),
    )
    for (const server of servers) resources.use(server)
    const descriptions = servers.map((server) => server.description)
    const encoding = { requiredShares: 2, happyShares: 4, totalShares: 5 }
    upstream = resources.use(
      await startUpstreamClient(join(path, 'client'), { servers: descriptions, encoding }),
    )
    own = resources.use(await createClient({ servers: descriptions, encoding }))
  }, 120_000)
  afterAll(() => resources[Symbol.asyncDispose](), 60_000)

  it.each(['SDMF', 'MDMF'])('stores, overwrites and reads %s files', async (format) => {
    const cap = decode(
      await upstream.web(`uri?format=${format}`, { method: 'PUT', body: encode('one') }),
    )
    const path = `uri/${encodeURIComponent(cap)}`
    expect(decode(await upstream.web(path))).toBe('one')
    const second = stretch(encode('the second version '), 300_000)
    await upstream.web(path, { method: 'PUT', body: second.slice() })
    expect(await upstream.web(path)).toEqual(second)
    await upstream.web(path, { method: 'PUT', body: encode('three') })
    expect(decode(await upstream.web(path))).toBe('three')
  })

  it('changes part of an MDMF file in place', async () => {
    const body = stretch(encode('0123456789'), 400_000)
    const cap = decode(await upstream.web('uri?format=MDMF', { method: 'PUT', body: body.slice() }))
    const path = `uri/${encodeURIComponent(cap)}`
    await upstream.web(`${path}?offset=200000`, { method: 'PUT', body: encode('changed') })
    body.set(encode('changed'), 200_000)
    expect(await upstream.web(path)).toEqual(body)
  })

  it('keeps directories', async () => {
    const cap = decode(await upstream.web('uri?t=mkdir', { method: 'POST' }))
    const path = `uri/${encodeURIComponent(cap)}`
    await upstream.web(`${path}/name`, { method: 'PUT', body: encode('in the directory') })
    expect(decode(await upstream.web(`${path}/name`))).toBe('in the directory')
  })

  it('verifies what our client wrote, and adds leases to it', async () => {
    const { uri } = await own.upload(stretch(encode('to be verified '), 3_000_000))
    const check = `uri/${encodeURIComponent(uri)}?t=check&verify=true&add-lease=true&output=JSON`
    const found: CheckResults = JSON.parse(decode(await upstream.web(check, { method: 'POST' })))
    expect(found.results).toMatchObject({
      healthy: true,
      'count-shares-good': 5,
      'count-corrupt-shares': 0,
      'count-happiness': 5,
    })
  })
})
