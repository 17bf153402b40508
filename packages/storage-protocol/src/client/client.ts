import { defaultCrypto } from '@lafs/crypto'
import {
  type AllocateRequest,
  type AllocateResult,
  DataTooLargeError,
  type GetBucketsOptions,
  type IStorageServer,
  type LeaseSecrets,
  type OperationOptions,
  type ReadTestWriteResult,
  type ReadVector,
  type ResumedUpload,
  type ResumeRequest,
  type RIBucketReader,
  type RIBucketWriter,
  type ServerVersion,
  type ShareKind,
  type ShareNumber,
  type SlotSecrets,
  StorageError,
  type StorageIndex,
  STORE_SIZE_MAX,
  type StoreRequest,
  type StoreResult,
  type TestWriteVectors,
} from '@lafs/storage-interface'
import type { SecretKind } from '../auth.ts'
import {
  decodeAllocated,
  decodeReadTestWriteResult,
  decodeStored,
  decodeVersion,
  encodeAllocate,
  encodeCorruption,
  encodeReadTestWrite,
  encodeStore,
  sizeOfShares,
  type StoredMessage,
} from '../messages/index.ts'
import { CBOR_TYPE } from '../routes.ts'
import { Batches } from './batches.ts'
import { HttpBucketWriter } from './bucket-writer.ts'
import {
  badResponse,
  badWriteEnabler,
  createCaller,
  decodeResponse,
  expectOk,
  type MakeCall,
  refused,
} from './calls.ts'
import type { SendRequest } from './exchange.ts'
import { readFrom, type ShareBeginning } from './share-beginning.ts'
import { listShares } from './list-shares.ts'
import { readShareData } from './share-data.ts'
import { readSlot } from './slot-read.ts'
import {
  leaseAdding,
  leaseCancelling,
  listingAndReading,
  shareRead,
  slotRead,
  slotReadAsWriter,
} from './small-operations.ts'

/** Options of {@link createHttpStorageServer}. */
export interface HttpStorageServerOptions {
  /** The secret that lets us in. */
  readonly swissnum: string
  /** How long a server may say nothing, in milliseconds. Default: a minute. */
  readonly timeoutMs?: number
}

const UPLOAD_SECRET_SIZE = 20
/** What servers answer that do not know an extension. */
const UNKNOWN_ROUTE: ReadonlySet<number> = new Set([404, 405, 501])
/** What a body of a reason has room for: the limit of the body without the message around it. */
const REASON_ROOM = 32768 - 11

/**
 * A storage server that is spoken to over HTTP. Small operations that come together share requests where
 * the server can do that.
 *
 * @param send - sends one request to it; see {@link SendRequest}.
 * @see allmydata.storage_client._HTTPStorageServer
 */
export function createHttpStorageServer(
  send: SendRequest,
  options: HttpStorageServerOptions,
): IStorageServer {
  const timeoutMs = options.timeoutMs ?? 60_000
  return new HttpStorageServer(createCaller(send, options.swissnum, timeoutMs), timeoutMs)
}

class HttpStorageServer implements IStorageServer {
  readonly #call: MakeCall
  readonly #batches: Batches
  /** Gone once the server has said that it stores no whole shares. */
  storeShares?: NonNullable<IStorageServer['storeShares']> = (storageIndex, request, options) =>
    this.#storeShares(storageIndex, request, options)

  constructor(call: MakeCall, timeoutMs: number) {
    this.#call = call
    this.#batches = new Batches(call, timeoutMs)
  }

  async getVersion(options?: OperationOptions): Promise<ServerVersion> {
    const response = await this.#call({ route: 'version' }, options)
    return decodeResponse(expectOk(response), decodeVersion)
  }

  async allocateBuckets(
    storageIndex: StorageIndex,
    request: AllocateRequest,
    options?: OperationOptions,
  ): Promise<AllocateResult> {
    return this.#allocate('allocate', storageIndex, request, options)
  }

  async allocateOpenEnded(
    storageIndex: StorageIndex,
    request: AllocateRequest,
    options?: OperationOptions,
  ): Promise<AllocateResult> {
    return this.#allocate('allocateOpenEnded', storageIndex, request, options)
  }

