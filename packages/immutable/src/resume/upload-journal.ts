import type { OperationOptions, ShareNumber } from '@lafs/storage-interface'

/** Bytes of a journal's seed. */
export const JOURNAL_SEED_SIZE = 32

/** The shares that an upload has reserved room for, by the id of their server. */
export type PlacedShares = ReadonlyMap<string, ReadonlySet<ShareNumber>>

/**
 * What is known of one upload that is under way, or was interrupted.
 *
 * An entry belongs to one upload at a time. Its promise: a segment whose hash was recorded has that
 * ciphertext on every server that holds any of its blocks under a secret of this seed. So a hash is
 * recorded before the first block of its segment is sent, and never changed.
 */
export interface UploadJournalEntry {
  /** 32 random bytes, from which the upload secrets derive: a secret. */
  readonly seed: Uint8Array
  /** Whether an earlier upload left it. */
  readonly interrupted: boolean
  /** What was reserved last, by the earlier upload at first; empty for a new entry. */
  readonly placed: PlacedShares
  /** The hash of a segment's ciphertext that an earlier upload recorded. */
  segmentHash(segment: number): Uint8Array | undefined
  /** Notes what is reserved now, in place of what was before. Settles before any block is sent. */
  place(shares: PlacedShares): Promise<void>
  /** Notes the hash of a segment, 32 bytes. Settles before any block of it is sent. */
  record(segment: number, hash: Uint8Array): Promise<void>
  /** Forgets everything and draws a new seed: nothing of what servers hold is to be used. */
  renew(): Promise<void>
  /**
   * Ends the upload.
   *
   * @param outcome - `keep` it for a later upload, or `drop` it: it is over.
   */
  close(outcome: 'keep' | 'drop'): Promise<void>
}

/**
 * Remembers uploads, so that one that is interrupted can be taken up again: by the same process or
 * by a later one.
 */
export interface UploadJournal {
  /**
   * The entry of a file, a new one where there is none. While another upload of this process has it,
   * this waits.
   *
   * @param storageIndex - 16 bytes.
   * @returns undefined where another process has it: such an upload is not remembered.
   */
  open(
    storageIndex: Uint8Array,
    options?: OperationOptions,
  ): Promise<UploadJournalEntry | undefined>
}
