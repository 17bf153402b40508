import { defaultCrypto } from '@lafs/crypto'
import {
  type AllocateRequest,
  type AllocateResult,
  type IStorageServer,
  type LeaseSecrets,
  type OperationOptions,
  type ReadTestWriteResult,
  type ReadVector,
  type RIBucketReader,
  type ServerVersion,
  type ShareKind,
  type ShareNumber,
  type SlotSecrets,
  StorageError,
  type StorageIndex,
  type TestWriteVectors,
} from '@lafs/storage-interface'
import { onAbort } from '../abort.ts'
import type { SecretKind } from '../auth.ts'
import {
  decodeAllocated,
  decodeReadTestWriteResult,
  decodeShareNumbers,
  decodeVersion,
  encodeAllocate,
  encodeCorruption,
  encodeReadTestWrite,
} from '../messages/index.ts'
import { HttpBucketWriter } from './bucket-writer.ts'
import {
  badResponse,
  badWriteEnabler,
  createCaller,
  decodeResponse,
  type MakeCall,
  refusal,
} from './calls.ts'
import type { Exchange, SendRequest } from './exchange.ts'
import { readShareData } from './share-data.ts'

/** Options of {@link createHttpStorageServer}. */
export interface HttpStorageServerOptions {
  /** The secret that lets us in. */
  readonly swissnum: string
  /** How long a server may say nothing, in milliseconds. Default: a minute. */
  readonly timeoutMs?: number
}

const UPLOAD_SECRET_SIZE = 20
/** What a body of a reason has room for: the limit of the body without the message around it. */
const REASON_ROOM = 32768 - 11

/**
 * A storage server that is spoken to over HTTP.
 *
 * @param send - sends one request to it; see {@link SendRequest}.
 * @see allmydata.storage_client._HTTPStorageServer
 */
export function createHttpStorageServer(
  send: SendRequest,
  options: HttpStorageServerOptions,
): IStorageServer {
  return new HttpStorageServer(createCaller(send, options.swissnum, options.timeoutMs ?? 60_000))
}

class HttpStorageServer implements IStorageServer {
  readonly #call: MakeCall

  constructor(call: MakeCall) {
    this.#call = call
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
    const uploadSecret = defaultCrypto.randomBytes(UPLOAD_SECRET_SIZE)
    const response = await this.#call(
      {
        route: 'allocate',
        storageIndex,
        secrets: [...leaseHeaders(request), ['upload-secret', uploadSecret]],
        message: encodeAllocate(request),
      },
      options,
    )
    const { alreadyHave, allocated } = decodeResponse(expectOk(response), decodeAllocated)
    const writers = new Map<ShareNumber, HttpBucketWriter>()
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

  async addLease(
    storageIndex: StorageIndex,
    secrets: LeaseSecrets,
    options?: OperationOptions,
  ): Promise<void> {
    const call = { route: 'addLease', storageIndex, secrets: leaseHeaders(secrets) } as const
    const response = await this.#call(call, options)
    if (response.status === 404) return
    if (response.status !== 204) throw refused(response)
  }

  async cancelLease(): Promise<void> {
    throw new StorageError('STORAGE_NOT_SUPPORTED', 'the server has no such operation')
  }

  async getBuckets(
    storageIndex: StorageIndex,
    options?: OperationOptions,
  ): Promise<Map<ShareNumber, RIBucketReader>> {
    const shareNumbers = await this.#list('immutable', storageIndex, options)
    return new Map([...shareNumbers].map((number) => [number, this.#reader(storageIndex, number)]))
  }

  #reader(storageIndex: StorageIndex, shareNumber: ShareNumber): RIBucketReader {
    return {
      read: async (offset, size, options) => {
        const span = { offset, size }
        const data = await readShareData(
          this.#call,
          'immutable',
          storageIndex,
          shareNumber,
          span,
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

  async #list(
    kind: ShareKind,
    storageIndex: StorageIndex,
    options?: OperationOptions,
  ): Promise<Set<ShareNumber>> {
    const route = kind === 'immutable' ? 'listImmutable' : 'listMutable'
    const response = await this.#call({ route, storageIndex }, options)
    return decodeResponse(expectOk(response), decodeShareNumbers)
  }

  async slotReadv(
    storageIndex: StorageIndex,
    shareNumbers: readonly ShareNumber[],
    readVectors: readonly ReadVector[],
    options?: OperationOptions,
  ): Promise<Map<ShareNumber, Uint8Array[]>> {
    options?.signal?.throwIfAborted()
    // Reads say which shares are there, if there is one that is not empty.
    const known = shareNumbers.length > 0 && readVectors.some(({ size }) => size > 0)
    const listed = known ? undefined : await this.#list('mutable', storageIndex, options)
    const wanted = shareNumbers.length > 0 ? shareNumbers : [...(listed ?? [])]
    const controller = new AbortController()
    const { signal } = controller
    const outer = options?.signal
    const forget = outer && onAbort(outer, () => controller.abort(outer.reason))
    const readOne = async (shareNumber: ShareNumber): Promise<(Uint8Array | undefined)[]> =>
      Promise.all(
        readVectors.map((span) =>
          readShareData(this.#call, 'mutable', storageIndex, shareNumber, span, { signal }),
        ),
      )
    try {
      const present = wanted.filter((number) => listed === undefined || listed.has(number))
      const reads = await Promise.all(
        present.map(async (number) => [number, await readOne(number)] as const),
      )
      return new Map(
        reads.filter((entry): entry is [number, Uint8Array[]] => !entry[1].includes(undefined)),
      )
    } catch (error) {
      // The other reads are of no use now.
      controller.abort(error)
      throw error
    } finally {
      forget?.()
    }
  }

  async slotTestvAndReadvAndWritev(
    storageIndex: StorageIndex,
    secrets: SlotSecrets,
    testWriteVectors: ReadonlyMap<ShareNumber, TestWriteVectors>,
    readVectors: readonly ReadVector[],
    options?: OperationOptions,
  ): Promise<ReadTestWriteResult> {
    const response = await this.#call(
      {
        route: 'readTestWrite',
        storageIndex,
        secrets: [['write-enabler', secrets.writeEnabler], ...leaseHeaders(secrets)],
        message: encodeReadTestWrite({ testWriteVectors, readVectors }),
      },
      options,
    )
    if (response.status === 401) throw badWriteEnabler(response)
    return decodeResponse(expectOk(response), decodeReadTestWriteResult)
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

function expectOk(response: Exchange): Exchange {
  if (response.status !== 200) throw refused(response)
  return response
}

function refused(response: Exchange): StorageError {
  const { status } = response
  return status < 300 ? badResponse(`the status ${status}`, status) : refusal(response)
}
