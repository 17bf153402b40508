import { Cancellation } from '@lafs/storage-protocol/waiting'
import type { ShareNumber } from '@lafs/storage-interface'
import type { ChkVerifierCap } from '@lafs/uri'
import { FileState } from './download/file-state.ts'
import type { DownloadDependencies } from './download/file-state.ts'
import { readCrypttext } from './download/read.ts'
import { SegmentFetcher } from './download/segment-fetcher.ts'
import type { FileGeometry } from './geometry.ts'

/** One share on one server, named by its id. */
export interface PlacedShare {
  readonly serverId: string
  readonly shareNumber: ShareNumber
}

/** The ciphertext of a file that is open for reading: all that a verify cap gives. */
export interface Crypttext {
  /**
   * The URI extension block, byte for byte as the shares hold it, and how it says that the file is
   * encoded. The block is not to be changed.
   *
   * @throws as {@link Crypttext.read}.
   */
  uriExtension(
    signal: AbortSignal,
  ): Promise<{ readonly block: Uint8Array; readonly geometry: FileGeometry }>
  /**
   * All of the ciphertext, checked, a piece a segment; each belongs to the reader.
   *
   * @throws {@link FilesystemError} `DOWNLOAD_NO_SHARES`, `DOWNLOAD_NOT_ENOUGH_SHARES`,
   *   `DOWNLOAD_BAD_CIPHERTEXT_HASH`, `DOWNLOAD_CRITICAL_DATA_UNAVAILABLE`.
   */
  read(signal: AbortSignal): AsyncGenerator<Uint8Array>
  /** The shares in which reading has found damage. Their servers know. */
  corruptShares(): PlacedShare[]
  /** Ends what is still under way. */
  close(): void
}

/**
 * Opens the ciphertext of a file of at least one byte. Asks nobody before it is read.
 */
export function openCrypttext(cap: ChkVerifierCap, dependencies: DownloadDependencies): Crypttext {
  const file = new FileState(cap, dependencies)
  file.acquire()
  return {
    uriExtension: async (signal) => {
      const reading = new Cancellation(signal)
      try {
        await new SegmentFetcher(file, reading.signal).ready()
      } finally {
        reading.dispose()
      }
      const { uriExtensionBlock, geometry } = file.known()
      return { block: uriExtensionBlock, geometry }
    },
    read: async function* read(signal) {
      const reading = new Cancellation(signal)
      try {
        const span = { offset: 0, size: cap.size, signal: reading.signal }
        for await (const { bytes } of readCrypttext(file, span)) yield bytes
      } finally {
        // However it ended: nobody wants what is still fetched ahead.
        reading.abort(new Error('the read has ended'))
        reading.dispose()
      }
    },
    corruptShares: () =>
      file.shares
        .filter((share) => share.corrupt || share.badSegments.size > 0)
        .map(({ server, shareNumber }) => ({ serverId: server.serverId, shareNumber })),
    close: () => file.release(),
  }
}
