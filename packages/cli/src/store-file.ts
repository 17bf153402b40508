import type { Client } from '@lafs/client'
import { isDirectoryNode, isMutableFileNode, NotWriteableError } from '@lafs/filesystem-interface'
import type { IUploadable, ProgressOptions } from '@lafs/filesystem-interface'
import { MDMF_VERSION, SDMF_VERSION } from '@lafs/storage-interface'
import { CommandError, UsageError } from './failure.ts'
import type { WriteTarget } from './grid-path.ts'
import { quoteOutput } from './quote.ts'

/** The formats of new files. */
export type FileFormat = 'CHK' | 'SDMF' | 'MDMF'

/** How a new file is made. */
export interface StoreOptions extends ProgressOptions {
  readonly signal: AbortSignal
  /** Default: CHK. */
  readonly format?: FileFormat | undefined
  /** The private key of a mutable file as DER of PKCS #8. Default: a fresh one. */
  readonly privateKey?: Uint8Array | undefined
}

/** What came of storing a file. */
export interface StoredFile {
  /** The text of its cap: a secret. */
  readonly uri: string
  /** Whether nothing stood there before. */
  readonly created: boolean
}

/** Stores a file that stands in no directory. */
export async function storeUnlinked(
  client: Client,
  content: IUploadable,
  { format = 'CHK', privateKey, ...options }: StoreOptions,
): Promise<StoredFile> {
  if (format === 'CHK') {
    return { uri: (await client.upload(content, options)).uri, created: false }
  }
  const version = mutableVersion(format)
  const node = await client.createMutableFile(content, { ...options, version, privateKey })
  return { uri: node.uri, created: false }
}

/**
 * Puts content where a target is: into the mutable file that stands there, or else into a new file
 * that takes the place of what does.
 *
 * @throws {@link CommandError} `CLI_IS_A_DIRECTORY`, `CLI_NO_NAME`; {@link NotWriteableError}.
 * @see allmydata.web.filenode.FileNodeHandler.render_PUT
 */
export async function storeAt(
  client: Client,
  { node, entry }: WriteTarget,
  content: IUploadable,
  options: StoreOptions,
): Promise<StoredFile> {
  const { signal, onProgress } = options
  if (node !== undefined && isDirectoryNode(node)) {
    throw new CommandError('CLI_IS_A_DIRECTORY', 'a directory stands where a file is to be put')
  }
  if (node !== undefined && isMutableFileNode(node)) {
    if (node.readonly) throw new NotWriteableError('the mutable file there is read-only')
    await node.overwrite(content, { signal, onProgress })
    return { uri: node.uri, created: false }
  }
  if (entry === undefined) {
    throw new CommandError('CLI_NO_NAME', 'a path with a name at its end is needed to put a file')
  }
  if (entry.parent.readonly) throw new NotWriteableError('the directory is read-only')
  const { uri } = await storeUnlinked(client, content, options)
  await entry.parent.setUri(entry.name, uri, undefined, { overwrite: 'only-files', signal })
  return { uri, created: node === undefined }
}

/** The version of a format. @returns undefined for the immutable one. */
export function mutableVersion(format: FileFormat): number | undefined {
  if (format === 'CHK') return undefined
  return format === 'MDMF' ? MDMF_VERSION : SDMF_VERSION
}

/**
 * The format that a word names, in letters of any size; undefined for no word.
 *
 * @throws {@link UsageError} for any other word.
 */
export function parseFormat<Format extends FileFormat>(
  word: string | undefined,
  known: readonly Format[],
): Format | undefined {
  if (word === undefined || word === '') return undefined
  const format = known.find((one) => one === word.toUpperCase())
  if (format !== undefined) return format
  throw new UsageError(`${quoteOutput(word)} is an invalid format; there are ${known.join(', ')}`)
}
