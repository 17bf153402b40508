import type { ProgressListener } from '@lafs/filesystem-interface'

/** Counts what has been copied, and tells of it. */
export interface CopyProgress {
  /** For the transfer of one file; of those under way, one is shown. */
  file(): { readonly update: ProgressListener; readonly done: () => void }
  directoryDone(): void
}

/** Counts towards these totals. */
export function copyProgress(
  report: (message: string) => void,
  show: ProgressListener,
  { files, directories }: { readonly files: number; readonly directories: number },
): CopyProgress {
  let filesDone = 0
  let directoriesDone = 0
  let shown: ProgressListener | undefined
  return {
    file: () => {
      const update: ProgressListener = (progress) => {
        shown ??= update
        if (shown === update) show(progress)
      }
      const done = (): void => {
        if (shown === update) shown = undefined
        filesDone += 1
        report(`${filesDone}/${files} files, ${directoriesDone}/${directories} directories`)
      }
      return { update, done }
    },
    directoryDone: () => {
      directoriesDone += 1
      report(`${directoriesDone}/${directories} directories`)
    },
  }
}
