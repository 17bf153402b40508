import {
  type AllocateRequest,
  type AllocateResult,
  type IStorageServer,
  NoSpaceError,
  type OperationOptions,
  type RIBucketReader,
  type RIBucketWriter,
  StorageError,
  type StoreRequest,
  type StoreResult,
} from '@lafs/storage-interface'
import { SimulatedSlots } from './simulated-slots.ts'
import { describeFaultPlan, type FaultPlan, FAULTLESS } from './fault-plan.ts'
import type { SeededRandom } from './random.ts'
import { taken } from './taken.ts'
import type { VirtualClock } from './virtual-clock.ts'

/** What a simulated server is made of. */
export interface SimulatedServerOptions {
  readonly id: string
  /** The honest server behind it. */
  readonly server: IStorageServer
  readonly clock: VirtualClock
  /** Its own: servers that share one would depend on each other's traffic. */
  readonly random: SeededRandom
  /** Takes a line for each request, and one for each answer: never a secret. */
  readonly trace: (line: string) => void
}

/** What clients were given by a simulated server, and what they said of it. By share number. */
export interface SimulatedRecord {
  /** Shares of which a read was handed out that was not as stored, by any fault. */
  readonly tainted: Set<number>
  /** Shares of which a read was handed out with every bit wrong. */
  readonly garbled: Set<number>
  /** Shares that a client said are corrupt. */
  readonly advised: Set<number>
}

type Damage = 'flipped' | 'garbled' | 'truncated' | 'swapped' | undefined

/** A storage server in virtual time with the faults of a plan, which can be changed at any time. */
export class SimulatedServer {
  readonly id: string
  /** What clients talk to. */
  readonly storage: IStorageServer
  /** Of the time since the last {@link follow}. */
  record: SimulatedRecord = emptyRecord()
  readonly #options: SimulatedServerOptions
  readonly #uploads = new Set<RIBucketWriter>()
  /** What was uploaded, and how to lose it. */
  readonly #closed = new Map<string, () => Promise<void>>()
  readonly #slots: SimulatedSlots
  #plan = FAULTLESS
  #operations = 0
  #requests = 0

