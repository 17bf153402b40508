import { defaultCrypto, fromBase32, toBase32 } from '@lafs/crypto'
import {
  DataTooLargeError,
  MAX_MUTABLE_SHARE_SIZE,
  NoSpaceError,
  StorageError,
} from '@lafs/storage-interface'
import type {
  BucketRecord,
  IncomingShare,
  IShareStore,
  Lease,
  LeaseRemoval,
  ShareKind,
  ShareNumber,
  SlotChange,
  StorageIndex,
  StoredAdvisory,
  StoredLease,
  StoredShare,
  StoredShareKind,
  StoreSpace,
} from '@lafs/storage-interface'

/** What a memory store can be made with. */
export interface MemoryStoreOptions {
  /** How many bytes of share data the store takes. Default: as many as the process has. */
  readonly capacity?: number
}

interface MemoryShare {
  readonly kind: ShareKind
  readonly writeEnabler: Uint8Array
  /** Replaced whole by a write, so that open readers keep what they opened. */
  data: Uint8Array
  leases: Lease[]
}

/** Makes an empty share store that lives in the memory of this process and vanishes with it. */
export function createMemoryStore(options: MemoryStoreOptions = {}): IShareStore {
  return new MemoryStore(options.capacity)
}

class MemoryStore implements IShareStore {
  readonly name = 'memory'
  readonly capabilities: { persistent: boolean; knowsSpace: boolean }
  readonly #advisories = new Map<string, string>()
  readonly #states = new Map<string, string>()
  /** By the base32 of the storage index. */
  readonly #slots = new Map<string, Map<ShareNumber, MemoryShare>>()
  readonly #capacity: number | undefined
  #used = 0
  #closed = false

  constructor(capacity: number | undefined) {
    this.#capacity = capacity
    this.capabilities = { persistent: false, knowsSpace: capacity !== undefined }
  }

