import { constants } from 'node:fs'
import type { BigIntStats } from 'node:fs'
import { lstat, open, stat } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { CommandError } from '../failure.ts'
import { quoteOutput } from '../quote.ts'
import { askCap, capTarget, textOf } from '../web-api.ts'
import type { WebApi } from '../web-api.ts'
import { directoryHash } from './backupdb.ts'
import type { BackupDb, LocalStamp, Remembered } from './backupdb.ts'
import type { SkipReason } from './scan.ts'

/** What a backup works with. */
export interface BackupTools {
  readonly api: WebApi
  readonly db: BackupDb
  /** Without it every file is read again. */
  readonly trustsTimestamps: boolean
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly signal: AbortSignal
  /** Hears of bytes that are on their way to the gateway. */
  readonly onSent: (byteCount: number) => void
  /** The caps of directories that this backup made or makes, by their hash. */
  readonly made: Map<string, Promise<string>>
}

/** How something of the local disk stands in a directory of the grid. */
export interface BackupEntry {
  readonly type: 'filenode' | 'dirnode'
  readonly cap: string
  /** Under upstream's names: times in seconds, the rest as the system has it. */
  readonly metadata: Readonly<Record<string, number>>
}

/** What came of one thing. */
export interface StoreOutcome {
  /** Undefined where it was skipped. */
  readonly entry?: BackupEntry
  /** Why it was skipped. */
  readonly why?: SkipReason
  /** Whether it was stored now, not found where it was stored before. */
  readonly isNew?: boolean
  /** Whether the grid was asked for the health of what was stored before. */
  readonly checked?: boolean
  /** What happened, step by step. */
  readonly log: readonly string[]
}

/** How often a file is tried that changes while it is read. */
const ATTEMPTS_MAX = 3
const READ_SIZE = 2 ** 18
const NS_PER_SECOND = 1_000_000_000n

/** Stores a file, unless it is known to be where it was stored before. */
export async function storeFile(tools: BackupTools, path: string): Promise<StoreOutcome> {
  const found = await lstat(path, { bigint: true }).catch(() => undefined)
  if (found === undefined) return { why: 'permission-denied', log: [] }
  // Something else may stand there by now.
  if (!found.isFile()) return { why: found.isSymbolicLink() ? 'symlink' : 'special', log: [] }
  const remembered = await tools.db.findFile(path, stampOf(found), tools.trustsTimestamps)
  const { usable, checked, log } = await judge(tools, remembered, (cap) =>
    tools.db.recordFileIsHealthy(cap),
  )
  if (usable && remembered !== undefined) {
    log.push(`skipping ${quoteOutput(path)}..`)
    return {
      entry: { type: 'filenode', cap: remembered.cap, metadata: metadataOf(found) },
      isNew: false,
      checked,
      log,
    }
  }
  log.push(`uploading ${quoteOutput(path)}..`)
  const entry = await upload(tools, path)
  if (entry === undefined) return { why: 'permission-denied', checked, log }
  const quoted = quoteOutput(path, { quotationMarks: false })
  log.push(` ${quoted} -> ${quoteOutput(entry.cap, { quotationMarks: false })}`)
  return { entry, isNew: true, checked, log }
}

/** Makes an immutable directory, unless there is one of the same content that still is well. */
export async function storeDirectory(
  tools: BackupTools,
  path: string,
  children: ReadonlyMap<string, BackupEntry>,
): Promise<StoreOutcome> {
  const found = await stat(path, { bigint: true }).catch(() => undefined)
  if (found === undefined) return { why: 'permission-denied', log: [] }
  const metadata = metadataOf(found)
  const hash = directoryHash(new Map([...children].map(([name, { cap }]) => [name, cap])))
  const made = await tools.made.get(hash)
  const remembered =
    made === undefined ? await tools.db.findDirectory(hash) : { cap: made, shouldCheck: false }
  const { usable, checked, log } = await judge(tools, remembered, (cap) =>
    tools.db.recordDirectoryIsHealthy(cap),
  )
  // Another one of the same content may have been begun meanwhile.
  const underWay = tools.made.get(hash)
  const known = usable && remembered !== undefined ? remembered.cap : await underWay
  if (known !== undefined) {
    log.push(` re-using old directory for ${quoteOutput(path)}`)
    return { entry: { type: 'dirnode', cap: known, metadata }, isNew: false, checked, log }
  }
  log.push(` creating directory for ${quoteOutput(path)}`)
  const making = makeDirectory(tools, children)
  tools.made.set(hash, making)
  const cap = await making
  await tools.db.recordDirectory(hash, cap)
  return { entry: { type: 'dirnode', cap, metadata }, isNew: true, checked, log }
}

