import type { OperationOptions } from '@lafs/storage-interface'

/**
 * What an operation is doing, and what {@link Progress} counts meanwhile:
 *
 * | phase | counts |
 * |---|---|
 * | `hashing` | bytes of plaintext hashed for a convergent key |
 * | `placing` | shares that have a server |
 * | `sending-ciphertext` | bytes given to a helper |
 * | `pushing` | bytes of plaintext encoded and sent |
 * | `closing` | shares closed |
 * | `locating` | shares found |
 * | `downloading` | bytes of plaintext handed out |
 * | `verifying` | shares verified |
 * | `repairing` | bytes of ciphertext encoded and sent |
 * | `traversing` | objects visited |
 */
export type ProgressPhase =
  | 'hashing'
  | 'placing'
  | 'sending-ciphertext'
  | 'pushing'
  | 'closing'
  | 'locating'
  | 'downloading'
  | 'verifying'
  | 'repairing'
  | 'traversing'

/** How far a phase of an operation has come. */
export interface Progress {
  readonly phase: ProgressPhase
  /** Never falls within a phase. The unit is the phase's. */
  readonly done: number
  /** Undefined where nobody can know, as in a traversal. */
  readonly total: number | undefined
}

/**
 * Hears of progress: at the beginning and the end of each phase and after each segment, share or
 * object. Must not throw, and should be quick: the operation goes on only after it returns.
 */
export type ProgressListener = (progress: Progress) => void

/** Options of an operation that reports its progress. */
export interface ProgressOptions extends OperationOptions {
  readonly onProgress?: ProgressListener | undefined
}
