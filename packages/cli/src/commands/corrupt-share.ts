import { open } from 'node:fs/promises'
import { resolve } from 'node:path'
import { readChkLayout } from '../chk-share.ts'
import type { CommandContext } from '../command-context.ts'
import { CommandError, UsageError } from '../failure.ts'
import { readMutableShare } from '../mutable-share.ts'
import { writeOutcome } from '../outcome.ts'
import type { JsonOption } from '../outcome.ts'
import { IMMUTABLE_DATA_OFFSET, MUTABLE_DATA_OFFSET, withShareFile } from '../share-file.ts'

/** The options of `debug corrupt-share`. */
export interface CorruptShareOptions extends JsonOption {
  /** Only `block-random` is known: any bit of the blocks. */
  readonly offset: string
}

/** A span of a file, in bytes; `end` exclusive. */
interface Span {
  readonly start: number
  readonly end: number
}

/** Flips one bit of the blocks of a share, by chance, and says which. @see allmydata.scripts.debug.corrupt_share */
export async function corruptShareCommand(
  context: CommandContext,
  file: string,
  options: CorruptShareOptions,
): Promise<void> {
  if (options.offset !== 'block-random') throw new UsageError('expected block-random as the offset')
  const path = resolve(context.terminal.cwd, file)
  const { start, end } = await blocksOf(path)
  if (start >= end)
    throw new CommandError('CLI_BAD_SHARE', 'expected a share with blocks, got none')
  const at = start + Math.floor(Math.random() * (end - start))
  const bit = Math.floor(Math.random() * 8)
  await flip(path, at, bit)
  await writeOutcome(context, options, `[${start}..${end}):  ${at}.b${bit}`, {
    file: path,
    blocks: { start, end },
    flipped: { offset: at, bit },
  })
}

/** Where the blocks of a share stand in its file. */
async function blocksOf(path: string): Promise<Span> {
  return withShareFile(path, async (share) => {
    if (share.kind === 'immutable') {
      const { offsets } = await readChkLayout(share)
      return shifted(offsets.data, offsets.plaintextHashTree, IMMUTABLE_DATA_OFFSET)
    }
    const contents = await readMutableShare(share)
    if (contents === undefined) {
      throw new CommandError('CLI_BAD_SHARE', 'expected a mutable share of a known format')
    }
    const { offset, end } = contents.header.sections.shareData
    return shifted(offset, end, MUTABLE_DATA_OFFSET)
  })
}

function shifted(offset: number, end: number, by: number): Span {
  return { start: by + offset, end: by + end }
}

async function flip(path: string, offset: number, bit: number): Promise<void> {
  const file = await open(path, 'r+')
  try {
    const byte = new Uint8Array(1)
    const { bytesRead } = await file.read(byte, 0, 1, offset)
    if (bytesRead < 1) throw new CommandError('CLI_BAD_SHARE', 'expected all blocks in the file')
    byte[0] = (byte[0] ?? 0) ^ (1 << bit)
    await file.write(byte, 0, 1, offset)
  } finally {
    await file.close()
  }
}