  async shares(storageIndex: StorageIndex): Promise<Map<ShareNumber, StoredShareKind>> {
    return new Map([...this.#slot(storageIndex)].map(([number, { kind }]) => [number, kind]))
  }

  async shareNumbers(storageIndex: StorageIndex): Promise<ShareNumber[]> {
    return [...this.#slot(storageIndex).keys()].toSorted((a, b) => a - b)
  }

  async open(storageIndex: StorageIndex, shareNumber: ShareNumber): Promise<StoredShare> {
    const { kind, data, writeEnabler } = this.#share(storageIndex, shareNumber)
    return {
      kind,
      length: data.length,
      read: async (offset, length) => data.slice(offset, offset + length),
      writeEnablerMatches: (candidate) =>
        kind === 'mutable' && defaultCrypto.timingSafeEqual(candidate, writeEnabler),
      close: async () => {},
    }
  }

  async createImmutable(
    storageIndex: StorageIndex,
    shareNumber: ShareNumber,
    size: number,
    lease: Lease,
  ): Promise<IncomingShare> {
    this.#assertOpen()
    let data = this.#reserve(size)
    return {
      write: async (offset, pieces) => {
        let at = offset
        for (const piece of pieces) {
          data.set(piece, at)
          at += piece.length
        }
      },
      resize: async (newSize) => {
        const resized = this.#allocate(newSize, newSize - data.length)
        this.#used += newSize - data.length
        resized.set(data.subarray(0, newSize))
        data = resized
      },
      read: async (offset, length) => data.slice(offset, offset + length),
      commit: async () => {
        this.#assertOpen()
        const leases = [owned(lease)]
        const share: MemoryShare = { kind: 'immutable', writeEnabler: noBytes, data, leases }
        this.#put(storageIndex, shareNumber, share)
      },
      discard: async () => {
        this.#used -= data.length
      },
    }
  }

  async storeImmutable(
    storageIndex: StorageIndex,
    shares: ReadonlyMap<ShareNumber, readonly Uint8Array[]>,
    lease: Lease,
  ): Promise<void> {
    this.#assertOpen()
    const sizes = [...shares.values()].map(sizeOf)
    let rest = this.#reserve(sizes.reduce((sum, size) => sum + size, 0))
    for (const [shareNumber, pieces] of shares) {
      const data = rest.subarray(0, sizeOf(pieces))
      rest = rest.subarray(data.length)
      let at = 0
      for (const piece of pieces) {
        data.set(piece, at)
        at += piece.length
      }
      const leases = [owned(lease)]
      const share: MemoryShare = { kind: 'immutable', writeEnabler: noBytes, data, leases }
      this.#put(storageIndex, shareNumber, share)
    }
  }

  async writeSlot(
    storageIndex: StorageIndex,
    writeEnabler: Uint8Array,
    changes: ReadonlyMap<ShareNumber, SlotChange>,
    lease: Lease,
  ): Promise<void> {
    const slot = this.#slot(storageIndex)
    const written = new Map<ShareNumber, Uint8Array>()
    let growth = 0
    for (const [number, change] of changes) {
      const share = slot.get(number)
      if (share?.kind === 'immutable') throw notMutable(number)
      if (change.newLength === 0) continue
      const before = share?.data ?? noBytes
      const data = this.#changed(before, change, growth)
      written.set(number, data)
      growth += data.length - before.length
    }
    for (const [number, { newLength }] of changes)
      if (newLength === 0) await this.delete(storageIndex, number)
    for (const [number, data] of written) {
      const share = slot.get(number) ?? newMutable(writeEnabler)
      this.#used += data.length - share.data.length
      share.data = data
      addLease(share, lease)
      this.#put(storageIndex, number, share)
    }
  }

  async addLease(
    storageIndex: StorageIndex,
    shareNumber: ShareNumber,
    lease: Lease,
  ): Promise<void> {
    addLease(this.#share(storageIndex, shareNumber), lease)
  }

  async leases(storageIndex: StorageIndex, shareNumber: ShareNumber): Promise<StoredLease[]> {
    const { leases } = this.#share(storageIndex, shareNumber)
    return leases.map(asStored)
  }

  async removeLeases(
    storageIndex: StorageIndex,
    shareNumber: ShareNumber,
    isChosen: (lease: StoredLease) => boolean,
  ): Promise<LeaseRemoval> {
    const share = this.#share(storageIndex, shareNumber)
    const before = share.leases.length
    share.leases = share.leases.filter((lease) => !isChosen(asStored(lease)))
    const left = share.leases.length
    if (left === 0 && before > 0) await this.delete(storageIndex, shareNumber)
    return { removed: before - left, left }
  }

  async delete(storageIndex: StorageIndex, shareNumber: ShareNumber): Promise<void> {
    const slot = this.#slot(storageIndex)
    this.#used -= slot.get(shareNumber)?.data.length ?? 0
    slot.delete(shareNumber)
    if (slot.size === 0) this.#slots.delete(toBase32(storageIndex))
  }

  async *storageIndexes(): AsyncGenerator<StorageIndex> {
    for (const name of [...this.#slots.keys()].toSorted()) yield fromBase32(name)
  }

  async space(): Promise<StoreSpace | undefined> {
    this.#assertOpen()
    if (this.#capacity === undefined) return undefined
    const free = this.#capacity - this.#used
    return { available: free, free, total: this.#capacity }
  }

  async bucketNames(prefix: string): Promise<string[]> {
    this.#assertOpen()
    return [...this.#slots.keys()].filter((name) => name.startsWith(prefix)).toSorted()
  }

  async inspect(storageIndex: StorageIndex): Promise<BucketRecord> {
    const shares = [...this.#slot(storageIndex)].map(([shareNumber, share]) => ({
      shareNumber,
      kind: share.kind,
      containerBytes: share.data.length,
      diskBytes: share.data.length,
      leases: share.leases.map(asStored),
      damage: undefined,
    }))
    return { diskBytes: 0, shares: shares.toSorted((a, b) => a.shareNumber - b.shareNumber) }
  }

  async saveAdvisory(name: string, text: string): Promise<void> {
    this.#assertOpen()
    this.#advisories.set(name, text)
  }

  async *advisories(): AsyncGenerator<StoredAdvisory> {
    this.#assertOpen()
    for (const name of [...this.#advisories.keys()].toSorted())
      yield { name, text: this.#advisories.get(name) ?? '' }
  }

  async saveState(name: string, text: string): Promise<void> {
    this.#assertOpen()
    this.#states.set(name, text)
  }

  async readState(name: string): Promise<string | undefined> {
    this.#assertOpen()
    return this.#states.get(name)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#slots.clear()
  }

  #assertOpen(): void {
    if (this.#closed) throw new StorageError('STORAGE_CLOSED', 'the store has been closed')
  }

  #slot(storageIndex: StorageIndex): Map<ShareNumber, MemoryShare> {
    this.#assertOpen()
    return this.#slots.get(toBase32(storageIndex)) ?? new Map<ShareNumber, MemoryShare>()
  }

  #share(storageIndex: StorageIndex, shareNumber: ShareNumber): MemoryShare {
    const share = this.#slot(storageIndex).get(shareNumber)
    if (share !== undefined) return share
    throw new StorageError('STORAGE_NO_SUCH_SHARE', `no share ${shareNumber}`, { shareNumber })
  }

  #put(storageIndex: StorageIndex, shareNumber: ShareNumber, share: MemoryShare): void {
    const name = toBase32(storageIndex)
    this.#slots.set(name, this.#slot(storageIndex).set(shareNumber, share))
  }

  /** Zeroed memory for an immutable share, counted as used at once. */
  #reserve(size: number): Uint8Array {
    const data = this.#allocate(size, size)
    this.#used += size
    return data
  }

  #allocate(size: number, growth: number): Uint8Array {
    if (this.#used + growth > (this.#capacity ?? Infinity))
      throw new NoSpaceError(`no room for ${growth} bytes in a memory store of ${this.#capacity}`)
    try {
      return new Uint8Array(size)
    } catch (cause) {
      throw new NoSpaceError(`no memory for ${size} bytes`, { cause })
    }
  }

  /** The data of a mutable share after a change, in memory of its own. `growth` is that of others. */
  #changed(before: Uint8Array, { writes, newLength }: SlotChange, growth: number): Uint8Array {
    const length = writes.reduce(
      (end, { offset, data }) => Math.max(end, offset + data.length),
      before.length,
    )
    if (length > MAX_MUTABLE_SHARE_SIZE)
      throw new DataTooLargeError(`${length} bytes are more than a mutable share holds`)
    const data = this.#allocate(length, growth + length - before.length)
    data.set(before)
    for (const write of writes) data.set(write.data, write.offset)
    return newLength === undefined ? data : data.slice(0, newLength)
  }
}

function sizeOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, { length }) => sum + length, 0)
}

function notMutable(shareNumber: ShareNumber): StorageError {
  const message = `share ${shareNumber} is no mutable container`
  return new StorageError('STORAGE_UNKNOWN_CONTAINER_VERSION', message, { shareNumber })
}

const noBytes = new Uint8Array()

function newMutable(writeEnabler: Uint8Array): MemoryShare {
  return { kind: 'mutable', writeEnabler: writeEnabler.slice(), data: noBytes, leases: [] }
}

/** A lease as others see it, with no secret. */
function asStored({ ownerNumber, expiresAtSeconds, cancelSecret }: Lease): StoredLease {
  return {
    ownerNumber,
    expiresAtSeconds,
    cancelSecretMatches: (candidate) => defaultCrypto.timingSafeEqual(candidate, cancelSecret),
  }
}

/** A lease with secrets of its own: those that came belong to the caller. */
function owned(lease: Lease): Lease {
  const { renewSecret, cancelSecret } = lease
  return { ...lease, renewSecret: renewSecret.slice(), cancelSecret: cancelSecret.slice() }
}

/** Renews the lease with the same renew secret, never shortening it, or adds it. */
function addLease(share: MemoryShare, lease: Lease): void {
  const index = share.leases.findIndex(({ renewSecret }) =>
    defaultCrypto.timingSafeEqual(renewSecret, lease.renewSecret),
  )
  const old = share.leases[index]
  if (old === undefined) share.leases.push(owned(lease))
  else if (lease.expiresAtSeconds > old.expiresAtSeconds)
    share.leases[index] = { ...old, expiresAtSeconds: lease.expiresAtSeconds }
}
