import {
  concatBytes,
  defaultCrypto,
  hmac,
  mutableRwcapKeyHash,
  mutableRwcapSaltHash,
  splitNetstring,
} from '@lafs/crypto'
import type { CryptoProvider } from '@lafs/crypto'
import { MalformedDirectoryError, MustBeDeepImmutableError } from '@lafs/filesystem-interface'
import type { IFilesystemNode, NewChild } from '@lafs/filesystem-interface'
import type { UnknownCap } from '@lafs/uri'
import { capBytes, capInSlot, stripImpliedPrefix } from './caps.ts'
import { formatMetadata, parseMetadata } from './metadata-json.ts'
import type { MetadataObject } from './metadata-json.ts'
import { compareNames, newName } from './names.ts'

const SALT_SIZE = 16
const MAC_SIZE = 32
const COMMA = 0x2c

const encoder = new TextEncoder()
const nameDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const metadataDecoder = new TextDecoder('utf-8', { fatal: true })

const nothing = new Uint8Array()

/** One entry of a table, as it stands there. The bytes are views of the table. */
export interface TableEntry {
  /** The whole entry, with the length before it and the comma after it. */
  readonly packed: Uint8Array
  /** The slot of the read cap. */
  readonly readCapSlot: Uint8Array
  /** The slot of the write cap: salt, ciphertext and checksum. */
  readonly writeCapSlot: Uint8Array
  readonly metadata: MetadataObject
}

/** A directory: its entries by their normalised names. */
export type Table = Map<string, TableEntry>

function malformed(index: number, what: string, cause: unknown): MalformedDirectoryError {
  const reason = cause instanceof Error ? `: ${cause.message}` : ''
  return new MalformedDirectoryError(`directory table, entry ${index}: ${what}${reason}`, { cause })
}

/** Runs a step of unpacking; what it throws makes the directory malformed. */
function attempt<T>(index: number, what: string, step: () => T): T {
  try {
    return step()
  } catch (error) {
    throw malformed(index, what, error)
  }
}

/**
 * Takes a table apart. Nothing is decrypted, and caps are not looked at.
 *
 * Where two entries have one name, the later one counts.
 *
 * @param contents - the content of the directory's file; the entries are views of it.
 * @param mutable - whether the directory is; the entries of others must hold no write caps.
 * @throws {@link MalformedDirectoryError}
 * @see allmydata.dirnode.DirectoryNode._unpack_contents
 */
export function unpackTable(contents: Uint8Array, mutable: boolean): Table {
  const table: Table = new Map()
  let position = 0
  for (let index = 0; position < contents.length; index++) {
    const start = position
    const outer = attempt(index, 'expected a netstring', () =>
      splitNetstring(contents, 1, { position: start }),
    )
    position = outer.position
    const entry = outer.elements[0] ?? nothing
    const fields = attempt(index, 'expected four netstrings', () => splitNetstring(entry, 4))
    const [nameBytes = nothing, readCapSlot = nothing, writeCapSlot = nothing, json = nothing] =
      fields.elements
    if (!mutable && writeCapSlot.length > 0) {
      throw malformed(index, 'expected no write cap in an immutable directory', undefined)
    }
    const name = attempt(index, 'expected a name in UTF-8', () => nameDecoder.decode(nameBytes))
    const metadata = attempt(index, 'expected metadata in JSON', () =>
      parseMetadata(metadataDecoder.decode(json)),
    )
    const packed = contents.subarray(start, position)
    table.set(name.normalize('NFC'), { packed, readCapSlot, writeCapSlot, metadata })
  }
  return table
}

/** The bytes of a table: its entries as they are, ordered by name. */
export function packTable(table: Table): Uint8Array {
  const names = [...table.keys()].toSorted(compareNames)
  return concatBytes(names.map((name) => table.get(name)?.packed ?? nothing))
}

/**
 * The caps of an entry.
 *
 * The checksum after the ciphertext is not looked at, as upstream has not done since 1.3.0: the file
 * around it has a signature.
 *
 * @param writekey - of the directory; undefined for one that can only be read.
 */