  async #allocate(
    route: 'allocate' | 'allocateOpenEnded',
    storageIndex: StorageIndex,
    request: AllocateRequest,
    options: OperationOptions | undefined,
  ): Promise<AllocateResult> {
    const uploadSecret = request.uploadSecret ?? defaultCrypto.randomBytes(UPLOAD_SECRET_SIZE)
    const response = await this.#call(
      {
        route,
        storageIndex,
        secrets: [...leaseHeaders(request), ['upload-secret', uploadSecret]],
        message: encodeAllocate(request),
      },
      options,
    )
    if (route === 'allocateOpenEnded' && UNKNOWN_ROUTE.has(response.status)) {
      const { status } = response
      const message = 'the server takes no uploads of unknown size'
      throw new StorageError('STORAGE_NOT_SUPPORTED', message, { status })
    }
    const { alreadyHave, allocated } = decodeResponse(expectOk(response), decodeAllocated)
    const writers = new Map<ShareNumber, RIBucketWriter>()
    for (const number of allocated) {
      if (!request.shareNumbers.has(number)) {
        throw badResponse('room for a share that was not asked for', response.status)
      }
      const size = request.allocatedSize
      const writer = new HttpBucketWriter(this.#call, storageIndex, number, uploadSecret, size)
      writers.set(number, writer)
    }
    return { alreadyGot: new Set(alreadyHave), writers }
  }

  async #storeShares(
    storageIndex: StorageIndex,
    request: StoreRequest,
    options?: OperationOptions,
  ): Promise<StoreResult> {
    options?.signal?.throwIfAborted()
    const { shares } = request
    const size = sizeOfShares(shares)
    if (size > STORE_SIZE_MAX) {
      throw new DataTooLargeError(`expected at most ${STORE_SIZE_MAX} bytes of shares, got ${size}`)
    }
    const call = {
      route: 'storeShares',
      storageIndex,
      secrets: leaseHeaders(request),
      headers: [['content-type', CBOR_TYPE]],
      pieces: encodeStore(shares),
    } as const
    const response = await this.#call(call, options)
    if (UNKNOWN_ROUTE.has(response.status)) {
      delete this.storeShares
      const { status } = response
      const message = 'the server stores no whole shares'
      throw new StorageError('STORAGE_NOT_SUPPORTED', message, { status })
    }
    const decode = (bytes: Uint8Array): StoredMessage => decodeStored(bytes, shares)
    const { alreadyHave, stored } = decodeResponse(expectOk(response), decode)
    return { alreadyGot: new Set(alreadyHave), stored: new Set(stored) }
  }

  async resumeUpload(
    storageIndex: StorageIndex,
    shareNumber: ShareNumber,
    { uploadSecret, allocatedSize, firstBytes }: ResumeRequest,
    options?: OperationOptions,
  ): Promise<ResumedUpload> {
    const writer = new HttpBucketWriter(
      this.#call,
      storageIndex,
      shareNumber,
      uploadSecret,
      allocatedSize,
    )
    return { writer, missing: await writer.resume(firstBytes, options) }
  }

  async addLease(
    storageIndex: StorageIndex,
    secrets: LeaseSecrets,
    options?: OperationOptions,
  ): Promise<void> {
    const alone = async (own?: OperationOptions): Promise<void> => {
      const call = { route: 'addLease', storageIndex, secrets: leaseHeaders(secrets) } as const
      const response = await this.#call(call, own)
      if (response.status !== 204 && response.status !== 404) throw refused(response)
    }
    await this.#batches.run(leaseAdding(storageIndex, secrets, alone), options)
  }

  async cancelLease(
    storageIndex: StorageIndex,
    shareNumber: ShareNumber,
    cancelSecret: Uint8Array,
    options?: OperationOptions,
  ): Promise<void> {
    await this.#batches.run(leaseCancelling(storageIndex, shareNumber, cancelSecret), options)
  }

  async getBuckets(
    storageIndex: StorageIndex,
    options?: GetBucketsOptions,
  ): Promise<Map<ShareNumber, RIBucketReader>> {
    const alone = (own?: OperationOptions): Promise<Set<ShareNumber>> =>
      listShares(this.#call, 'immutable', storageIndex, own)
    const operation = listingAndReading(storageIndex, options?.readAhead ?? 0, alone)
    const { shareNumbers, beginning } = await this.#batches.run(operation, options)
    const first = Math.min(...shareNumbers)
    const reader = (number: ShareNumber): RIBucketReader =>
      this.#reader(storageIndex, number, number === first ? beginning : undefined)
    return new Map([...shareNumbers].map((number) => [number, reader(number)]))
  }

  /** @param beginning - what is known of the share already. */
  #reader(
    storageIndex: StorageIndex,
    shareNumber: ShareNumber,
    beginning: ShareBeginning | undefined,
  ): RIBucketReader {
    return {
      read: async (offset, size, options) => {
        const known = readFrom(beginning, offset, size)
        if (known !== undefined) {
          options?.signal?.throwIfAborted()
          return known
        }
        const span = { offset, size }
        const alone = (own?: OperationOptions): Promise<Uint8Array | undefined> =>
          readShareData(this.#call, 'immutable', storageIndex, shareNumber, span, own)
        const data = await this.#batches.run(
          shareRead(storageIndex, shareNumber, span, alone),
          options,
        )
        if (data !== undefined) return data
        throw new StorageError('STORAGE_NO_SUCH_SHARE', 'the server has no such share', {
          shareNumber,
          status: 404,
        })
      },
      adviseCorruptShare: (reason, options) =>
        this.adviseCorruptShare('immutable', storageIndex, shareNumber, reason, options),
    }
  }

  async slotReadv(
    storageIndex: StorageIndex,
    shareNumbers: readonly ShareNumber[],
    readVectors: readonly ReadVector[],
    options?: OperationOptions,
  ): Promise<Map<ShareNumber, Uint8Array[]>> {
    const alone = (own?: OperationOptions): Promise<Map<ShareNumber, Uint8Array[]>> =>
      readSlot(this.#call, storageIndex, shareNumbers, readVectors, own)
    return this.#batches.run(slotRead(storageIndex, shareNumbers, readVectors, alone), options)
  }

  async slotTestvAndReadvAndWritev(
    storageIndex: StorageIndex,
    secrets: SlotSecrets,
    testWriteVectors: ReadonlyMap<ShareNumber, TestWriteVectors>,
    readVectors: readonly ReadVector[],
    options?: OperationOptions,
  ): Promise<ReadTestWriteResult> {
    const alone = async (own?: OperationOptions): Promise<ReadTestWriteResult> => {
      const response = await this.#call(
        {
          route: 'readTestWrite',
          storageIndex,
          secrets: [['write-enabler', secrets.writeEnabler], ...leaseHeaders(secrets)],
          message: encodeReadTestWrite({ testWriteVectors, readVectors }),
        },
        own,
      )
      if (response.status === 401) throw badWriteEnabler(response)
      return decodeResponse(expectOk(response), decodeReadTestWriteResult)
    }
    if (testWriteVectors.size > 0) return alone(options)
    return this.#batches.run(slotReadAsWriter(storageIndex, secrets, readVectors, alone), options)
  }

  async adviseCorruptShare(
    kind: ShareKind,
    storageIndex: StorageIndex,
    shareNumber: ShareNumber,
    reason: string,
    options?: OperationOptions,
  ): Promise<void> {
    const route = kind === 'immutable' ? 'corruptImmutable' : 'corruptMutable'
    const message = encodeCorruption(reasonThatFits(reason))
    const response = await this.#call({ route, storageIndex, shareNumber, message }, options)
    if (response.status !== 200 && response.status !== 404) throw refused(response)
  }
}

function leaseHeaders(secrets: LeaseSecrets): [SecretKind, Uint8Array][] {
  return [
    ['lease-renew-secret', secrets.renewSecret],
    ['lease-cancel-secret', secrets.cancelSecret],
  ]
}

/** A reason has to be there, and short enough for the server. */
function reasonThatFits(reason: string): string {
  const bytes = new TextEncoder().encode(reason)
  if (bytes.length === 0) return 'no reason was given'
  if (bytes.length <= REASON_ROOM) return reason
  // A character that is cut in two goes whole.
  return new TextDecoder().decode(bytes.subarray(0, REASON_ROOM - 3)).replace(/\uFFFD+$/, '')
}
