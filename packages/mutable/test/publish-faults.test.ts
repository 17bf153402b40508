import { sameBytes } from '@lafs/crypto'
import { StorageError } from '@lafs/storage-interface'
import { seededRandom } from '@lafs/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { MutableFile } from '../src/file.ts'
import { publish } from '../src/publish/publish.ts'
import { ServerMap } from '../src/servermap/server-map.ts'
import { mutableUploadableFromBytes } from '../src/uploadable.ts'
import { createServers, fileOn, mapOf, recoverable, updateOn } from './publish-grid.ts'
import type { TestServer } from './publish-grid.ts'

const SEGMENT = 131_073
const large = Uint8Array.from({ length: SEGMENT + 50 }, (_, index) => index % 251)
const patch = new Uint8Array(SEGMENT).fill(9)
const patchedLarge = large.slice()
patchedLarge.set(patch, 25)

const killed = async (): Promise<never> => {
  throw new Error('killed')
}

/** Lets so many messages reach servers in all, those of later servers first where asked, then none. */
function killAfter(servers: readonly TestServer[], count: number, backwards: boolean): void {
  const order = backwards ? servers.toReversed() : servers
  for (const [index, server] of order.entries()) {
    let left = index < count ? 1 : 0
    server.onWrite = (write) => (left-- > 0 ? write() : killed())
  }
}

interface Writing {
  readonly what: string
  readonly version: 0 | 1
  readonly before: Uint8Array
  readonly after: Uint8Array
  readonly write: (servers: readonly TestServer[], file: MutableFile) => Promise<unknown>
}

const replaceBy =
  (contents: Uint8Array): Writing['write'] =>
  async (servers, file) =>
    publish(file, await mapOf(servers, file), mutableUploadableFromBytes(contents))

const writings: readonly Writing[] = [
  {
    what: 'an SDMF file is replaced',
    version: 0,
    before: large.subarray(0, 1000),
    after: patch.subarray(0, 10),
    write: replaceBy(patch.subarray(0, 10)),
  },
  {
    what: 'an MDMF file is replaced',
    version: 1,
    before: large,
    after: patch,
    write: replaceBy(patch),
  },
  {
    what: 'an MDMF file is changed in place',
    version: 1,
    before: large,
    after: patchedLarge,
    write: (servers, file) => updateOn(servers, file, 25, patch),
  },
]

describe('a writer that is killed', () => {
  const cases = writings.flatMap((writing) => [1, 3, 4, 10].map((count) => ({ ...writing, count })))
  it.each(cases)(
    'after any number of messages leaves the old or the new version: $what, $count servers',
    async ({ version, before, after, write, count }) => {
      for (let messages = 0; messages <= count; messages++) {
        for (const backwards of [false, true]) {
          const servers = await createServers(count)
          const file = await fileOn(servers, { version })
          await publish(file, new ServerMap(), mutableUploadableFromBytes(before))
          killAfter(servers, messages, backwards)
          const outcome = await write(servers, file).then(
            () => 'written',
            (error: { code: string }) => error.code,
          )
          const contents = await recoverable(file, servers)
          expect([...contents.keys()].length, `${messages} messages`).toBeGreaterThan(0)
          for (const [number, found] of contents) {
            expect(sameBytes(found, number === 1 ? before : after)).toBe(true)
          }
          // Never a success unless the new version can be read, and never a failure but the named one.
          expect(outcome).toBe(contents.has(2) ? 'written' : 'MUTABLE_NOT_ENOUGH_SERVERS')
        }
      }
    },
  )
})

describe('writers and servers with faults', () => {
  it('keep the last version that was reported as written, or a newer one', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 3, max: 8 }),
        fc.array(
          fc.record({ seed: fc.nat(), failing: fc.double({ min: 0, max: 0.6, noNaN: true }) }),
          {
            minLength: 1,
            maxLength: 6,
          },
        ),
        async (count, rounds) => {
          const servers = await createServers(count)
          const file = await fileOn(servers, { requiredShares: 2, totalShares: 6 })
          const written = new Map<number, Uint8Array>()
          let reported = 0
          for (const [round, { seed, failing }] of rounds.entries()) {
            const random = seededRandom(seed)
            const contents = new Uint8Array(1 + (seed % 50)).fill(round + 1)
            const map = await mapOf(servers, file)
            const number = map.highestSequenceNumber() + 1
            for (const server of servers) {
              server.onWrite = async (write) => {
                const luck = random.next()
                // Either the message is lost, or its answer.
                const answer = luck < failing / 2 ? undefined : await write()
                if (answer === undefined || luck < failing) {
                  throw new StorageError('STORAGE_UNREACHABLE', 'bad luck')
                }
                return answer
              }
            }
            written.set(number, contents)
            const outcome = await publish(file, map, mutableUploadableFromBytes(contents)).then(
              () => 'written',
              (error: { code: string }) => error.code,
            )
            if (outcome === 'written') reported = number
            else expect(outcome).toBe('MUTABLE_NOT_ENOUGH_SERVERS')
            const found = await recoverable(file, servers)
            const newest = Math.max(0, ...found.keys())
            expect(newest).toBeGreaterThanOrEqual(reported)
            for (const [version, bytes] of found) expect(bytes).toEqual(written.get(version))
          }
        },
      ),
      { seed: 17, numRuns: 40 },
    )
  })
})
