import type { ServerAnnouncement } from './broker.ts'
import type { IStorageServer, RIStorageServer } from './storage-server.ts'
import type { OperationOptions } from './types.ts'

/** A connection to one server. Closing it fails the operations under way. */
export interface StorageConnection extends AsyncDisposable {
  readonly storageServer: IStorageServer
  close(): Promise<void>
}

/** A server that is being served. */
export interface StorageListener extends AsyncDisposable {
  /** The fields that this transport adds to the server's announcement. */
  readonly announcement: ServerAnnouncement
  /** Stops listening, ends open connections and settles when the last one is gone. */
  close(): Promise<void>
}

/**
 * A way to reach storage servers: the plug-in point of transports.
 *
 * @see {@link IStorageServer} for what `connect` gives, {@link RIStorageServer} for what `serve` takes.
 */
export interface StorageTransport {
  readonly name: string
  /** Whether this transport can reach a server with this announcement. Never throws. */
  accepts(announcement: ServerAnnouncement): boolean
  /**
   * Connects to a server and makes sure that it is the one that the announcement names.
   *
   * @throws {@link StorageError} `STORAGE_UNREACHABLE`, `STORAGE_BAD_ANNOUNCEMENT`, `STORAGE_WRONG_SERVER`.
   */
  connect(announcement: ServerAnnouncement, options?: OperationOptions): Promise<StorageConnection>
  /** Serves a storage server until the listener is closed. The caller keeps owning `server`. */
  serve(server: RIStorageServer): Promise<StorageListener>
}
