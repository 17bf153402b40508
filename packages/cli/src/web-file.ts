import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { ProgressListener } from '@lafs/filesystem-interface'
import type { GridPlace } from './aliases.ts'
import { CommandError } from './failure.ts'
import type { FileFormat } from './file-format.ts'
import { ask, capOf, queryText } from './web-api.ts'
import type { ApiContext } from './web-api.ts'
import { placeTarget } from './web-path.ts'

/**
 * The content of the file at a place, in order.
 *
 * @throws {@link CommandError} `CLI_IS_A_DIRECTORY`, and what {@link ask} throws, before the first piece.
 */
export async function* readFile(
  { api, signal }: ApiContext,
  place: GridPlace,
  onProgress: ProgressListener,
): AsyncGenerator<Uint8Array> {
  const { headers, body } = await ask(api, 'GET', placeTarget(place), { signal })
  // Of a directory there is a page for people.
  if (headers.get('accept-ranges') === undefined) {
    for await (const _ of body) break
    throw new CommandError('CLI_IS_A_DIRECTORY', 'expected a file, got a directory')
  }
  const length = Number(headers.get('content-length') ?? Number.NaN)
  const total = Number.isSafeInteger(length) ? length : undefined
  let done = 0
  onProgress({ phase: 'downloading', done, total })
  for await (const piece of body) {
    yield piece
    done += piece.length
    onProgress({ phase: 'downloading', done, total })
  }
}

/** What is to be stored. */
export interface FileContent {
  /** Bytes; undefined where nobody knows yet. */
  readonly size: number | undefined
  /** Once only. */
  readonly pieces: AsyncIterable<Uint8Array>
}

/** How a file is stored. */
export interface StoreOptions {
  /** Of a new file. Default: CHK, which cannot be changed. */
  readonly format?: FileFormat | undefined
  /** The private key of a new mutable file: base64url of PKCS #8 in DER. */
  readonly privateKey?: string | undefined
  /** Whether to encrypt with a random key, so that the upload can begin before the end is known. */
  readonly randomKey?: boolean
  readonly onProgress: ProgressListener
}

/** What came of storing a file. */
export interface StoredFile {
  /** The text of its cap: a secret. */
  readonly cap: string
  /** Whether nothing stood there before. */
  readonly created: boolean
}

/**
 * Stores a file.
 *
 * @param place - where to put it: into the mutable file that stands there, or else a new file in the
 *   place of what does. Undefined for a file that stands in no directory.
 */
export async function storeFile(
  { api, signal }: ApiContext,
  place: GridPlace | undefined,
  { size, pieces }: FileContent,
  { format, privateKey, randomKey, onProgress }: StoreOptions,
): Promise<StoredFile> {
  const query = {
    format,
    'private-key': privateKey,
    'random-key': randomKey === true ? 'true' : undefined,
  }
  const target = place === undefined ? `/uri${queryText(query)}` : placeTarget(place, query)
  const headers = size === undefined ? {} : { 'content-length': String(size) }
  const body = counted(pieces, size, onProgress)
  const response = await ask(api, 'PUT', target, { headers, body, signal })
  return { cap: await capOf(response), created: response.status === 201 }
}

/** A local file; of a pipe or a device nobody knows the size. */
export async function localFileContent(path: string, signal: AbortSignal): Promise<FileContent> {
  const found = await stat(path)
  const size = found.isFile() ? found.size : undefined
  return { size, pieces: createReadStream(path, { signal, highWaterMark: READ_SIZE }) }
}

/** Few large pieces cost less than many small ones. */
const READ_SIZE = 2 ** 18

/** The pieces, which are as long as they were said to be, or an error. */
async function* counted(
  pieces: AsyncIterable<Uint8Array>,
  total: number | undefined,
  onProgress: ProgressListener,
): AsyncGenerator<Uint8Array> {
  let done = 0
  onProgress({ phase: 'hashing', done, total })
  for await (const piece of pieces) {
    done += piece.length
    if (total !== undefined && done > total) throw changed()
    yield piece
    onProgress({ phase: 'hashing', done, total })
  }
  if (total !== undefined && done < total) throw changed()
  onProgress({ phase: 'hashing', done, total: done })
}

function changed(): CommandError {
  return new CommandError('CLI_SOURCE_CHANGED', 'the file has changed while it was read')
}
