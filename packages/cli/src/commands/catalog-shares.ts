import { join, resolve } from 'node:path'
import { toBase32 } from '@lafs/crypto'
import { readChkShare } from '../chk-share.ts'
import type { CommandContext } from '../command-context.ts'
import { describeFailure } from '../failure.ts'
import { readMutableShare } from '../mutable-share.ts'
import { quoteOutput } from '../quote.ts'
import { isShareFile, withShareFile } from '../share-file.ts'
import type { ImmutableShareFile, LeaseRecord, MutableShareFile } from '../share-file.ts'
import { namesIn, sharesFolder } from '../share-folders.ts'
import { writeTo } from '../terminal.ts'

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
): Promise<void> {
  for (const directory of nodeDirectories) {
    const folder = sharesFolder(resolve(context.terminal.cwd, directory))
    for (const prefix of await namesTold(context, folder)) {
      if (prefix !== INCOMING) await catalogFolder(context, join(folder, prefix))
    }
  }
}

async function catalogFolder(context: CommandContext, folder: string): Promise<void> {
  const { terminal } = context
  for (const storageIndex of await namesTold(context, folder)) {
    for (const number of await namesTold(context, join(folder, storageIndex))) {
      terminal.signal.throwIfAborted()
      const path = join(folder, storageIndex, number)
      try {
        const line = await describeShare(path, storageIndex, terminal.now() / 1000)
        await writeTo(terminal.stdout, `${line} ${quoteOutput(path)}\n`)
      } catch (error) {
        await tell(context, path, error)
      }
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

async function tell({ terminal }: CommandContext, path: string, error: unknown): Promise<void> {
  const text = `Error processing ${quoteOutput(path)}\n${describeFailure(error)}\n`
  await writeTo(terminal.stderr, text)
}

async function describeShare(path: string, storageIndex: string, now: number): Promise<string> {
  if (!(await isShareFile(path))) return 'UNKNOWN really-unknown'
  return withShareFile(path, (share) =>
    share.kind === 'immutable'
      ? describeChk(share, storageIndex, now)
      : describeMutable(share, storageIndex, now),
  )
}

async function describeChk(
  share: ImmutableShareFile,
  storageIndex: string,
  now: number,
): Promise<string> {
  const { uriExtension, uriExtensionHash } = await readChkShare(share)
  const { needed_shares: required, total_shares: total, size } = uriExtension
  const hash = toBase32(uriExtensionHash)
  return `CHK ${storageIndex} ${required}/${total} ${size} ${hash} ${secondsLeft(share.leases, now)}`
}

async function describeMutable(
  share: MutableShareFile,
  storageIndex: string,
  now: number,
): Promise<string> {
  const contents = await readMutableShare(share)
  if (contents === undefined) return 'UNKNOWN mutable'
  const { sequenceNumber, rootHash, requiredShares, totalShares, dataLength } = contents.header
  const version = `#${sequenceNumber}:${toBase32(rootHash)}`
  const encoding = `${requiredShares}/${totalShares} ${dataLength}`
  return `${contents.format} ${storageIndex} ${encoding} ${version} ${secondsLeft(share.leases, now)}`
}

/** Until the first lease ends; 0 afterwards, and without any lease. */
function secondsLeft(leases: readonly LeaseRecord[], now: number): number {
  if (leases.length === 0) return 0
  const first = Math.min(...leases.map(({ expiresAtSeconds }) => expiresAtSeconds))
  return Math.max(0, Math.trunc(first - now))
}
