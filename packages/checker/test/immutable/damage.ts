import { parseChkHeader } from '@lafs/storage-protocol/layout'

/** A part of a CHK share: its name, and where it stands. */
export interface Field {
  readonly name: string
  readonly begin: number
  readonly end: number
}

/** Every part of a share in either layout, from its first byte to its last. */
export function fieldsOf(share: Uint8Array): Field[] {
  const { fieldSize, headerSize, offsets } = parseChkHeader(share)
  const numbers = [
    'block size',
    'data size',
    'offset of the data',
    'offset of the plaintext hash tree',
    'offset of the crypttext hash tree',
    'offset of the block hashes',
    'offset of the share hashes',
    'offset of the URI extension',
  ]
  const header = numbers.map((name, index) => ({
    name,
    begin: 4 + index * fieldSize,
    end: 4 + (index + 1) * fieldSize,
  }))
  const part = (name: string, begin: number, end: number): Field => ({ name, begin, end })
  const { uriExtension } = offsets
  return [
    part('version', 0, 4),
    ...header,
    part('first block', headerSize, headerSize + 1),
    part('last byte of the blocks', offsets.plaintextHashTree - 1, offsets.plaintextHashTree),
    part('plaintext hash tree', offsets.plaintextHashTree, offsets.crypttextHashTree),
    part(
      'root of the crypttext hash tree',
      offsets.crypttextHashTree,
      offsets.crypttextHashTree + 32,
    ),
    part('last crypttext hash', offsets.blockHashes - 32, offsets.blockHashes),
    part('root of the block hashes', offsets.blockHashes, offsets.blockHashes + 32),
    part('last block hash', offsets.shareHashes - 32, offsets.shareHashes),
    part('number of a share hash', offsets.shareHashes, offsets.shareHashes + 2),
    part('share hash', offsets.shareHashes + 2, offsets.shareHashes + 34),
    part('last share hash', uriExtension - 32, uriExtension),
    part('length of the URI extension', uriExtension, uriExtension + fieldSize),
    ...uriExtensionFields(share, uriExtension + fieldSize),
  ]
}

/** The fields of a URI extension block, each with its name. */
function uriExtensionFields(share: Uint8Array, begin: number): Field[] {
  const text = String.fromCharCode(...share.subarray(begin))
  const fields: Field[] = []
  for (let at = 0; at < text.length;) {
    const name = text.slice(at, text.indexOf(':', at))
    const sizeAt = at + name.length + 1
    const digits = text.slice(sizeAt, text.indexOf(':', sizeAt))
    const valueAt = sizeAt + digits.length + 1
    const end = valueAt + Number(digits)
    fields.push({ name: `name of ${name}`, begin: begin + at, end: begin + sizeAt })
    fields.push({ name: `length of ${name}`, begin: begin + sizeAt, end: begin + valueAt })
    fields.push({ name, begin: begin + valueAt, end: begin + end })
    at = end + 1
  }
  return fields
}

/** What may happen to a field: each gives another share, or undefined where it would be the same. */
export const damages: Readonly<
  Record<string, (share: Uint8Array, field: Field) => Uint8Array | undefined>
> = {
  'with its first bit flipped': (share, { begin }) => flipped(share, begin, 0x80),
  'with its last bit flipped': (share, { end }) => flipped(share, end - 1, 1),
  'set to zeros': (share, { begin, end }) => filled(share, begin, end, 0),
  'set to ones': (share, { begin, end }) => filled(share, begin, end, 0xff),
  'less one': (share, { begin, end }) => added(share, begin, end, -1),
  'plus one': (share, { begin, end }) => added(share, begin, end, 1),
  'plus a hash': (share, { begin, end }) => added(share, begin, end, 32),
  'cut off': (share, { begin }) => share.slice(0, begin),
  'cut short by a byte': (share, { end }) => share.slice(0, end - 1),
  'taken out': (share, { begin, end }) => joined(share.subarray(0, begin), share.subarray(end)),
  'grown by a byte': (share, { end }) =>
    joined(share.subarray(0, end), Uint8Array.of(0), share.subarray(end)),
}

export function flipped(share: Uint8Array, at: number, bits: number): Uint8Array {
  const changed = share.slice()
  changed[at] = (changed[at] ?? 0) ^ bits
  return changed
}

function filled(
  share: Uint8Array,
  begin: number,
  end: number,
  byte: number,
): Uint8Array | undefined {
  if (share.subarray(begin, end).every((old) => old === byte)) return undefined
  return share.slice().fill(byte, begin, end)
}

/** Adds to the last four bytes of a field, as to a number. */
function added(
  share: Uint8Array,
  begin: number,
  end: number,
  amount: number,
): Uint8Array | undefined {
  const changed = share.slice()
  if (end - begin < 4) return undefined
  const view = new DataView(changed.buffer)
  view.setUint32(end - 4, view.getUint32(end - 4) + amount)
  return changed
}

export function joined(...pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((size, piece) => size + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}
