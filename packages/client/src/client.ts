import { loadCodec } from '@lafs/codec'
import type { CodecProvider } from '@lafs/codec-interface'
import { defaultCrypto } from '@lafs/crypto'
import type { CryptoProvider } from '@lafs/crypto'
import type {
  EncodingDefaults,
  IClient,
  IImmutableFileNode,
  IUploadable,
  IUploadResults,
  ProgressOptions,
} from '@lafs/filesystem-interface'
import { createImmutableNode, uploadableFromBytes, uploadImmutable } from '@lafs/immutable'
import { DEFAULT_IMMUTABLE_MAX_SEGMENT_SIZE } from '@lafs/storage-interface'
import type { StorageTransport } from '@lafs/storage-interface'
import { parseCapStrict } from '@lafs/uri'
import type { Cap } from '@lafs/uri'
import { defaultTransports } from '#default-transports'
import type { ServerDescription } from './announcement.ts'
import { createStorageBroker } from './broker.ts'
import type { StorageBroker } from './broker.ts'
import { ClientError, UnsupportedCapError } from './errors.ts'

/** How files are encoded unless somebody says otherwise: any 3 of 10 shares, on 7 servers. */
export const DEFAULT_ENCODING: EncodingDefaults = {
  requiredShares: 3,
  happyShares: 7,
  totalShares: 10,
  maxSegmentSize: DEFAULT_IMMUTABLE_MAX_SEGMENT_SIZE,
}

/** What a client is made of. Only the servers are needed; the rest has defaults. */
export interface ClientOptions {
  /** The servers of the grid, such as {@link parseServersYaml} gives. */
  readonly servers: Iterable<ServerDescription>
  /** Ways to reach them. Default: HTTPS in Node, none elsewhere. */
  readonly transports?: readonly StorageTransport[]
  /** Default: the fastest that this platform has. */
  readonly codec?: CodecProvider
  readonly crypto?: CryptoProvider
  /** Default, field by field: {@link DEFAULT_ENCODING}. */
  readonly encoding?: Partial<EncodingDefaults>
  /**
   * The convergence secret: clients that share it give equal files equal caps. Upstream's are 32
   * bytes. Without one every file gets a random key.
   */
  readonly convergence?: Uint8Array
  /**
   * The 32 bytes from which the secrets of all leases derive. Who forgets it cannot renew leases
   * early. Default: random.
   */
  readonly leaseSecret?: Uint8Array
  /** Ids of the servers that come first in every file's order. */
  readonly preferredServerIds?: Iterable<string>
}

/** A client of a grid, for immutable files. Close it to end its connections. */
export interface Client extends Pick<IClient, 'upload' | 'createNodeFromUri'>, AsyncDisposable {
  readonly broker: StorageBroker
  readonly encoding: EncodingDefaults
  /** The erasure code in use. */
  readonly codec: CodecProvider
  /**
   * Stores an immutable file.
   *
   * @param data - bytes, borrowed until the promise settles, or an uploadable, which the caller closes.
   * @returns what came of it; `uri` is the cap.
   * @throws {@link FilesystemError} `UPLOAD_NO_SERVERS`, `UPLOAD_UNHAPPINESS`, `UPLOAD_SOURCE_CHANGED`.
   * @see allmydata.interfaces.IClient.upload
   */
  upload(data: Uint8Array | IUploadable, options?: ProgressOptions): Promise<IUploadResults>
  /**
   * The file that a cap names.
   *
   * @throws {@link ClientError} `CLIENT_UNSUPPORTED_CAP`.
   * @throws {@link UriError} for text that is no cap.
   * @see allmydata.interfaces.INodeMaker.create_from_cap
   */
  createNodeFromUri(cap: string | Cap): IImmutableFileNode
  close(): Promise<void>
}

/** A client of the grid that these servers make. Nothing is connected to before it is needed. */
export async function createClient(options: ClientOptions): Promise<Client> {
  const crypto = options.crypto ?? defaultCrypto
  const codec = options.codec ?? (await loadCodec())
  const encoding = { ...DEFAULT_ENCODING, ...options.encoding }
  const leaseSecret = options.leaseSecret ?? crypto.randomBytes(32)
  const broker = createStorageBroker({
    servers: options.servers,
    transports: options.transports ?? defaultTransports(),
    crypto,
    ...(options.preferredServerIds && { preferredServerIds: options.preferredServerIds }),
  })
  const secrets = {
    leaseSecret,
    ...(options.convergence && { convergence: options.convergence }),
  }
  let closed = false
  const assertOpen = (): void => {
    if (closed) throw new ClientError('CLIENT_CLOSED', 'the client has been closed')
  }
  const close = async (): Promise<void> => {
    closed = true
    await broker.close()
  }
  return {
    broker,
    encoding,
    codec,
    upload: async (data, { onProgress, signal } = {}) => {
      assertOpen()
      const uploadable = data instanceof Uint8Array ? uploadableFromBytes(data) : data
      return uploadImmutable(uploadable, {
        broker,
        codec,
        crypto,
        secrets,
        encoding,
        ...(onProgress && { onProgress }),
        ...(signal && { signal }),
      })
    },
    createNodeFromUri: (cap) => {
      assertOpen()
      const parsed = typeof cap === 'string' ? parseCapStrict(cap) : cap
      if (parsed.kind === 'chk' || parsed.kind === 'lit') {
        return createImmutableNode(parsed, { broker, codec, crypto })
      }
      throw new UnsupportedCapError(
        parsed.kind,
        `expected the cap of an immutable file (chk or lit), got one of kind ${parsed.kind}`,
      )
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}
