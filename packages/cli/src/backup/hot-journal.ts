import {
  closeSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'

// offset size  a header of the journal, padded to the size of a sector; then the pages of its segment
//      0    8  MAGIC
//      8    4  how many pages follow; 0xffffffff: all up to the end of the file
//     12    4  nonce, with which checksums begin
//     16    4  how many pages the database had
//     20    4  size of a sector
//     24    4  size of a page
// A page: 4 bytes of its number from 1 on, its content, 4 bytes of a checksum.
const MAGIC = 'd9d505f920a163d7'
const HEADER_SIZE = 28
const TO_THE_END = 0xff_ff_ff_ff
/** The checksum adds up a byte in so many. */
const CHECKSUM_STRIDE = 200

/**
 * Undoes what a process had changed in an SQLite database when it was killed in the midst of a
 * transaction, upstream's as well as ours: puts the pages of the rollback journal back and removes it.
 * The build of SQLite in use here does not: it takes its own lock for that of a living process.
 *
 * To be called only when no process can be using the database. A journal beside an empty database is that
 * of one which stood there before, and goes with nothing put back.
 *
 * @see SQLite's file format, "The Rollback Journal"
 */
export function rollBackHotJournal(file: string): void {
  const journal = readFileSync(`${file}-journal`)
  const database = openSync(file, 'r+')
  try {
    if (fstatSync(database).size > 0) {
      putBack(new DataView(journal.buffer, journal.byteOffset, journal.length), database)
      fsyncSync(database)
    }
  } finally {
    closeSync(database)
  }
  rmSync(`${file}-journal`)
  const folder = openSync(dirname(file), 'r')
  fsyncSync(folder)
  closeSync(folder)
}

function putBack(journal: DataView, database: number): void {
  let at = 0
  for (let isFirst = true; ; isFirst = false) {
    const header = readHeader(journal, at)
    if (header === undefined) return
    const { pageSize, sectorSize, pageCountBefore } = header
    if (isFirst) ftruncateSync(database, pageCountBefore * pageSize)
    at += sectorSize
    const recordSize = 4 + pageSize + 4
    const rest = Math.floor((journal.byteLength - at) / recordSize)
    const count = header.count === TO_THE_END ? rest : Math.min(header.count, rest)
    for (let index = 0; index < count; index++, at += recordSize) {
      const pageNumber = journal.getUint32(at)
      const page = new Uint8Array(journal.buffer, journal.byteOffset + at + 4, pageSize)
      // What comes after a record that was not written whole was never relied on.
      if (pageNumber === 0) return
      if (checksum(header.nonce, page) !== journal.getUint32(at + 4 + pageSize)) return
      if (pageNumber <= pageCountBefore) {
        writeSync(database, page, 0, pageSize, (pageNumber - 1) * pageSize)
      }
    }
    at = Math.ceil(at / sectorSize) * sectorSize
  }
}

interface JournalHeader {
  readonly count: number
  readonly nonce: number
  readonly pageCountBefore: number
  readonly sectorSize: number
  readonly pageSize: number
}

/** @returns undefined where no segment begins. */
function readHeader(journal: DataView, at: number): JournalHeader | undefined {
  if (at + HEADER_SIZE > journal.byteLength) return undefined
  const magic = journal.getBigUint64(at).toString(16)
  const sectorSize = journal.getUint32(at + 20)
  const pageSize = journal.getUint32(at + 24)
  const isSound = magic === MAGIC && isPowerOfTwo(sectorSize) && isPowerOfTwo(pageSize)
  if (!isSound || sectorSize < 32 || pageSize < 512 || pageSize > 65_536) return undefined
  return {
    count: journal.getUint32(at + 8),
    nonce: journal.getUint32(at + 12),
    pageCountBefore: journal.getUint32(at + 16),
    sectorSize,
    pageSize,
  }
}

function checksum(nonce: number, page: Uint8Array): number {
  let sum = nonce
  for (let at = page.length - CHECKSUM_STRIDE; at > 0; at -= CHECKSUM_STRIDE) {
    sum = (sum + (page[at] ?? 0)) >>> 0
  }
  return sum
}

function isPowerOfTwo(number: number): boolean {
  return number > 0 && (number & (number - 1)) === 0
}