/** Whether what was stored before can be relied on; where it is time for that, the grid is asked. */
async function judge(
  { api, signal }: BackupTools,
  remembered: Remembered | undefined,
  recordHealthy: (cap: string) => Promise<void>,
): Promise<{ readonly usable: boolean; readonly checked: boolean; readonly log: string[] }> {
  if (remembered === undefined) return { usable: false, checked: false, log: [] }
  const { cap, shouldCheck } = remembered
  if (!shouldCheck) return { usable: true, checked: false, log: [] }
  const log = [`checking ${quoteOutput(cap)}`]
  const target = capTarget({ root: cap, path: '' }, { t: 'check', output: 'JSON' })
  const response = await api.request('POST', target, { signal })
  const text = await textOf(response)
  // What cannot be checked is stored again, and so is what is not well.
  const usable = response.status === 200 && saysHealthy(text)
  if (usable) await recordHealthy(cap)
  return { usable, checked: true, log }
}

function saysHealthy(text: string): boolean {
  try {
    const answer: unknown = JSON.parse(text)
    const { results } = answer as { readonly results?: { readonly healthy?: unknown } }
    return results?.healthy === true
  } catch {
    return false
  }
}

/** A link is no file, and a pipe keeps nobody waiting. */
const OPEN_FILE = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/** @returns undefined for a file that cannot be read. */
async function upload(tools: BackupTools, path: string): Promise<BackupEntry | undefined> {
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
    const file = await open(path, OPEN_FILE).catch(() => undefined)
    if (file === undefined) return undefined
    try {
      const entry = await uploadOpen(tools, path, file)
      if (entry !== undefined) return entry
    } catch (error) {
      // A connection that was kept may end just when it is used again.
      const isGone = error instanceof CommandError && error.code === 'CLI_NO_GATEWAY'
      if (!isGone || attempt === ATTEMPTS_MAX) throw error
    } finally {
      await file.close()
    }
  }
  return undefined
}

/**
 * @returns the file with the metadata that it had when it was begun; undefined where it cannot be read to
 *   the end that it had then.
 */
async function uploadOpen(
  { api, db, signal, onSent, now }: BackupTools,
  path: string,
  file: FileHandle,
): Promise<BackupEntry | undefined> {
  const before = await file.stat({ bigint: true })
  if (!before.isFile()) return undefined
  const size = Number(before.size)
  let isWhole = true
  const readPiece = async (at: number): Promise<Uint8Array> => {
    const piece = new Uint8Array(Math.min(READ_SIZE, size - at))
    if (piece.length === 0) return piece
    const { bytesRead } = await file.read(piece, 0, piece.length, at).catch(() => NOTHING)
    isWhole = bytesRead > 0
    if (!isWhole) throw new Error('the file ended before its time')
    onSent(bytesRead)
    return piece.subarray(0, bytesRead)
  }
  const content = async function* (piece: Uint8Array): AsyncGenerator<Uint8Array> {
    for (let at = piece.length, next = piece; ; at += next.length) {
      yield next
      if (at === size) return
      next = await readPiece(at)
    }
  }
  let cap: string
  try {
    const first = await readPiece(0)
    const headers = { 'content-length': String(size) }
    const body = first.length === size ? first : content(first)
    cap = await askCap(api, 'PUT', '/uri', { headers, body, signal })
  } catch (error) {
    signal.throwIfAborted()
    // Whatever the gateway made of it.
    if (!isWhole) return undefined
    throw error
  }
  const seenMs = now()
  const after = await file.stat({ bigint: true })
  const isSame = after.mtimeNs === before.mtimeNs && after.ctimeNs === before.ctimeNs
  // What changed meanwhile is no version of the file that one could know again.
  if (isSame && after.size === before.size) {
    await db.recordUpload(path, stampOf(before), cap, seenMs)
  }
  return { type: 'filenode', cap, metadata: metadataOf(before) }
}

const NOTHING = { bytesRead: 0 }

async function makeDirectory(
  { api, signal }: BackupTools,
  children: ReadonlyMap<string, BackupEntry>,
): Promise<string> {
  const kids = [...children].map(([name, { type, cap, metadata }]) => [
    name,
    [type, { ro_uri: cap, metadata }],
  ])
  // No name is special to fromEntries, not even __proto__.
  const body = new TextEncoder().encode(JSON.stringify(Object.fromEntries(kids)))
  return askCap(api, 'POST', '/uri?t=mkdir-immutable', { body, signal })
}

function stampOf({ size, mtimeNs, ctimeNs }: BigIntStats): LocalStamp {
  return { sizeBytes: Number(size), mtimeNs, ctimeNs }
}

/** @see allmydata.scripts.tahoe_backup.get_local_metadata */
function metadataOf(stats: BigIntStats): Readonly<Record<string, number>> {
  const seconds = (ns: bigint): number =>
    Number(ns / NS_PER_SECOND) + 1e-9 * Number(ns % NS_PER_SECOND)
  return {
    ctime: seconds(stats.ctimeNs),
    mtime: seconds(stats.mtimeNs),
    st_mode: Number(stats.mode),
    st_ino: Number(stats.ino),
    st_dev: Number(stats.dev),
    st_uid: Number(stats.uid),
    st_gid: Number(stats.gid),
  }
}
