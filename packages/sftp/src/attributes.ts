import { isDirectoryNode } from '@lafs/filesystem-interface'
import type { ChildMetadata, IFilesystemNode } from '@lafs/filesystem-interface'
import type { Attributes } from './protocol.ts'

const DIRECTORY = 0o040000
const FILE = 0o100000
/** The bits of Unix that let anybody write. */
const WRITE_BITS = 0o222
const OWNER_WRITES = 0o200
/** A listing gives the time of day of what is younger than this, and the year of the rest. */
const RECENT_SECONDS = 26 * 7 * 24 * 60 * 60
const DAY_SECONDS = 24 * 60 * 60

/** A file whose content may be changed, or a new one, as its entry or its cap shows it. */
export interface Shown {
  /** Undefined for a file that is not there yet. */
  readonly node: IFilesystemNode | undefined
  readonly metadata: ChildMetadata
  /** Whether the directory that it stands in cannot be changed, or there is none. */
  readonly parentReadonly: boolean
}

/** Whether something is shown as read-only. @see allmydata.frontends.sftpd._no_write */
export function isWriteProtected({ node, metadata, parentReadonly }: Shown): boolean {
  if (node === undefined) return metadata['no-write'] === true
  if (node.unknown) return true
  if (node.mutable) return node.readonly
  return parentReadonly || isDirectoryNode(node) || metadata['no-write'] === true
}

/**
 * What is told of something: no size for directories, bits that let everybody do what its user may
 * (sshfs asks for that), nothing executable, and the time at which the entry last changed.
 *
 * @param size - bytes, where they are known better than from the node.
 * @see allmydata.frontends.sftpd._populate_attrs
 */
export function attributesOf(shown: Shown, size?: number): Attributes {
  const { node, metadata } = shown
  const modifiedSeconds = entrySeconds(metadata)
  if (node?.unknown === true) return { permissions: 0, modifiedSeconds }
  const isDirectory = node !== undefined && isDirectoryNode(node)
  const bits = isDirectory ? DIRECTORY | 0o777 : FILE | 0o666
  return {
    permissions: isWriteProtected(shown) ? bits & ~WRITE_BITS : bits,
    modifiedSeconds,
    size: isDirectory ? undefined : (size ?? node?.size),
  }
}

function entrySeconds(metadata: ChildMetadata): number | undefined {
  const { tahoe, mtime } = metadata
  const noted =
    typeof tahoe === 'object' && tahoe !== null && 'linkmotime' in tahoe ? tahoe.linkmotime : mtime
  return typeof noted === 'number' && Number.isFinite(noted) ? Math.trunc(noted) >>> 0 : undefined
}

/**
 * What is noted beside an entry once somebody has set attributes: the rest of it stays.
 *
 * @see allmydata.frontends.sftpd._attrs_to_metadata
 */
export function withAttributes(metadata: ChildMetadata, set: Attributes): ChildMetadata {
  const { tahoe: _times, 'no-write': noWrite, ...users } = metadata
  const protectedNow =
    set.permissions === undefined ? noWrite === true : (set.permissions & OWNER_WRITES) === 0
  return {
    ...users,
    ...(set.modifiedSeconds === undefined ? {} : { mtime: set.modifiedSeconds }),
    ...(protectedNow ? { 'no-write': true } : {}),
  }
}

/** What a terminal obeys, or what goes over several lines, or makes a line read in another order. */
const CONTROLS = /[\p{Cc}\u200E\u200F\u2028-\u202E\u2066-\u2069\uFEFF]/gu

/** A line as `ls -l` prints it, where a question mark stands for what cannot be seen. @see allmydata.frontends.sftpd._lsLine */
export function longName(name: string, attributes: Attributes, nowSeconds: number): string {
  const { permissions = 0, size = 0, modifiedSeconds = 0 } = attributes
  const kind = (permissions & DIRECTORY) !== 0 ? 'd' : (permissions & FILE) !== 0 ? '-' : '?'
  const bits = Array.from({ length: 9 }, (_, index) =>
    (permissions & (0o400 >> index)) === 0 ? '-' : 'rwx'.charAt(index % 3),
  )
  const date = new Date(modifiedSeconds * 1000)
  const two = (value: number): string => String(value).padStart(2, '0')
  const day = `${date.toLocaleString('en-US', { month: 'short' })} ${two(date.getDate())}`
  const isRecent =
    modifiedSeconds + RECENT_SECONDS >= nowSeconds && modifiedSeconds <= nowSeconds + DAY_SECONDS
  const time = isRecent
    ? `${two(date.getHours())}:${two(date.getMinutes())}`
    : ` ${date.getFullYear()}`
  const owner = 'tahoe'.padEnd(9)
  return `${kind}${bits.join('')}    1 ${owner}${owner}${String(size).padStart(8)} ${day} ${time} ${name.replaceAll(CONTROLS, '?')}`
}
