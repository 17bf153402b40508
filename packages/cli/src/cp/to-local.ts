import { createReadStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { ProgressListener } from '@lafs/filesystem-interface'
import { CommandError } from '../failure.ts'
import { writeFileWhole } from '../local-file.ts'
import type { WalkFailures } from '../walk-failures.ts'
import { isOfOneObject } from '../web-error.ts'
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

/** A folder to copy into. */
interface LocalFolder {
  readonly path: string
  /** The names that lead to it from where the copy begins. */
  readonly names: readonly string[]
}

/**
 * Copies what is planned into a local folder, which is made where it is missing. What cannot be had from
 * the grid, or has a name that the disk does not take, is told, and the rest goes on.
 *
 * @param plan - without unsafe names: see {@link leaveOutUnsafeNames}.
 * @returns how many files were copied.
 */
export async function copyToLocalFolder(
  context: CopyContext,
  plan: PlannedDirectory,
  path: string,
  options: LocalCopyOptions,
  progress: CopyProgress,
): Promise<number> {
  await mkdir(path, { recursive: true })
  return fillFolder(context, plan, { path, names: [] }, options, progress)
}

async function fillFolder(
  context: CopyContext,
  plan: PlannedDirectory,
  folder: LocalFolder,
  options: LocalCopyOptions,
  progress: CopyProgress,
): Promise<number> {
  const files = [...plan.files].map(([name, source]) =>
    context.limit(async () => {
      const { update, done } = progress.file()
      const copied = await canHave(context, folder, name, (path) =>
        copyToLocalFile(context, source, path, options, update),
      )
      done()
      return copied
    }),
  )
  let count = (await allEnded(files)).filter(Boolean).length
  if (plan.files.size > 0) progress.directoryDone()
  for (const [name, directory] of plan.directories) {
    const inner = { path: join(folder.path, name), names: [...folder.names, name] }
    const made = await canHave(context, folder, name, (path) => mkdir(path, { recursive: true }))
    if (made) count += await fillFolder(context, directory, inner, options, progress)
  }
  return count
}

/** What a disk says of a name that it does not take. */
const NAME_REFUSALS: ReadonlySet<unknown> = new Set(['ENAMETOOLONG', 'EILSEQ', 'EINVAL'])

/** Does what makes something of this name in a folder. @returns false where it cannot be had there. */
async function canHave(
  { failures, signal }: CopyContext,
  { path, names }: LocalFolder,
  name: string,
  work: (path: string) => Promise<unknown>,
): Promise<boolean> {
  try {
    await work(join(path, name))
    return true
  } catch (error) {
    signal.throwIfAborted()
    const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined
    const isRefused = NAME_REFUSALS.has(code)
    if (!isRefused && !isOfOneObject(error)) throw error
    await failures.tell([...names, name], isRefused ? unsafeName() : error)
    return false
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

/**
 * Takes out of a plan what has a name that is none for a local file, and tells of it: whoever may write
 * to a directory on the grid chooses its names, and they must not lead elsewhere.
 *
 * @param names - that lead to the planned directory.
 */
export async function leaveOutUnsafeNames(
  { files, directories }: PlannedDirectory,
  failures: WalkFailures,
  names: readonly string[] = [],
): Promise<void> {
  const separators = process.platform === 'win32' ? /[/\\:\0]/ : /[/\0]/
  for (const entries of [files, directories]) {
    for (const name of entries.keys()) {
      if (!['', '.', '..'].includes(name) && !separators.test(name)) continue
      await failures.tell([...names, name], unsafeName())
      entries.delete(name)
    }
  }
  for (const [name, directory] of directories) {
    await leaveOutUnsafeNames(directory, failures, [...names, name])
  }
}

function unsafeName(): CommandError {
  return new CommandError('CLI_UNSAFE_NAME', 'not copied: that is no name for a local file')
}
