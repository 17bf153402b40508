import type { MutableFormat } from '@lafs/client'
import {
  createResourceStack,
  describeWithUpstream,
  mutableNode,
  ownDirectories,
  ownFiles,
  startMixedGrid,
  upstreamDirectories,
  upstreamFiles,
} from '@lafs/interop'
import type { Directories, MixedGrid, MutableFiles } from '@lafs/interop'
import { fromHex, loadVectors } from '@lafs/vectors'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

// Two writers at once, one of each kind. The servers are ours, so that the writes of one can be held
// back until the other is through: both then have looked at the same version.

const formats: readonly MutableFormat[] = ['SDMF', 'MDMF']
const totalShares = 10
const serverCount = 3
const encode = (text: string): Uint8Array => new TextEncoder().encode(text)
const decode = (data: Uint8Array): string => new TextDecoder().decode(data)

interface KeyVector {
  signingKey: string
}
const { keys } = await loadVectors<{ keys: KeyVector[] }>('mutable/keys')

/** Holds back the next writes. */
function createGate() {
  let wanted = 0
  const waiting: (() => void)[] = []
  let allArrived = (): void => {}
  return {
    /** What a server does before each write. */
    pass: async (): Promise<void> => {
      if (waiting.length === wanted) return
      await new Promise<void>((resolve) => {
        waiting.push(resolve)
        if (waiting.length === wanted) allArrived()
      })
    },
    /** @returns settles once this many writes wait. Those that come later pass. */
    holdBack: (count: number): Promise<void> => {
      wanted = count
      return new Promise((resolve) => (allArrived = resolve))
    },
    open: (): void => {
      wanted = 0
      for (const go of waiting.splice(0)) go()
    },
  }
}

