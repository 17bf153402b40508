// Any mixture of small operations, aborts and misfortunes: each operation settles once, with the right
// answer or with a named error, and a write that has settled is seen by whatever is issued after it.
import { createMemoryStore } from '@lafs/share-store-memory'
import { isStorageError, type SlotSecrets } from '@lafs/storage-interface'
import { createStorageServer } from '@lafs/storage-server'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createHttpStorageServer, type SendRequest } from '../src/client/index.ts'
import { BATCH_ANSWER_SIZE_MAX, decodeBatchAnswers, encodeBatchAnswers } from '../src/index.ts'
import { createStorageHandler } from '../src/server/index.ts'
import { nextTurn } from '../src/turn.ts'
import { sendTo } from './support.ts'

const swissnum = 'swissnum'
const PATH = '/lafs/v1/batch'
const SLOTS = 3
const all = { offset: 0, size: 100 }
const index = (n: number): Uint8Array => new Uint8Array(16).fill(n)
const secrets: SlotSecrets = {
  writeEnabler: new Uint8Array(32).fill(1),
  renewSecret: new Uint8Array(32).fill(2),
  cancelSecret: new Uint8Array(32).fill(3),
}

/** What becomes of one batch. */
type Fate = 'answered' | 'lost' | 'answer lost' | 'in part' | 'half' | 'refused' | 'broken down'

const step = fc.record({
  what: fc.constantFrom('write', 'read', 'read as writer', 'list', 'lease', 'cancel', 'turn'),
  slot: fc.nat({ max: SLOTS - 1 }),
  /** How many turns later it is aborted, if it is. */
  abortAfter: fc.option(fc.nat({ max: 6 }), { freq: 4 }),
})
const scenario = fc.record({
  steps: fc.array(step, { minLength: 5, maxLength: 40 }),
  fates: fc.array(
    fc.record({
      fate: fc.constantFrom<Fate[]>(
        'answered',
        'answered',
        'answered',
        'lost',
        'answer lost',
        'in part',
        'half',
        'broken down',
      ),
      turns: fc.nat({ max: 4 }),
    }),
    { minLength: 1, maxLength: 20 },
  ),
  /** From which batch on the server knows nothing of them. */
  refusesFrom: fc.oneof(fc.constant(Infinity), fc.nat({ max: 5 })),
})

/** A line on which each batch has its fate; other requests arrive. */
function unlucky(
  send: SendRequest,
  { fates, refusesFrom }: typeof scenario extends fc.Arbitrary<infer T> ? T : never,
): SendRequest {
  let batches = 0
  return async (outgoing) => {
    if (outgoing.path !== PATH) return send(outgoing)
    const number = batches++
    const { fate, turns } = fates[number % fates.length] ?? { fate: 'answered', turns: 0 }
    await later(turns)
    outgoing.signal.throwIfAborted()
    if (number >= refusesFrom) return { ...(await send({ ...outgoing, path: '/nowhere' })) }
    if (fate === 'lost') throw new Error('lost')
    const response = await send(outgoing)
    if (fate === 'answer lost') throw new Error('lost')
    if (fate === 'broken down') return { ...response, status: 500 }
    if (fate === 'answered') return response
    const whole = response.body
    expect(whole.length).toBeLessThan(BATCH_ANSWER_SIZE_MAX)
    const head = whole[0] ?? 0
    // A batch of these tests is small: its count stands in the head, or in the byte after it.
    const count = (head & 31) < 24 ? head & 31 : (whole[1] ?? 0)
    const answers = decodeBatchAnswers(whole, count)
    const changed =
      fate === 'half'
        ? answers.slice(0, Math.floor(count / 2))
        : answers.map((answer, n) => (n % 2 === number % 2 ? undefined : answer))
    const body = encodeBatchAnswers(changed as Parameters<typeof encodeBatchAnswers>[0])
    return {
      ...response,
      headers: { get: (name) => (name === 'content-type' ? 'application/cbor' : null) },
      body,
    }
  }
}

const reason = new Error('enough')
const anotherSecret = new Uint8Array(32).fill(9)

async function later(turns: number): Promise<void> {
  for (let n = 0; n < turns; n++) await nextTurn()
}

it('each small operation settles once, as it should', async () => {
  const codes = new Set<string>()
  let right = 0
  const property = fc.asyncProperty(scenario, async (given) => {
    const server = createStorageServer({ store: createMemoryStore() })
    const handler = createStorageHandler(server, { swissnum })
    const client = createHttpStorageServer(unlucky(sendTo(handler), given), { swissnum })
    // What each slot held, in order: a value is its place there.
    const settled = Array.from({ length: SLOTS }, () => 0)
    const issued = Array.from({ length: SLOTS }, () => 0)
    const writing = Array.from({ length: SLOTS }, () => Promise.resolve())

    const operationOf = async (what: string, slot: number, signal: AbortSignal): Promise<void> => {
      const options = { signal }
      if (what === 'write') return write(slot)
      if (what === 'lease') return client.addLease(index(slot), secrets, options)
      if (what === 'cancel') return client.cancelLease(index(slot), 0, anotherSecret, options)
      if (what !== 'list') return read(slot, what === 'read as writer', signal)
      // Slots are no immutable files.
      const ahead = { ...options, readAhead: slot === 0 ? 0 : 1000 }
      expect((await client.getBuckets(index(slot), ahead)).size).toBe(0)
    }
    const write = async (slot: number): Promise<void> => {
      const before = writing[slot]
      const after = (async () => {
        await before
        const value = (issued[slot] ?? 0) + 1
        issued[slot] = value
        const change = { test: [], write: [{ offset: 0, data: Uint8Array.of(value) }] }
        await client.slotTestvAndReadvAndWritev(index(slot), secrets, new Map([[0, change]]), [])
        settled[slot] = value
      })()
      writing[slot] = after
      await after
    }
    /** A read sees at least what had been written when it was issued. */
    const read = async (slot: number, asWriter: boolean, signal: AbortSignal): Promise<void> => {
      const least = settled[slot] ?? 0
      const shares = asWriter
        ? (
            await client.slotTestvAndReadvAndWritev(index(slot), secrets, new Map(), [all], {
              signal,
            })
          ).data
        : await client.slotReadv(index(slot), [], [all], { signal })
      const value = shares.get(0)?.[0]?.[0] ?? 0
      expect(value).toBeGreaterThanOrEqual(least)
      expect(value).toBeLessThanOrEqual(issued[slot] ?? 0)
    }

    const work: Promise<void>[] = []
    const watch = (operation: Promise<unknown>): void => {
      const failed = (error: unknown): void => {
        if (isStorageError(error)) codes.add(error.code)
        else if (error !== reason) throw error
      }
      const done = (): void => {
        right += 1
      }
      work.push(operation.then(done, failed))
    }
    for (const { what, slot, abortAfter } of given.steps) {
      const controller = new AbortController()
      const { signal } = controller
      if (what === 'turn') await nextTurn()
      else watch(operationOf(what, slot, signal))
      if (abortAfter !== null) void later(abortAfter).then(() => controller.abort(reason))
    }
    await Promise.all(work)
    await server.close()
  })
  await fc.assert(property, { seed: 0x1af5, numRuns: 300 })
  expect(right).toBeGreaterThan(1000)
  expect(codes).toEqual(
    new Set([
      'STORAGE_UNREACHABLE',
      'STORAGE_BAD_RESPONSE',
      'STORAGE_NOT_SUPPORTED',
      'STORAGE_TIMEOUT',
    ]),
  )
})
