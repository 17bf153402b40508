import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { addAbortSignal } from 'node:stream'
import { rsaPrivateKeyFromPem } from '@lafs/crypto'
import { assertPlace, gridPlace } from '../aliases.ts'
import type { GridPlace } from '../aliases.ts'
import { readCapWord } from '../cap-word.ts'
import type { CommandContext } from '../command-context.ts'
import { CommandError, UsageError } from '../failure.ts'
import { parseFormat } from '../file-format.ts'
import { progressBar } from '../progress.ts'
import { quoteOutput } from '../quote.ts'
import { writeTo } from '../terminal.ts'
import { watchUpload } from '../upload-progress.ts'
import { writeOutcome } from '../outcome.ts'
import { withWebApi } from '../web-command.ts'
import type { PrintOptions, WebContext } from '../web-command.ts'
import { localFileContent, storeFile } from '../web-file.ts'
import type { FileContent, StoredFile, StoreOptions } from '../web-file.ts'

/** The options of `put`. */
export interface PutOptions extends PrintOptions {
  readonly mutable?: boolean
  readonly format?: string
  readonly privateKeyPath?: string
  /** Send what comes as it comes, with a random key. */
  readonly streaming?: boolean
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
  const format =
    parseFormat(options.format, ['CHK', 'SDMF', 'MDMF']) ??
    (options.mutable === true ? 'SDMF' : undefined)
  if (options.privateKeyPath !== undefined && (format ?? 'CHK') === 'CHK') {
    throw new UsageError('a private key is of use to mutable files alone')
  }
  const isStdin = source === undefined || source === '-'
  if (isStdin && (target === '-' || options.dirCap === '-')) {
    throw new UsageError('standard input holds the cap or the file, not both')
  }
  const privateKey = await readPrivateKey(context, options.privateKeyPath)
  const word = target === undefined ? undefined : await readCapWord(terminal, target)
  const { cap, created } = await withWebApi(context, options, async (web) => {
    const place = word === undefined ? undefined : targetPlace(web, word)
    const content = isStdin
      ? await standardInput(context)
      : await localFileContent(resolve(terminal.cwd, source), terminal.signal)
    const randomKey = options.streaming === true
    return store(web, place, content, { format, privateKey, randomKey })
  })
  if (!quiet) await writeTo(terminal.stderr, created ? '201 Created\n' : '200 OK\n')
  const text = quoteOutput(cap, { quotationMarks: false })
  await writeOutcome(context, options, text, { cap, created })
}

async function store(
  web: WebContext,
  place: GridPlace | undefined,
  content: FileContent,
  options: Omit<StoreOptions, 'onProgress'>,
): Promise<StoredFile> {
  const { terminal, quiet } = web
  const bar = progressBar(terminal.stderr, { now: terminal.now, quiet })
  const watch = watchUpload(web, bar)
  try {
    return await storeFile(web, place, content, { ...options, onProgress: watch.update })
  } finally {
    watch.end()
    bar.end()
  }
}

function targetPlace({ aliases }: WebContext, word: string): GridPlace {
  const place = gridPlace(aliases, word)
  if (place.path.startsWith('/')) {
    throw new CommandError(
      'CLI_NO_NAME',
      `The remote filename must not start with a slash. Please try again, perhaps with ${quoteOutput(word.replace('/', ''))}`,
    )
  }
  assertPlace(place)
  return place
}

async function readPrivateKey(
  { terminal }: CommandContext,
  path: string | undefined,
): Promise<string | undefined> {
  if (path === undefined) return undefined
  const der = rsaPrivateKeyFromPem(await readFile(resolve(terminal.cwd, path), 'utf8'))
  const text = btoa(Array.from(der, (byte) => String.fromCharCode(byte)).join(''))
  return text.replaceAll('+', '-').replaceAll('/', '_')
}

async function standardInput({ terminal, quiet }: CommandContext): Promise<FileContent> {
  const { signal, stdin, stderr } = terminal
  if (!quiet) await writeTo(stderr, 'waiting for file data on stdin..\n')
  return { size: undefined, pieces: addAbortSignal(signal, stdin) }
}
