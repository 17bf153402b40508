import { sameBytes } from '@lafs/crypto'
import { NotEnoughServersError, UncoordinatedWriteError } from '@lafs/filesystem-interface'
import type { ProgressListener } from '@lafs/filesystem-interface'
import { StorageError } from '@lafs/storage-interface'
import type {
  IServer,
  ReadTestWriteResult,
  ShareNumber,
  TestVector,
  TestWriteVectors,
} from '@lafs/storage-interface'
import { Cancellation, timedRequest } from '@lafs/storage-protocol/waiting'
import type { MutableFile } from '../file.ts'
import { slotSecrets } from '../keys.ts'
import { placeHomelessShares, placementKey } from './placement.ts'
import type { Placement } from './placement.ts'
import type { PublishStatus } from './status.ts'
import type { ServerMap } from '../servermap/server-map.ts'
import type { NewVersion } from './share-builder.ts'

/** How long a server may take to answer a write of nothing. */
const ANSWER_TIME_MS = 10_000
/** What a slow line takes besides, for all that is sent at once: 100 kB in a second. */
const BYTES_PER_MS = 100
/** Shares of one server go in one message up to this many bytes, and at least one share does. */
const MESSAGE_SIZE = 16 * 1024 * 1024

/** What is to be sent, and what is known of where it goes. */
export interface Delivery {
  readonly file: MutableFile
  readonly map: ServerMap
  readonly newVersion: NewVersion
  /** Where shares are to go first. */
  readonly goal: readonly Placement[]
  /** Shares that count as taken from the start: nothing is sent for them. Default: none. */
  readonly standing?: readonly Placement[] | undefined
  /** Where shares may go whose servers fail; none for a change in place. */
  readonly spareServers: readonly IServer[]
  readonly status: PublishStatus
  readonly onProgress?: ProgressListener | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Writes the shares of a new version to their servers, each where the map says what stands there
 * now. Servers that fail are replaced, as long as there are others.
 *
 * A server takes all of its shares in one step, so that it never holds some of the old and some of
 * the new ones (unless they are too large for one message). The map gets what was written.
 *
 * @throws {@link UncoordinatedWriteError} when any server has what the map does not know of;
 *   {@link NotEnoughServersError} when fewer than `requiredShares` different shares were taken; the
 *   reason of the signal. What was written stays.
 * @see allmydata.mutable.publish.Publish.finish_publishing, _got_write_answer, update_goal
 */
export async function deliver(delivery: Delivery): Promise<void> {
  const { file, map, newVersion, standing = [], spareServers, status, signal } = delivery
  const run: Run = {
    ...delivery,
    cancellation: new Cancellation(signal),
    placed: new Set(standing.map(placementKey)),
    failed: new Set(),
    errors: [],
    surprises: [],
    goal: [...standing, ...delivery.goal],
  }
  const startMs = file.context.clock.nowMs()
  try {
    for (;;) {
      run.goal = run.goal.filter(
        (placement) =>
          run.placed.has(placementKey(placement)) || !run.failed.has(placement.server.serverId),
      )
      const spare = spareServers.filter(({ serverId }) => !run.failed.has(serverId))
      const { totalShares } = newVersion.version
      const homeless = placeHomelessShares(run.goal, spare, totalShares)
      run.goal = [...run.goal, ...homeless.filter((one) => hasWrites(newVersion, one))]
      const pending = run.goal.filter((placement) => !run.placed.has(placementKey(placement)))
      if (pending.length === 0) break
      const messages = messagesOf(pending, newVersion)
      const size = messages.reduce((sum, message) => sum + message.size, 0)
      const delayMs = ANSWER_TIME_MS + Math.ceil(size / BYTES_PER_MS)
      await Promise.all(messages.map((message) => send(message, delayMs, run)))
      if (run.surprises.length > 0) throw uncoordinated(run.surprises)
    }
    checkEnough(run)
  } catch (error) {
    if (!run.cancellation.signal.aborted) map.addProblem(error)
    throw error
  } finally {
    status.timings.pushMs = file.context.clock.nowMs() - startMs
    run.cancellation.dispose()
  }
}

/** Whether there is anything to write of a share: a repair makes some of them alone. */
function hasWrites({ writes }: NewVersion, { shareNumber }: Placement): boolean {
  return (writes[shareNumber]?.length ?? 0) > 0
}

/** A delivery under way. */
interface Run extends Omit<Delivery, 'goal'> {
  readonly cancellation: Cancellation
  /** Keys of placements that servers have taken. */
  readonly placed: Set<string>
  /** Ids of servers that get nothing more. */
  readonly failed: Set<string>
  /** What servers said when they failed, the first one first. */
  readonly errors: unknown[]
  /** What other writers must have done, in words. */
  readonly surprises: string[]
  goal: readonly Placement[]
}

/** Shares for one server. */
interface Message {
  readonly server: IServer
  readonly shareNumbers: readonly ShareNumber[]
  readonly size: number
}

function messagesOf(placements: readonly Placement[], { writes }: NewVersion): Message[] {
  const messages: Message[] = []
  const latest = new Map<string, number>()
  for (const { server, shareNumber } of placements) {
    const size = (writes[shareNumber] ?? []).reduce((sum, { data }) => sum + data.length, 0)
    const index = latest.get(server.serverId) ?? -1
    const message = messages[index]
    if (message !== undefined && message.size + size <= MESSAGE_SIZE) {
      const shareNumbers = [...message.shareNumbers, shareNumber]
      messages[index] = { server, shareNumbers, size: message.size + size }
    } else {
      latest.set(server.serverId, messages.push({ server, shareNumbers: [shareNumber], size }) - 1)
    }
  }
  return messages
}

/** What must stand on the server: what the map knows, or nothing. */
function testFor(map: ServerMap, server: IServer, shareNumber: ShareNumber): TestVector {
  const specimen = map.checkstringOn(server, shareNumber) ?? new Uint8Array()
  // One byte of nothing: there is no share, or an empty one.
  return { offset: 0, size: Math.max(specimen.length, 1), specimen }
}

async function send(message: Message, delayMs: number, run: Run): Promise<void> {
  const { file, map, newVersion, status, cancellation } = run
  const { server, shareNumbers } = message
  const { clock } = file.context
  const { checkstring } = newVersion.version.header
  const vectors = new Map<ShareNumber, TestWriteVectors>(
    shareNumbers.map((shareNumber) => [
      shareNumber,
      {
        test: [testFor(map, server, shareNumber)],
        write: newVersion.writes[shareNumber] ?? [],
        newLength: newVersion.shareSize,
      },
    ]),
  )
  const readVectors = [{ offset: 0, size: checkstring.length }]
  const startMs = clock.nowMs()
  const write = async (signal: AbortSignal): Promise<ReadTestWriteResult> => {
    const storage = await server.storageServer({ signal })
    const secrets = slotSecrets(file, server)
    return storage.slotTestvAndReadvAndWritev(file.storageIndex, secrets, vectors, readVectors, {
      signal,
    })
  }
  const timeout = (): Error =>
    new StorageError('STORAGE_TIMEOUT', `no answer to a write within ${delayMs} ms`, {
      serverId: server.serverId,
    })
  const answer = await timedRequest(cancellation, { clock, delayMs, timeout }, write).catch(
    (error: unknown) => {
      cancellation.signal.throwIfAborted()
      run.failed.add(server.serverId)
      run.errors.push(error)
      status.addProblem(server.serverId, error)
      map.addProblem(error)
    },
  )
  if (answer === undefined) return
  status.sent(server.serverId, clock.nowMs() - startMs)
  takeAnswer(message, answer, run, startMs)
}

/** Looks at what stood on a server before a write, and notes what it took. */
function takeAnswer(
  { server, shareNumbers }: Message,
  { success, data }: ReadTestWriteResult,
  run: Run,
  startMs: number,
): void {
  const { map, newVersion, status, onProgress } = run
  const { version } = newVersion
  const isOurs = (share: ShareNumber): boolean => {
    const found = data.get(share)?.[0]
    return found !== undefined && sameBytes(found, version.header.checkstring)
  }
  const expected = new Set(
    run.goal.filter((one) => one.server.serverId === server.serverId).map((one) => one.shareNumber),
  )
  for (const share of data.keys()) {
    const known = expected.has(share) || map.checkstringOn(server, share) !== undefined
    if (!known && !isOurs(share)) run.surprises.push(`${server.name} has share ${share} as well`)
  }
  // A message that arrived twice finds what it wrote itself.
  if (!success && !shareNumbers.every(isOurs)) {
    run.surprises.push(`${server.name} has other shares ${shareNumbers.join(', ')}`)
    return
  }
  for (const shareNumber of shareNumbers) {
    run.placed.add(placementKey({ server, shareNumber }))
    map.addShare(server, shareNumber, version, startMs)
  }
  const share = run.placed.size / run.goal.length
  status.progress = share
  status.status = `Sending Shares: ${run.placed.size} placed out of ${run.goal.length}`
  onProgress?.({
    phase: 'pushing',
    done: Math.floor(share * version.size),
    total: version.size,
  })
}

function uncoordinated(surprises: readonly string[]): UncoordinatedWriteError {
  return new UncoordinatedWriteError(`another writer has been at work: ${surprises.join('; ')}`)
}

function checkEnough({ placed, goal, newVersion, errors }: Run): void {
  const { requiredShares } = newVersion.version
  const taken = new Set(
    goal.filter((one) => placed.has(placementKey(one))).map(({ shareNumber }) => shareNumber),
  )
  if (taken.size >= requiredShares) return
  const [first] = errors
  const why = first instanceof Error ? `, first error: ${first.message}` : ''
  throw new NotEnoughServersError(
    `servers took ${taken.size} of the ${requiredShares} different shares that are needed${why}`,
    { errors, ...(first !== undefined && { cause: first }) },
  )
}
