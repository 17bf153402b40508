import { createReadStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { ProgressListener } from '@lafs/filesystem-interface'
import { CommandError } from '../failure.ts'
import { writeFileWhole } from '../local-file.ts'
import { quoteOutput } from '../quote.ts'
import { readFile } from '../web-file.ts'
import { bestCap } from '../web-path.ts'
import { allEnded } from './concurrently.ts'
import type { CopyProgress } from './copy-progress.ts'
import type { CopyContext, PlannedDirectory } from './plan.ts'
import type { FileSource } from './sources.ts'

/** How to copy to local files. */
export interface LocalCopyOptions {
  /** Write caps in place of what they name. */
  readonly capsOnly: boolean
}

/** Copies one file to a local path. */
export async function copyToLocalFile(
  context: CopyContext,
  source: FileSource,
  path: string,
  { capsOnly }: LocalCopyOptions,
  onProgress: ProgressListener,
): Promise<void> {
  await writeFileWhole(path, contentOf(context, source, capsOnly, onProgress))
}

/**
 * Copies what is planned into a local folder, which is made where it is missing.
 *
 * @throws {@link CommandError} `CLI_UNSAFE_NAME` before anything is written.
 */
export async function copyToLocalFolder(
  context: CopyContext,
  plan: PlannedDirectory,
  path: string,
  options: LocalCopyOptions,
  progress: CopyProgress,
): Promise<void> {
  assertSafeNames(plan)
  await fillFolder(context, plan, path, options, progress)
}

async function fillFolder(
  context: CopyContext,
  plan: PlannedDirectory,
  path: string,
  options: LocalCopyOptions,
  progress: CopyProgress,
): Promise<void> {
  await mkdir(path, { recursive: true })
  const files = [...plan.files].map(([name, source]) =>
    context.limit(async () => {
      const { update, done } = progress.file()
      await copyToLocalFile(context, source, join(path, name), options, update)
      done()
    }),
  )
  await allEnded(files)
  if (plan.files.size > 0) progress.directoryDone()
  for (const [name, directory] of plan.directories) {
    await fillFolder(context, directory, join(path, name), options, progress)
  }
}

async function* contentOf(
  context: CopyContext,
  source: FileSource,
  capsOnly: boolean,
  onProgress: ProgressListener,
): AsyncIterable<Uint8Array> {
  if (source.kind === 'local-file') {
    yield* createReadStream(source.path, { signal: context.signal })
  } else if (capsOnly) {
    yield new TextEncoder().encode(source.facts.readonlyUri ?? '')
  } else {
    yield* readFile(context, { root: bestCap(source.facts), path: '' }, onProgress)
  }
}

/** Whoever may write to a directory on the grid chooses its names, and they must not lead elsewhere. */
function assertSafeNames({ files, directories }: PlannedDirectory): void {
  const separators = process.platform === 'win32' ? /[/\\:\0]/ : /[/\0]/
  for (const name of [...files.keys(), ...directories.keys()]) {
    if (!['', '.', '..'].includes(name) && !separators.test(name)) continue
    throw new CommandError(
      'CLI_UNSAFE_NAME',
      `cannot copy ${quoteOutput(name)}: it is no name for a local file`,
    )
  }
  for (const directory of directories.values()) assertSafeNames(directory)
}
