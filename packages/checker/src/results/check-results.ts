import { sameBytes, toBase32 } from '@lafs/crypto'
import type {
  ICheckAndRepairResults,
  ICheckResults,
  IRepairResults,
} from '@lafs/filesystem-interface'

/** What a check has found; the rest of {@link ICheckResults} follows from it. */
export type CheckFindings = Omit<ICheckResults, 'storageIndexString'>

/** The results that some findings amount to. */
export function createCheckResults(findings: CheckFindings): ICheckResults {
  return { ...findings, storageIndexString: toBase32(findings.storageIndex) }
}

/** The results of a check that was to end in a repair, where none was needed or could be tried. */
export function withoutRepair(results: ICheckResults): ICheckAndRepairResults {
  return {
    storageIndex: results.storageIndex,
    storageIndexString: results.storageIndexString,
    repairAttempted: false,
    repairSuccessful: false,
    preRepairResults: results,
    postRepairResults: results,
  }
}

/** @throws RangeError unless the results are those of a check of this file. */
export function assertResultsOf(storageIndex: Uint8Array, results: ICheckResults): void {
  if (sameBytes(results.storageIndex, storageIndex)) return
  throw new RangeError('expected the results of a check of this file, got those of another one')
}

/** What a repair did, and how things stand after it. */
export interface RepairOutcome extends IRepairResults {
  readonly postRepairResults: ICheckResults
}
