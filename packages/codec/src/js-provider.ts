import type { CodecProvider } from '@lafs/codec-interface'
import { multiply } from './gf256.ts'
import { interpolationMatrix } from './matrix.ts'
import { createCodecProvider, range } from './provider.ts'

/** Output rows that share one table look-up: their four products are packed into 32 bits. */
const ROWS = 4

/** Columns worked through at once, so that their sums stay in the first-level cache. */
const COLUMNS = 4096

/** Whether byte 0 of a 32-bit word is its lowest, as in nearly all machines. */
const LITTLE_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1

/** For each input, the 256 packed products: byte r of entry x is `rows[r][input]` · x. */
function packedTables(rows: readonly Uint8Array[]): Int32Array[] {
  return range(rows[0]!.length).map((input) => {
    const table = new Int32Array(256)
    for (const [r, row] of rows.entries())
      for (let x = 1; x < 256; x++) table[x]! |= multiply(row[input]!, x) << (8 * r)
    return table
  })
}

/** Three inputs with their tables: they are taken in threes, so that a sum is loaded once for three. */
interface Three {
  readonly a: Uint8Array
  readonly b: Uint8Array
  readonly c: Uint8Array
  readonly tableA: Int32Array
  readonly tableB: Int32Array
  readonly tableC: Int32Array
}

/** The inputs in threes; the last three are filled up with what adds nothing. */
function inThrees(inputs: readonly Uint8Array[], tables: readonly Int32Array[]): Three[] {
  const nothing = new Int32Array(256)
  const input = (j: number): Uint8Array => inputs[j] ?? inputs[0]!
  const table = (j: number): Int32Array => tables[j] ?? nothing
  return range(Math.ceil(inputs.length / 3)).map((i) => ({
    a: input(3 * i),
    b: input(3 * i + 1),
    c: input(3 * i + 2),
    tableA: table(3 * i),
    tableB: table(3 * i + 1),
    tableC: table(3 * i + 2),
  }))
}

/** Adds the packed products of three inputs to the sums of columns `[from, to)`. */
function add(sums: Int32Array, from: number, to: number, three: Three): void {
  const { a, b, c, tableA, tableB, tableC } = three
  for (let i = from; i < to; i++)
    sums[i - from]! ^= tableA[a[i]!]! ^ tableB[b[i]!]! ^ tableC[c[i]!]!
}

/**
 * Adds the last three inputs and writes the outputs, four columns at a time: a transposition of 4 × 4
 * bytes. `to - from` is a multiple of 4.
 */
function finish(
  sums: Int32Array,
  from: number,
  to: number,
  three: Three,
  [out0, out1, out2, out3]: readonly Int32Array[],
): void {
  const { a, b, c, tableA, tableB, tableC } = three
  for (let i = from; i < to; i += 4) {
    const s = i - from
    const s0 = sums[s]! ^ tableA[a[i]!]! ^ tableB[b[i]!]! ^ tableC[c[i]!]!
    const s1 = sums[s + 1]! ^ tableA[a[i + 1]!]! ^ tableB[b[i + 1]!]! ^ tableC[c[i + 1]!]!
    const s2 = sums[s + 2]! ^ tableA[a[i + 2]!]! ^ tableB[b[i + 2]!]! ^ tableC[c[i + 2]!]!
    const s3 = sums[s + 3]! ^ tableA[a[i + 3]!]! ^ tableB[b[i + 3]!]! ^ tableC[c[i + 3]!]!
    const even01 = (s0 & 0x00ff00ff) | ((s1 & 0x00ff00ff) << 8)
    const odd01 = ((s0 >>> 8) & 0x00ff00ff) | (s1 & 0xff00ff00)
    const even23 = (s2 & 0x00ff00ff) | ((s3 & 0x00ff00ff) << 8)
    const odd23 = ((s2 >>> 8) & 0x00ff00ff) | (s3 & 0xff00ff00)
    const word = i >> 2
    out0![word] = (even01 & 0xffff) | (even23 << 16)
    out1![word] = (odd01 & 0xffff) | (odd23 << 16)
    out2![word] = (even01 >>> 16) | (even23 & 0xffff0000)
    out3![word] = (odd01 >>> 16) | (odd23 & 0xffff0000)
  }
}

/** Makes up to four outputs. */
function combineRows(
  rows: readonly Uint8Array[],
  inputs: readonly Uint8Array[],
  outputs: readonly Uint8Array[],
): void {
  const threes = inThrees(inputs, packedTables(rows))
  const last = threes.pop()!
  const size = inputs[0]!.length
  const sums = new Int32Array(COLUMNS)
  // Outputs that lie across 32-bit words are written byte by byte, which is slower.
  const inWords = LITTLE_ENDIAN && outputs.every(({ byteOffset }) => byteOffset % 4 === 0)
  const words = inWords ? Math.floor(size / 4) : 0
  const wordOutputs = outputs.map(
    ({ buffer, byteOffset }) => new Int32Array(buffer, inWords ? byteOffset : 0, words),
  )
  while (wordOutputs.length < ROWS) wordOutputs.push(new Int32Array(words))
  for (let from = 0; from < size; from += COLUMNS) {
    const to = Math.min(from + COLUMNS, size)
    const toWord = Math.max(from, Math.min(to, 4 * words))
    sums.fill(0)
    for (const three of threes) add(sums, from, to, three)
    finish(sums, from, toWord, last, wordOutputs)
    // The columns past the last whole word.
    const rest = sums.subarray(toWord - from)
    add(rest, toWord, to, last)
    for (const [r, output] of outputs.entries())
      for (let i = toWord; i < to; i++) output[i] = rest[i - toWord]! >>> (8 * r)
  }
}

function interpolate(
  have: readonly number[],
  inputs: readonly Uint8Array[],
  want: readonly number[],
  into: readonly Uint8Array[] | undefined,
): Uint8Array[] {
  const matrix = interpolationMatrix(have, want)
  const outputs = want.map((_, i) => into?.[i] ?? new Uint8Array(inputs[0]!.length))
  for (let row = 0; row < want.length; row += ROWS)
    combineRows(matrix.slice(row, row + ROWS), inputs, outputs.slice(row, row + ROWS))
  return outputs
}

/** The erasure code in plain JavaScript: runs everywhere, on the calling thread. */
export const jsCodec: CodecProvider = createCodecProvider(
  'js',
  { threaded: false, kernel: 'packed32' },
  {
    encode: ({ requiredShares }, blocks, want, into) =>
      interpolate(range(requiredShares), blocks, want, into),
    decode: (_params, blocks, have, missing, into) => interpolate(have, blocks, missing, into),
  },
)
