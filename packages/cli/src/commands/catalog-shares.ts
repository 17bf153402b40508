import { join, resolve } from 'node:path'
import { toBase32 } from '@lafs/crypto'
import { readChkShare } from '../chk-share.ts'
import type { CommandContext } from '../command-context.ts'
import { describeFailure } from '../failure.ts'
import { kebabJson } from '../kebab-json.ts'
import { readMutableShare } from '../mutable-share.ts'
import type { JsonOption } from '../outcome.ts'
import { quoteOutput } from '../quote.ts'
import { isShareFile, withShareFile } from '../share-file.ts'
import type { ImmutableShareFile, LeaseRecord, MutableShareFile } from '../share-file.ts'
import { namesIn, sharesFolder } from '../share-folders.ts'
import { writeLine } from '../terminal.ts'

/** Shares that are being written. */
const INCOMING = 'incoming'

/**
 * Prints a line about each share in some node directories. What cannot be read is told on standard
 * error, and the rest goes on: the disk may be a bad one.
 *
 * @see allmydata.scripts.debug.catalog_shares
 */
export async function catalogSharesCommand(
  context: CommandContext,
  nodeDirectories: readonly string[],
  { json }: JsonOption,
): Promise<void> {
  for (const directory of nodeDirectories) {
    const folder = sharesFolder(resolve(context.terminal.cwd, directory))
    for (const prefix of await namesTold(context, folder)) {
      if (prefix !== INCOMING)
        await catalogFolder(context, join(folder, prefix), json === true ? kebabJson : lineOf)
    }
  }
}

async function catalogFolder(
  context: CommandContext,
  folder: string,
  format: (share: CataloguedShare | UnknownShare) => string,
): Promise<void> {
  const { terminal } = context
  for (const storageIndex of await namesTold(context, folder)) {
    for (const number of await namesTold(context, join(folder, storageIndex))) {
      terminal.signal.throwIfAborted()
      const path = join(folder, storageIndex, number)
      const share = await readShare(path, storageIndex, terminal.now() / 1000).catch(
        (error: unknown) => tell(context, path, error),
      )
      if (share !== undefined) await writeLine(terminal.stdout, format(share))
    }
  }
}

async function namesTold(context: CommandContext, folder: string): Promise<string[]> {
  try {
    return await namesIn(folder)
  } catch (error) {
    await tell(context, folder, error)
    return []
  }
}

async function tell(
  { terminal }: CommandContext,
  path: string,
  error: unknown,
): Promise<undefined> {
  await writeLine(terminal.stderr, `Error processing ${quoteOutput(path)}`)
  await writeLine(terminal.stderr, describeFailure(error))
}

/** A share, as its file has it. */
interface CataloguedShare {
  readonly file: string
  readonly format: 'CHK' | 'SDMF' | 'MDMF'
  readonly storageIndex: string
  readonly requiredShares: number
  readonly totalShares: number
  /** Of the object, in bytes. */
  readonly size: number
  /** Of an immutable object. */
  readonly uriExtensionHash?: string
  /** Of a mutable object, both. */
  readonly sequenceNumber?: number
  readonly rootHash?: string
  /** Until the first lease ends. */
  readonly secondsLeft: number
}

/** A file that makes no sense. */
interface UnknownShare {
  readonly file: string
  readonly format: 'UNKNOWN'
  /** What it is in: the container of a mutable share, or nothing that holds shares. */
  readonly container: 'mutable' | 'really-unknown'
}

async function readShare(
  file: string,
  storageIndex: string,
  now: number,
): Promise<CataloguedShare | UnknownShare> {
  if (!(await isShareFile(file))) return { file, format: 'UNKNOWN', container: 'really-unknown' }
  return withShareFile(file, async (share) => {
    const facts = share.kind === 'immutable' ? await chkFacts(share) : await mutableFacts(share)
    if (facts === undefined) return { file, format: 'UNKNOWN', container: 'mutable' }
    return { file, ...facts, storageIndex, secondsLeft: secondsLeft(share.leases, now) }
  })
}

type ShareFacts = Omit<CataloguedShare, 'file' | 'storageIndex' | 'secondsLeft'>

async function chkFacts(share: ImmutableShareFile): Promise<ShareFacts> {
  const { uriExtension, uriExtensionHash } = await readChkShare(share)
  const { needed_shares: requiredShares, total_shares: totalShares, size } = uriExtension
  const hash = toBase32(uriExtensionHash)
  return { format: 'CHK', requiredShares, totalShares, size, uriExtensionHash: hash }
}

async function mutableFacts(share: MutableShareFile): Promise<ShareFacts | undefined> {
  const contents = await readMutableShare(share)
  if (contents === undefined) return undefined
  const { sequenceNumber, rootHash, requiredShares, totalShares, dataLength } = contents.header
  return {
    format: contents.format,
    requiredShares,
    totalShares,
    size: dataLength,
    sequenceNumber,
    rootHash: toBase32(rootHash),
  }
}

function lineOf(share: CataloguedShare | UnknownShare): string {
  const path = quoteOutput(share.file)
  if (share.format === 'UNKNOWN') return `UNKNOWN ${share.container} ${path}`
  const { format, storageIndex, requiredShares, totalShares, size } = share
  const version = share.uriExtensionHash ?? `#${share.sequenceNumber}:${share.rootHash}`
  return `${format} ${storageIndex} ${requiredShares}/${totalShares} ${size} ${version} ${share.secondsLeft} ${path}`
}

/** Until the first lease ends; 0 afterwards, and without any lease. */
function secondsLeft(leases: readonly LeaseRecord[], now: number): number {
  if (leases.length === 0) return 0
  const first = Math.min(...leases.map(({ expiresAtSeconds }) => expiresAtSeconds))
  return Math.max(0, Math.trunc(first - now))
}
