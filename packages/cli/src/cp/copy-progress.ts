import type { ProgressListener } from '@lafs/filesystem-interface'

/** Counts what has been copied, and tells of it. */
export interface CopyProgress {
  /** For the transfer of one file. */
  readonly update: ProgressListener
  fileDone(): void
  directoryDone(): void
}

/** Counts towards these totals. */
export function copyProgress(
  report: (message: string) => void,
  update: ProgressListener,
  { files, directories }: { readonly files: number; readonly directories: number },
): CopyProgress {
  let filesDone = 0
  let directoriesDone = 0
  return {
    update,
    fileDone: () => {
      filesDone += 1
      report(`${filesDone}/${files} files, ${directoriesDone}/${directories} directories`)
    },
    directoryDone: () => {
      directoriesDone += 1
      report(`${directoriesDone}/${directories} directories`)
    },
  }
}