  constructor(options: SimulatedServerOptions) {
    this.id = options.id
    this.#options = options
    this.#slots = new SimulatedSlots(options.server, {
      happens: (rate) => this.#happens(rate),
      damaged: (share, bytes) => this.#damagedShare(share, bytes),
    })
    this.storage = this.#clientSide()
  }

  /** What is wrong with it now. */
  get plan(): FaultPlan {
    return this.#plan
  }

  /**
   * Takes on another plan; operations and the record begin anew. A server that was dead comes back
   * without the uploads that were under way.
   */
  follow(plan: FaultPlan): void {
    if (!this.alive) {
      for (const writer of this.#uploads) void writer.abort().catch(() => {})
      this.#uploads.clear()
    }
    this.#plan = plan
    this.#operations = 0
    this.#slots.forgetPast()
    this.record = emptyRecord()
    this.#trace(describeFaultPlan(plan))
  }

  /** Whether it can still be reached. */
  get alive(): boolean {
    return this.#operations < this.#plan.diesAtOperation
  }

  /** How many shares the honest server behind it holds that were neither closed nor aborted. */
  get openUploads(): number {
    return this.#uploads.size
  }

  #trace(line: string): void {
    this.#options.trace(`${this.#options.clock.nowMs()} ${this.id} ${line}`)
  }

  #happens(rate: number): boolean {
    return rate > 0 && this.#options.random.next() < rate
  }

  /** One request and its answer, with the faults that any operation can have. */
  async #exchange<T>(
    what: string,
    perform: () => Promise<T>,
    options: OperationOptions | undefined,
  ): Promise<T> {
    const { clock, random } = this.#options
    const plan = this.#plan
    const number = this.#requests++
    const operation = this.#operations++
    this.#trace(`#${number} ${what}`)
    const [least, most] = plan.latencyMs
    const latencyMs = least + random.integer(most - least + 1)
    const stallMs = this.#happens(plan.stallRate) ? plan.stallMs : 0
    const stallsBefore = stallMs > 0 && random.next() < 0.5
    const half = Math.floor(latencyMs / 2)
    try {
      await clock.sleep(half + (stallsBefore ? stallMs : 0), options?.signal)
      if (operation >= plan.diesAtOperation) throw unreachable('the server is gone')
      if (operation === plan.rollsBackAtOperation) await this.#rollBack()
      if (what !== 'writer.abort' && this.#happens(plan.failRate)) throw unreachable('bad luck')
      const result = await perform()
      if (this.#happens(plan.loseAnswerRate)) throw unreachable('the answer is lost')
      await clock.sleep(latencyMs - half + (stallsBefore ? 0 : stallMs), options?.signal)
      this.#trace(`#${number} is answered`)
      return result
    } catch (error) {
      this.#trace(`#${number} fails: ${error instanceof Error ? error.message : 'no error'}`)
      throw error
    }
  }

  async #rollBack(): Promise<void> {
    for (const lose of this.#closed.values()) await lose()
    this.#closed.clear()
    await this.#slots.rollBack()
    this.#trace('rolls back')
  }

  #clientSide(): IStorageServer {
    const { server } = this.#options
    return {
      getVersion: (options) =>
        this.#exchange(
          'getVersion',
          async () => {
            const version = await server.getVersion(options)
            if (!this.#plan.readonly) return version
            return { ...version, maximumImmutableShareSize: 0, availableSpace: 0 }
          },
          options,
        ),
      allocateBuckets: (storageIndex, request, options) =>
        this.#exchange(
          `allocateBuckets ${[...request.shareNumbers].join(',')} of ${request.allocatedSize} bytes`,
          () => this.#allocate(storageIndex, request, options),
          options,
        ),
      resumeUpload: (storageIndex, share, request, options) =>
        this.#exchange(
          `resumeUpload ${share} of ${request.allocatedSize} bytes`,
          async () => {
            const resuming = server.resumeUpload?.(storageIndex, share, request, options)
            const { writer, missing } = await taken(resuming)
            const lost = { key: keyOf(storageIndex, share), lose: async (): Promise<void> => {} }
            return { writer: this.#writer(writer, share, lost), missing }
          },
          options,
        ),
      ...(server.storeShares && {
        storeShares: (storageIndex, request, options) =>
          this.#exchange(
            `storeShares ${[...request.shares.keys()].join(',')}`,
            () => this.#store(storageIndex, request, options),
            options,
          ),
      }),
      getBuckets: (storageIndex, options) =>
        this.#exchange('getBuckets', () => this.#list(storageIndex, options), options),
      addLease: (...args) => this.#exchange('addLease', () => server.addLease(...args), args[2]),
      cancelLease: (...args) =>
        this.#exchange(`cancelLease ${args[1]}`, () => server.cancelLease(...args), args[3]),
      slotReadv: (...args) =>
        this.#exchange('slotReadv', () => this.#slots.read(this.plan, args), args[3]),
      slotTestvAndReadvAndWritev: (...args) =>
        this.#exchange(
          `slotTestvAndReadvAndWritev ${[...args[2].keys()].join(',') || 'nothing'}`,
          () => this.#slots.write(this.plan, args),
          args[4],
        ),
      adviseCorruptShare: (...args) => {
        this.record.advised.add(args[2])
        return this.#exchange(
          `adviseCorruptShare ${args[2]}`,
          () => server.adviseCorruptShare(...args),
          args[4],
        )
      },
    }
  }

  async #allocate(
    storageIndex: Uint8Array,
    request: AllocateRequest,
    options: OperationOptions | undefined,
  ): Promise<AllocateResult> {
    const { plan } = this
    if (this.#happens(plan.refuseRate)) throw new NoSpaceError('no room today')
    const isTaken = (): boolean => !plan.readonly && !this.#happens(plan.noSpaceRate)
    const shareNumbers = new Set([...request.shareNumbers].filter(isTaken))
    const { server } = this.#options
    const result = await server.allocateBuckets(storageIndex, { ...request, shareNumbers }, options)
    const writers = new Map(
      [...result.writers].map(([share, writer]) => [
        share,
        this.#writer(writer, share, {
          key: keyOf(storageIndex, share),
          lose: () => server.cancelLease(storageIndex, share, request.cancelSecret),
        }),
      ]),
    )
    return { alreadyGot: result.alreadyGot, writers }
  }

  async #store(
    storageIndex: Uint8Array,
    request: StoreRequest,
    options: OperationOptions | undefined,
  ): Promise<StoreResult> {
    const { plan } = this
    if (this.#happens(plan.refuseRate)) throw new NoSpaceError('no room today')
    const { server } = this.#options
    const isTaken = (): boolean => !plan.readonly && !this.#happens(plan.noSpaceRate)
    const taking = [...request.shares].filter(isTaken)
    const shares = new Map(taking.filter(() => !this.#happens(plan.dropWritesRate)))
    const storing = server.storeShares?.(storageIndex, { ...request, shares }, options)
    const { alreadyGot, stored } = await taken(storing)
    for (const share of stored) {
      const lose = (): Promise<void> =>
        server.cancelLease(storageIndex, share, request.cancelSecret)
      if (this.#happens(plan.loseRate)) await lose()
      else this.#closed.set(keyOf(storageIndex, share), lose)
    }
    const dropped = taking.map(([share]) => share).filter((share) => !shares.has(share))
    return { alreadyGot, stored: new Set(alreadyGot.size > 0 ? [] : [...stored, ...dropped]) }
  }

  #writer(
    writer: RIBucketWriter,
    share: number,
    { key, lose }: { readonly key: string; readonly lose: () => Promise<void> },
  ): RIBucketWriter {
    const drops = this.#happens(this.plan.dropWritesRate)
    this.#uploads.add(writer)
    const close = async (options: OperationOptions | undefined): Promise<void> => {
      await (drops ? writer.abort(options) : writer.close(options))
      this.#uploads.delete(writer)
      if (drops) return
      if (this.#happens(this.plan.loseRate)) await lose()
      else this.#closed.set(key, lose)
    }
    return {
      write: (offset, pieces, options) =>
        this.#exchange(
          `writer.write ${share} at ${offset}${drops ? ', dropped' : ''}`,
          async () => (drops ? undefined : writer.write(offset, pieces, options)),
          options,
        ),
      close: (options) => this.#exchange(`writer.close ${share}`, () => close(options), options),
      abort: (options) =>
        this.#exchange(
          'writer.abort',
          async () => {
            await writer.abort(options)
            this.#uploads.delete(writer)
          },
          options,
        ),
    }
  }

  async #list(
    storageIndex: Uint8Array,
    options: OperationOptions | undefined,
  ): Promise<Map<number, RIBucketReader>> {
    const { plan } = this
    const { random, server } = this.#options
    const stored = await server.getBuckets(storageIndex, options)
    const shown = [...stored]
      .toSorted(([a], [b]) => a - b)
      .filter(() => !this.#happens(plan.hideRate))
    const numbers = shown.map(([share]) => share)
    const readers = new Map<number, RIBucketReader>()
    for (const [index, [share, reader]] of shown.entries()) {
      const other = numbers[(index + 1) % numbers.length] ?? share
      const shownAs = !plan.swapsShares ? share : other === share ? share + 1 : other
      readers.set(shownAs, this.#reader(reader, shownAs, shownAs !== share))
    }
    const invented = random.integer(10)
    if (this.#happens(plan.inventRate) && !readers.has(invented)) {
      readers.set(invented, this.#reader(absentShare, invented, false))
    }
    return readers
  }

  #reader(reader: RIBucketReader, share: number, swapped: boolean): RIBucketReader {
    return {
      read: async (offset, length, options) => {
        const { bytes, damage } = await this.#exchange(
          `reader.read ${share} ${offset}+${length}`,
          async () => {
            const read = await reader.read(offset, length, options)
            const damaged = this.#damage(read)
            return swapped ? { ...damaged, damage: damaged.damage ?? 'swapped' } : damaged
          },
          options,
        )
        if (damage !== undefined) this.record.tainted.add(share)
        if (damage === 'garbled') this.record.garbled.add(share)
        if (damage !== undefined) this.#trace(`reader.read ${share} was ${damage}`)
        return bytes
      },
      adviseCorruptShare: (reason, options) => {
        this.record.advised.add(share)
        return this.#exchange(
          `reader.adviseCorruptShare ${share}: ${reason}`,
          () => reader.adviseCorruptShare(reason, options),
          options,
        )
      },
    }
  }

  #damagedShare(share: number, read: Uint8Array): Uint8Array {
    const { bytes, damage } = this.#damage(read)
    if (damage !== undefined) this.record.tainted.add(share)
    if (damage === 'garbled') this.record.garbled.add(share)
    if (damage !== undefined) this.#trace(`share ${share} was ${damage}`)
    return bytes
  }

  #damage(bytes: Uint8Array): { readonly bytes: Uint8Array; readonly damage: Damage } {
    const { plan } = this
    const { random } = this.#options
    if (bytes.length === 0) return { bytes, damage: undefined }
    if (this.#happens(plan.garbleRate)) {
      return { bytes: bytes.map((byte) => byte ^ 0xff), damage: 'garbled' }
    }
    if (this.#happens(plan.truncateRate)) {
      return { bytes: bytes.slice(0, random.integer(bytes.length)), damage: 'truncated' }
    }
    if (this.#happens(plan.flipRate)) {
      const flipped = bytes.slice()
      const at = random.integer(bytes.length)
      flipped[at] = (flipped[at] ?? 0) ^ (1 << random.integer(8))
      return { bytes: flipped, damage: 'flipped' }
    }
    return { bytes, damage: undefined }
  }
}

const absentShare: RIBucketReader = {
  read: async () => {
    throw new StorageError('STORAGE_NO_SUCH_SHARE', 'there is no such share')
  },
  adviseCorruptShare: async () => {},
}

function emptyRecord(): SimulatedRecord {
  return { tainted: new Set(), garbled: new Set(), advised: new Set() }
}

function keyOf(storageIndex: Uint8Array, share: number): string {
  return `${storageIndex.join('.')}/${share}`
}

function unreachable(why: string): StorageError {
  return new StorageError('STORAGE_UNREACHABLE', why)
}
