import {
  type IStorageServer,
  NoSpaceError,
  type ReadTestWriteResult,
  type ShareNumber,
  type SlotSecrets,
  type StorageIndex,
  type TestWriteVectors,
} from '@lafs/storage-interface'
import type { FaultPlan } from './fault-plan.ts'

type Reads = Map<ShareNumber, Uint8Array[]>
type ReadArguments = Parameters<IStorageServer['slotReadv']>
type WriteArguments = Parameters<IStorageServer['slotTestvAndReadvAndWritev']>

/** What a simulated server does by chance. */
export interface SlotChances {
  happens(rate: number): boolean
  /** What is handed out of a share in place of these bytes. */
  damaged(share: ShareNumber, bytes: Uint8Array): Uint8Array
}

/** A slot as it was once. */
interface PastSlot {
  readonly storageIndex: StorageIndex
  readonly secrets: SlotSecrets
  readonly shares: ReadonlyMap<ShareNumber, Uint8Array>
}

const EVERYTHING = { offset: 0, size: 2 ** 30 }

/** The mutable slots of a simulated server, with the faults of its plan. */
export class SimulatedSlots {
  readonly #server: IStorageServer
  readonly #chances: SlotChances
  readonly #past = new Map<string, PastSlot>()

  constructor(server: IStorageServer, chances: SlotChances) {
    this.#server = server
    this.#chances = chances
  }

  /** From here on {@link rollBack} goes back to what stands now. */
  forgetPast(): void {
    this.#past.clear()
  }

  /** Puts every slot that was written to since then back. */
  async rollBack(): Promise<void> {
    for (const { storageIndex, secrets, shares } of this.#past.values()) {
      const numbers = new Set([...(await this.#sharesOf(storageIndex)).keys(), ...shares.keys()])
      const vectors = [...numbers].map((number): [ShareNumber, TestWriteVectors] => {
        const data = shares.get(number)
        const write = data === undefined ? [] : [{ offset: 0, data }]
        return [number, { test: [], write, newLength: data?.length ?? 0 }]
      })
      await this.#server.slotTestvAndReadvAndWritev(storageIndex, secrets, new Map(vectors), [])
    }
  }

  /** One read, as the plan has it. */
  async read(plan: FaultPlan, args: ReadArguments): Promise<Reads> {
    const [storageIndex, shareNumbers, ...rest] = args
    if (!plan.swapsShares) {
      return this.#shown(plan, await this.#server.slotReadv(storageIndex, shareNumbers, ...rest))
    }
    const all = swapped(await this.#server.slotReadv(storageIndex, [], ...rest))
    const asked = new Set(shareNumbers)
    const found = [...all].filter(([share]) => asked.size === 0 || asked.has(share))
    return this.#shown(plan, new Map(found))
  }

  /** One write, or one read that looks like one, as the plan has it. */
  async write(plan: FaultPlan, args: WriteArguments): Promise<ReadTestWriteResult> {
    const [storageIndex, secrets, vectors, readVectors, options] = args
    const writes = vectors.size > 0
    if (writes && this.#chances.happens(plan.refuseRate)) throw new NoSpaceError('no room today')
    if (writes && this.#chances.happens(plan.dropWritesRate)) {
      const data = await this.#server.slotReadv(storageIndex, [], readVectors, options)
      return { success: true, data: this.#shown(plan, data) }
    }
    if (writes && Number.isFinite(plan.rollsBackAtOperation)) {
      const key = storageIndex.join('.')
      const shares = await this.#sharesOf(storageIndex)
      if (!this.#past.has(key)) this.#past.set(key, { storageIndex, secrets, shares })
    }
    const { success, data } = await this.#server.slotTestvAndReadvAndWritev(...args)
    if (writes && success && this.#chances.happens(plan.loseRate)) {
      const gone: TestWriteVectors = { test: [], write: [], newLength: 0 }
      const lost = new Map([...vectors.keys()].map((share) => [share, gone]))
      await this.#server.slotTestvAndReadvAndWritev(storageIndex, secrets, lost, [])
    }
    return { success, data: this.#shown(plan, plan.swapsShares ? swapped(data) : data) }
  }

  async #sharesOf(storageIndex: StorageIndex): Promise<Map<ShareNumber, Uint8Array>> {
    const found = await this.#server.slotReadv(storageIndex, [], [EVERYTHING])
    return new Map([...found].map(([share, [bytes]]) => [share, bytes ?? new Uint8Array()]))
  }

  /** What a client gets of what was read. */
  #shown(plan: FaultPlan, reads: ReadonlyMap<ShareNumber, Uint8Array[]>): Reads {
    const shown = [...reads].filter(() => !this.#chances.happens(plan.hideRate))
    return new Map(
      shown.map(([share, spans]) => [
        share,
        spans.map((bytes) => this.#chances.damaged(share, bytes)),
      ]),
    )
  }
}

/** Each share under the number of the next one; one that is alone under a number that is not there. */
function swapped(reads: ReadonlyMap<ShareNumber, Uint8Array[]>): Reads {
  const numbers = [...reads.keys()].toSorted((a, b) => a - b)
  return new Map(
    numbers.map((share, index) => {
      const next = numbers[(index + 1) % numbers.length] ?? share
      return [next === share ? share + 1 : next, reads.get(share) ?? []]
    }),
  )
}
