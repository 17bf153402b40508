import { createReadStream } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { addAbortSignal } from 'node:stream'
import { rsaPrivateKeyFromPem } from '@lafs/crypto'
import type { IUploadable } from '@lafs/filesystem-interface'
import { uploadableFromFile, uploadableFromStream } from '@lafs/immutable/node'
import { gridPlace } from '../aliases.ts'
import { CommandError, UsageError } from '../failure.ts'
import { withGrid } from '../grid-command.ts'
import type { GridContext, GridOptions } from '../grid-command.ts'
import { findWriteTarget } from '../grid-path.ts'
import { progressBar } from '../progress.ts'
import { quoteOutput } from '../quote.ts'
import type { CommandContext } from '../command-context.ts'
import { parseFormat, storeAt, storeUnlinked } from '../store-file.ts'
import type { StoredFile, StoreOptions } from '../store-file.ts'
import { writeTo } from '../terminal.ts'

/** The options of `put`. */
export interface PutOptions extends GridOptions {
  readonly mutable?: boolean
  readonly format?: string
  readonly privateKeyPath?: string
}

/**
 * Stores a file and prints its cap.
 *
 * @param source - a local file; undefined or `-` for standard input.
 * @param target - where to put it; undefined for no directory.
 * @see allmydata.scripts.tahoe_put
 */
export async function putCommand(
  context: CommandContext,
  source: string | undefined,
  target: string | undefined,
  options: PutOptions,
): Promise<void> {
  const { terminal, quiet } = context
  const named = parseFormat(options.format, ['CHK', 'SDMF', 'MDMF'])
  const format = named ?? (options.mutable === true ? 'SDMF' : 'CHK')
  if (options.privateKeyPath !== undefined && format === 'CHK') {
    throw new UsageError('a private key is of use to mutable files alone')
  }
  const privateKey = await readPrivateKey(context, options.privateKeyPath)
  await withGrid(context, options, async (grid) => {
    const bar = progressBar(terminal.stderr, { now: terminal.now, quiet })
    const storing = { format, privateKey, signal: terminal.signal, onProgress: bar.update }
    try {
      const { uri, created } = await store(grid, source, target, storing)
      bar.end()
      if (!quiet) await writeTo(terminal.stderr, created ? '201 Created\n' : '200 OK\n')
      await writeTo(terminal.stdout, `${quoteOutput(uri, { quotationMarks: false })}\n`)
    } finally {
      bar.end()
    }
  })
}

async function store(
  grid: GridContext,
  source: string | undefined,
  target: string | undefined,
  options: StoreOptions,
): Promise<StoredFile> {
  const place = target === undefined ? undefined : gridPlace(grid.aliases, target)
  if (place?.path.startsWith('/') === true) {
    throw new CommandError(
      'CLI_NO_NAME',
      `The remote filename must not start with a slash. Please try again, perhaps with ${quoteOutput((target ?? '').replace('/', ''))}`,
    )
  }
  const content = await openSource(grid, source)
  try {
    if (place === undefined) return await storeUnlinked(grid.client, content, options)
    return await storeAt(grid.client, await findWriteTarget(grid, place), content, options)
  } finally {
    await content.close()
  }
}

async function readPrivateKey(
  { terminal }: CommandContext,
  path: string | undefined,
): Promise<Uint8Array | undefined> {
  if (path === undefined) return undefined
  return rsaPrivateKeyFromPem(await readFile(resolve(terminal.cwd, path), 'utf8'))
}

async function openSource(
  { terminal, quiet }: CommandContext,
  file: string | undefined,
): Promise<IUploadable> {
  const { signal } = terminal
  if (file !== undefined && file !== '-') {
    const path = resolve(terminal.cwd, file)
    if ((await stat(path)).isFile()) return uploadableFromFile(path)
    // A pipe or a device; a folder says that it is one.
    return uploadableFromStream(createReadStream(path, { signal }), { signal })
  }
  if (!quiet) await writeTo(terminal.stderr, 'waiting for file data on stdin..\n')
  return uploadableFromStream(addAbortSignal(signal, terminal.stdin), { signal })
}
