import {
  isStorageError,
  type IServer,
  type IStorageServer,
  type OperationOptions,
  type ReadVector,
  type ShareNumber,
  StorageError,
  type TestWriteVectors,
} from '@lafs/storage-interface'
import { createMutableShareReader } from '@lafs/storage-protocol/layout'
import { Cancellation, timedRequest } from '@lafs/storage-protocol/waiting'
import type { MutableFile } from '../file.ts'
import type { FoundShare } from './found-share.ts'
import { leaseSecrets, slotSecrets } from '../keys.ts'

/** A server that takes longer counts as out of reach. */
const PATIENCE_MS = 10_000
const NOTHING = new Uint8Array()

/** The requests of one update of a servermap; a server that says nothing fails them in the end. */
export class ServerRequests {
  readonly #file: MutableFile
  readonly #requests: Cancellation

  /** @param signal - ends all requests, until {@link dispose}. */
  constructor(file: MutableFile, signal: AbortSignal | undefined) {
    this.#file = file
    this.#requests = new Cancellation(signal)
  }

  /** Lets go of the signal: requests that are under way run to their end. */
  dispose(): void {
    this.#requests.dispose()
  }

  /**
   * A request to one server, given up and ended when it takes too long.
   *
   * @throws {@link StorageError} `STORAGE_TIMEOUT`; what the request throws.
   */
  within<T>(server: IServer, request: (options: OperationOptions) => Promise<T>): Promise<T> {
    const { clock } = this.#file.context
    const timeout = (): Error =>
      new StorageError('STORAGE_TIMEOUT', `${server.name} did not answer in time`)
    return timedRequest(this.#requests, { clock, delayMs: PATIENCE_MS, timeout }, (signal) =>
      request({ signal }),
    )
  }

  /**
   * All shares that a server has of the file, with their first `size` bytes.
   *
   * Over HTTP a read of shares whose numbers are not known takes two requests, one after the other,
   * and a test-and-write that neither tests nor writes takes one; but it shows the write enabler.
   *
   * @param asWriter - do that; needs write authority.
   */
  async shares(server: IServer, size: number, asWriter: boolean): Promise<FoundShare[]> {
    const { storageIndex } = this.#file
    return this.within(server, async (options) => {
      const storage = await server.storageServer(options)
      const span = { offset: 0, size }
      const read =
        (asWriter ? await this.#readAsWriter(server, storage, span, options) : undefined) ??
        (await storage.slotReadv(storageIndex, [], [span], options))
      return [...read].map(([shareNumber, [bytes = NOTHING]]) => {
        const complete = bytes.length < size
        const source = { server: storage, storageIndex, shareNumber }
        const reader = createMutableShareReader({ ...source, prefetched: bytes, complete })
        return { server, storage, shareNumber, bytes, complete, reader }
      })
    })
  }

  /** Undefined from a server that knows another write enabler: it can still be read. */
  async #readAsWriter(
    server: IServer,
    storage: IStorageServer,
    span: ReadVector,
    options: OperationOptions,
  ): Promise<Map<ShareNumber, Uint8Array[]> | undefined> {
    const nothing = new Map<ShareNumber, TestWriteVectors>()
    const secrets = slotSecrets(this.#file, server)
    try {
      const { data } = await storage.slotTestvAndReadvAndWritev(
        this.#file.storageIndex,
        secrets,
        nothing,
        [span],
        options,
      )
      return data
    } catch (error) {
      if (isStorageError(error, 'STORAGE_BAD_WRITE_ENABLER')) return undefined
      throw error
    }
  }

  /** Adds or renews a lease on the shares that a server has. */
  async addLease(server: IServer): Promise<void> {
    const secrets = leaseSecrets(this.#file, server)
    await this.within(server, async (options) => {
      const storage = await server.storageServer(options)
      await storage.addLease(this.#file.storageIndex, secrets, options)
    })
  }

  /** Tells a server that a share is corrupt; whether it hears is its own affair. Never rejects. */
  async advise({ server, storage, shareNumber }: FoundShare, reason: string): Promise<void> {
    const { storageIndex } = this.#file
    const advice = this.within(server, (options) =>
      storage.adviseCorruptShare('mutable', storageIndex, shareNumber, reason, options),
    )
    await advice.catch(() => {})
  }
}
