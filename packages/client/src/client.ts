import type { CheckerContext } from '@lafs/checker'
import { loadCodec } from '@lafs/codec'
import type { CodecProvider } from '@lafs/codec-interface'
import { defaultCrypto } from '@lafs/crypto'
import type { CryptoProvider } from '@lafs/crypto'
import type {
  EncodingDefaults,
  IClient,
  IDirectoryNode,
  INodeMaker,
  IUploadable,
  IUploader,
  IUploadResults,
  NewChild,
  OperationHistory,
  ProgressOptions,
} from '@lafs/filesystem-interface'
import { uploadableFromBytes, uploadImmutable, uploadStream } from '@lafs/immutable'
import type { UploadJournal } from '@lafs/immutable'
import { createKeyPool } from '@lafs/mutable'
import type { KeyPool } from '@lafs/mutable'
import {
  DEFAULT_IMMUTABLE_MAX_SEGMENT_SIZE,
  MDMF_VERSION,
  SDMF_VERSION,
} from '@lafs/storage-interface'
import type { OperationOptions, StorageTransport } from '@lafs/storage-interface'
import { systemClock } from '@lafs/storage-protocol/waiting'
import { defaultTransports } from '#default-transports'
import { uploadableFromStream } from '#put-aside'
import type { ServerDescription } from './announcement.ts'
import { createStorageBroker } from './broker.ts'
import type { StorageBroker } from './broker.ts'
import { ClientError } from './errors.ts'
import { createNodeMaker } from './node-maker.ts'

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
  /** As in {@link StorageBrokerOptions}. */
  readonly gridManagerKeys?: readonly Uint8Array[]
  /** Of new mutable files and directories that ask for neither. Default: SDMF. */
  readonly mutableFormat?: MutableFormat
  /** Hears of uploads, downloads and what is done with mutable files, as each begins. */
  readonly history?: OperationHistory
  /**
   * Remembers uploads under convergent keys, so that those that are interrupted go on later without
   * sending again what servers hold: `createUploadJournal` of `@lafs/immutable/node` makes one.
   * Default: nothing is remembered.
   */
  readonly uploadJournal?: UploadJournal
  /** Where {@link Client.uploadStream} puts streams aside, in Node. Default: the system's folder. */
  readonly temporaryFolder?: string | undefined
  /** How many RSA keys to make ahead, from the first mutable file or directory on. Default: 8. */
  readonly keyPoolSize?: number
}

/** The formats of mutable files: whole at once, or in segments that can be changed alone. */
export type MutableFormat = 'SDMF' | 'MDMF'

/** A client of a grid. Close it to end its connections. */
export interface Client extends IClient, AsyncDisposable {
  readonly broker: StorageBroker
  readonly encoding: EncodingDefaults
  /** The convergence secret; undefined where every file gets a random key. */
  readonly convergence: Uint8Array | undefined
  /** The erasure code in use. */
  readonly codec: CodecProvider
  /** Where the keys of new mutable files and directories come from; `prepare` makes some ahead. */
  readonly keyPool: KeyPool
  /** What `@lafs/checker` checks, repairs, rebalances and renews leases with. */
  readonly checker: CheckerContext
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
   * Stores a stream of unknown size as an immutable file with a random key, as it comes: no copy of it
   * is made, and memory is bounded. Where too few servers can take such an upload, the stream is put
   * aside first: in Node into a temporary file, elsewhere into memory.
   *
   * @param options.encoding - in place of the client's, field by field.
   * @throws as {@link upload}; what the stream throws.
   */
  uploadStream(
    stream: AsyncIterable<Uint8Array>,
    options?: ProgressOptions & { readonly encoding?: Partial<EncodingDefaults> | undefined },
  ): Promise<IUploadResults>
  /**
   * Makes an immutable directory that stands in no other; every child must be deep-immutable.
   *
   * @throws {@link CapConstraintError} `URI_MUST_BE_DEEP_IMMUTABLE`.
   * @see allmydata.nodemaker.NodeMaker.create_immutable_directory
   */
  createImmutableDirectory(
    children: ReadonlyMap<string, NewChild>,
    options?: OperationOptions,
  ): Promise<IDirectoryNode>
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
    ...(options.gridManagerKeys && { gridManagerKeys: options.gridManagerKeys }),
  })
  const keyPool = createKeyPool({ crypto, size: options.keyPoolSize })
  const { convergence, history } = options
  const secrets = { leaseSecret, ...(convergence && { convergence }) }
  const grid = { broker, codec, crypto, secrets, encoding, history }
  const uploader: StreamUploader = {
    upload: (uploadable, operation) =>
      uploadImmutable(uploadable, { ...grid, ...operation, journal: options.uploadJournal }),
    uploadStream: (stream, { encoding: wanted, ...operation } = {}) =>
      uploadStream(stream, {
        ...grid,
        ...operation,
        encoding: { ...encoding, ...wanted },
        putAside: (rest, { signal }) =>
          uploadableFromStream(rest, {
            encryptionKey: 'random',
            temporaryFolder: options.temporaryFolder,
            ...(signal && { signal }),
          }),
      }),
  }
  const tools = { broker, codec, crypto, clock: systemClock, history }
  const mutable = { ...tools, leaseSecret, encoding, random: Math.random }
  const mutableVersion = options.mutableFormat === 'MDMF' ? MDMF_VERSION : SDMF_VERSION
  const nodeMaker = createNodeMaker({ mutable, keyPool, uploader, mutableVersion, history })
  const parts = { broker, encoding, convergence, codec, keyPool, checker: mutable }
  return clientOf(parts, nodeMaker, uploader)
}

type StreamUploader = Pick<IUploader, 'upload'> & Pick<Client, 'uploadStream'>

/** A client of these parts, which it owns. */
function clientOf(
  parts: Pick<Client, 'broker' | 'encoding' | 'convergence' | 'codec' | 'keyPool' | 'checker'>,
  nodeMaker: INodeMaker,
  uploader: StreamUploader,
): Client {
  let closed = false
  const assertOpen = (): void => {
    if (closed) throw new ClientError('CLIENT_CLOSED', 'the client has been closed')
  }
  const close = async (): Promise<void> => {
    closed = true
    parts.keyPool.close()
    await parts.broker.close()
  }
  return {
    ...parts,
    upload: async (data, options) => {
      assertOpen()
      const uploadable = data instanceof Uint8Array ? uploadableFromBytes(data) : data
      return uploader.upload(uploadable, options)
    },
    uploadStream: async (stream, options) => {
      assertOpen()
      return uploader.uploadStream(stream, options)
    },
    createMutableFile: async (contents, options) => {
      assertOpen()
      return nodeMaker.createMutableFile(contents, options)
    },
    createDirnode: async (initialChildren, options) => {
      assertOpen()
      return nodeMaker.createNewMutableDirectory(initialChildren, options)
    },
    createImmutableDirectory: async (children, options) => {
      assertOpen()
      return nodeMaker.createImmutableDirectory(children, options)
    },
    createNodeFromUri: (uri, readonlyUri, options) => {
      assertOpen()
      return nodeMaker.createFromCap(uri, readonlyUri, options)
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}
