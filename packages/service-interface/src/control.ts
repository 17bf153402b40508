import type { OperationOptions } from '@lafs/storage-interface'

/** How much memory a process has, in bytes. */
export interface MemoryUsage {
  readonly vmPeak: number
  readonly vmSize: number
  readonly vmData: number
}

/** Options of {@link RIControlClient.speedTest}. */
export interface SpeedTestOptions extends OperationOptions {
  /** `create` makes a mutable file for each; `upload` writes one again and again. Default: immutable files. */
  readonly mutable?: 'create' | 'upload' | undefined
}

/** How long a speed test took. */
export interface SpeedTestResult {
  readonly uploadMs: number
  readonly downloadMs: number
}

/**
 * Control over a node by whoever runs its machine: for tests and measurements.
 *
 * Paths are absolute and the node's own. The first two transfers are those of 1.9.2; 1.20 has
 * {@link uploadRandomDataFromFile} and {@link downloadToTempfileAndDelete} in their place.
 *
 * @see allmydata.interfaces.RIControlClient
 */
export interface RIControlClient {
  /** Settles once that many storage servers are connected. */
  waitForClientConnections(serverCount: number, options?: OperationOptions): Promise<void>
  /**
   * Uploads a file.
   *
   * @param convergence - the convergence secret; undefined draws a random key.
   * @returns the text of the read cap.
   */
  uploadFromFileToUri(
    path: string,
    convergence: Uint8Array | undefined,
    options?: OperationOptions,
  ): Promise<string>
  /** Downloads a file; settles with the path that was written. */
  downloadFromUriToFile(uri: string, path: string, options?: OperationOptions): Promise<string>
  /** Uploads `size` random bytes; settles with the text of the read cap. */
  uploadRandomDataFromFile(
    size: number,
    convergence: Uint8Array | undefined,
    options?: OperationOptions,
  ): Promise<string>
  /** Downloads a file and throws it away. */
  downloadToTempfileAndDelete(uri: string, options?: OperationOptions): Promise<void>
  getMemoryUsage(options?: OperationOptions): Promise<MemoryUsage>
  /** Uploads and then downloads `count` files of `size` bytes. */
  speedTest(count: number, size: number, options?: SpeedTestOptions): Promise<SpeedTestResult>
  /** The time of one short message to each connected server and back, in milliseconds, by server id. */
  measurePeerResponseTime(options?: OperationOptions): Promise<ReadonlyMap<string, number>>
}