export async function capsOf(
  entry: TableEntry,
  writekey: Uint8Array | undefined,
  crypto: CryptoProvider,
): Promise<{
  writeCap: string | UnknownCap | undefined
  readCap: string | UnknownCap | undefined
}> {
  const readCap = capInSlot(entry.readCapSlot)
  const slot = entry.writeCapSlot
  if (writekey === undefined || slot.length <= SALT_SIZE + MAC_SIZE) {
    return { writeCap: undefined, readCap }
  }
  const key = mutableRwcapKeyHash(slot.subarray(0, SALT_SIZE), writekey, crypto)
  const plaintext = slot.slice(SALT_SIZE, slot.length - MAC_SIZE)
  await crypto.aesCtrInPlace(key, plaintext)
  return { writeCap: capInSlot(plaintext), readCap }
}

/** `salt || ciphertext || checksum`: only who can write to the directory can read it. */
async function encryptWriteCap(
  writeCap: Uint8Array,
  writekey: Uint8Array,
  crypto: CryptoProvider,
): Promise<Uint8Array> {
  const salt = mutableRwcapSaltHash(writeCap, crypto)
  const key = mutableRwcapKeyHash(salt, writekey, crypto)
  const ciphertext = writeCap.slice()
  if (ciphertext.length > 0) await crypto.aesCtrInPlace(key, ciphertext)
  const encrypted = concatBytes([salt, ciphertext])
  return concatBytes([encrypted, hmac(key, encrypted, crypto)])
}

/** The netstring of the netstrings of some fields, in one piece of memory. */
function netstringOfNetstrings(fields: readonly Uint8Array[]): Uint8Array {
  const headers = fields.map((field) => `${field.length}:`)
  let size = 0
  for (const [index, field] of fields.entries()) {
    size += field.length + (headers[index]?.length ?? 0) + 1
  }
  const header = `${size}:`
  const out = new Uint8Array(header.length + size + 1)
  let at = encoder.encodeInto(header, out).written
  for (const [index, field] of fields.entries()) {
    at += encoder.encodeInto(headers[index] ?? '', out.subarray(at)).written
    out.set(field, at)
    at += field.length
    out[at++] = COMMA
  }
  out[at] = COMMA
  return out
}

/** What entries are packed for. */
export interface PackOptions {
  /** Whether the directory is immutable, and all that can be reached from it. Default: false. */
  readonly deepImmutable?: boolean | undefined
  /** Default: the platform's. */
  readonly crypto?: CryptoProvider | undefined
}

/**
 * The bytes of one entry, with the length before it and the comma after it.
 *
 * @param name - normalised.
 * @param writekey - of the directory: 16 bytes; undefined for an immutable one.
 * @throws {@link CapConstraintError} for a child that cannot stand there, TypeError for metadata that
 *   are no JSON.
 */
export async function packEntry(
  name: string,
  child: IFilesystemNode,
  metadata: Readonly<MetadataObject>,
  writekey: Uint8Array | undefined,
  { deepImmutable = false, crypto = defaultCrypto }: PackOptions = {},
): Promise<Uint8Array> {
  child.raiseError()
  if (deepImmutable && !child.allowedInImmutableDirectory) {
    throw new MustBeDeepImmutableError('expected an immutable child', { childName: name })
  }
  const writeCap = child.writeUri === undefined ? nothing : capBytes(child.cap)
  const readCap = child.readonlyUri === undefined ? nothing : capBytes(child.readCap)
  const writeCapSlot =
    writekey === undefined ? nothing : await encryptWriteCap(writeCap, writekey, crypto)
  const fields = [
    encoder.encode(name),
    stripImpliedPrefix(readCap, deepImmutable),
    writeCapSlot,
    encoder.encode(formatMetadata(metadata)),
  ]
  return netstringOfNetstrings(fields)
}

/**
 * The content of a new directory's file.
 *
 * @param children - by names, which need not be normalised; of two that become one, the later counts.
 *   Metadata are taken as they are, and are empty where there are none.
 * @param writekey - of the directory: 16 bytes; undefined for an immutable one.
 * @throws {@link CapConstraintError}, {@link BadChildNameError}, {@link EmptyPathnameComponentError};
 *   TypeError for metadata that are no JSON.
 * @see allmydata.dirnode.pack_children
 */
export async function packChildren(
  children: ReadonlyMap<string, NewChild>,
  writekey: Uint8Array | undefined,
  options: PackOptions = {},
): Promise<Uint8Array> {
  const packed = new Map<string, Uint8Array>()
  for (const [name, { node, metadata = {} }] of children) {
    const normalized = newName(name)
    packed.set(normalized, await packEntry(normalized, node, metadata, writekey, options))
  }
  const names = [...packed.keys()].toSorted(compareNames)
  return concatBytes(names.map((name) => packed.get(name) ?? nothing))
}