describeWithUpstream('races of two writers', () => {
  const resources = createResourceStack()
  const gate = createGate()
  let grid: MixedGrid
  let own: MutableFiles
  let upstream: MutableFiles
  let directories: Readonly<Record<'own' | 'upstream', Directories>>

  beforeAll(async () => {
    grid = await startMixedGrid(resources, {
      upstreamServerCount: 0,
      ownServerCount: serverCount,
      encoding: { requiredShares: 3, happyShares: 1, totalShares },
      convergence: new Uint8Array(32).fill(7),
      ownServerOptions: { beforeSlotWrite: gate.pass },
    })
    own = ownFiles(grid.own)
    upstream = upstreamFiles(grid.upstream)
    directories = { own: ownDirectories(grid.own), upstream: upstreamDirectories(grid.upstream) }
  }, 120_000)
  afterAll(() => resources[Symbol.asyncDispose](), 60_000)

  /** How many writes each client sends for one version: upstream one a share, ours one a server. */
  const writeCounts = { upstream: totalShares, own: serverCount }

  /** Starts one edit, holds its writes back, does another, lets the first go. @returns its error. */
  async function heldBack(
    who: keyof typeof writeCounts,
    first: () => Promise<unknown>,
    second: () => Promise<unknown>,
  ): Promise<unknown> {
    const arrived = gate.holdBack(writeCounts[who])
    const outcome = first().then(
      () => undefined,
      (error: unknown) => error,
    )
    try {
      await arrived
      await second()
    } finally {
      gate.open()
    }
    return outcome
  }

  async function expectChildren(cap: string, names: readonly string[]): Promise<void> {
    for (const side of ['own', 'upstream'] as const) {
      expect([...(await directories[side].list(cap)).keys()]).toEqual(names)
    }
  }

  describe.each(formats)('of %s', (format) => {
    it('upstream loses when ours was faster', async () => {
      const cap = await upstream.create(format, encode('old'))
      const error = await heldBack(
        'upstream',
        () => upstream.overwrite(cap, encode('theirs')),
        () => own.overwrite(cap, encode('ours')),
      )
      expect(String(error)).toContain('UncoordinatedWriteError')
      expect(decode(await own.read(cap))).toBe('ours')
      expect(decode(await upstream.read(cap))).toBe('ours')
    })

    it('ours loses when upstream was faster', async () => {
      const cap = await own.create(format, encode('old'))
      const error = await heldBack(
        'own',
        () => own.overwrite(cap, encode('ours')),
        () => upstream.overwrite(cap, encode('theirs')),
      )
      expect(error).toMatchObject({ code: 'MUTABLE_UNCOORDINATED_WRITE' })
      expect(decode(await own.read(cap))).toBe('theirs')
      expect(decode(await upstream.read(cap))).toBe('theirs')
    })

    it('ours loses with a servermap of before', async () => {
      const cap = await upstream.create(format, encode('old'))
      const node = mutableNode(grid.own, cap)
      const servermap = await node.servermap('MODE_WRITE')
      await upstream.overwrite(cap, encode('theirs'))
      await expect(node.upload(encode('ours'), servermap)).rejects.toMatchObject({
        code: 'MUTABLE_UNCOORDINATED_WRITE',
      })
      expect(decode(await own.read(cap))).toBe('theirs')
      expect(decode(await upstream.read(cap))).toBe('theirs')
    })

    it('our change is made again on top of theirs', async () => {
      const cap = await own.create(format, encode('old'))
      const node = mutableNode(grid.own, cap)
      const error = await heldBack(
        'own',
        () => node.modify((old) => encode(`${decode(old)}, ours`)),
        () => upstream.overwrite(cap, encode('theirs')),
      )
      expect(error).toBeUndefined()
      expect(decode(await upstream.read(cap))).toBe('theirs, ours')
    })

    it('a file that is there is not made a second time', async () => {
      const key = fromHex(keys[formats.indexOf(format)]?.signingKey ?? '')
      const cap = await upstream.create(format, encode('theirs'), key)
      await expect(own.create(format, encode('ours'), key)).rejects.toMatchObject({
        code: 'MUTABLE_UNCOORDINATED_WRITE',
      })
      expect(decode(await upstream.read(cap))).toBe('theirs')
    })

    it('whoever writes at once, the file stays whole', async () => {
      let before = 'round 0'
      const cap = await own.create(format, encode(before))
      for (let round = 1; round <= 8; round += 1) {
        const texts = [`ours ${round}`, `theirs ${round}`]
        const [ours, theirs] = await Promise.allSettled([
          own.overwrite(cap, encode(texts[0] ?? '')),
          upstream.overwrite(cap, encode(texts[1] ?? '')),
        ])
        if (ours.status === 'rejected') {
          expect(ours.reason).toMatchObject({ code: 'MUTABLE_UNCOORDINATED_WRITE' })
        }
        if (theirs.status === 'rejected') {
          expect(String(theirs.reason)).toContain('UncoordinatedWriteError')
        }
        const after = decode(await own.read(cap))
        expect(decode(await upstream.read(cap))).toBe(after)
        // With two losers the old version may stand.
        const lost = ours.status === 'rejected' && theirs.status === 'rejected'
        expect(lost ? [...texts, before] : texts).toContain(after)
        before = after
      }
      await own.overwrite(cap, encode('at rest'))
      expect(decode(await upstream.read(cap))).toBe('at rest')
    })
  })

  it('our edit of a directory is made again on top of theirs', async () => {
    const cap = await directories.upstream.create('SDMF', {})
    const error = await heldBack(
      'own',
      () => directories.own.set(cap, { ours: { write: 'URI:LIT:' } }),
      () => directories.upstream.set(cap, { theirs: { write: 'URI:LIT:' } }),
    )
    expect(error).toBeUndefined()
    await expectChildren(cap, ['ours', 'theirs'])
  })

  it('upstream leaves our edit of a directory alone, and says that it lost', async () => {
    // Upstream tries again from the version that it knew first, and finds no shares of that any
    // more. (An empty version it can have without shares, and would put its edit in place of ours.)
    const cap = await directories.upstream.create('SDMF', { old: { write: 'URI:LIT:' } })
    const error = await heldBack(
      'upstream',
      () => directories.upstream.set(cap, { theirs: { write: 'URI:LIT:' } }),
      () => directories.own.set(cap, { ours: { write: 'URI:LIT:' } }),
    )
    expect(String(error)).toMatch(/KeyError|UncoordinatedWriteError/)
    await expectChildren(cap, ['old', 'ours'])
  })
})
