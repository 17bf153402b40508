import { uriExtensionHash } from '@lafs/crypto'
import {
  CHK_HEADER_SIZE_MAX,
  parseChkHeader,
  parseUriExtensionSize,
} from '@lafs/storage-protocol/layout'
import type { ChkLayout } from '@lafs/storage-protocol/layout'
import { unpackUriExtension } from '@lafs/uri'
import type { ImmutableShareFile } from './share-file.ts'

/** What the file of an immutable share says of itself. */
export interface ChkShareContents {
  readonly layout: ChkLayout
  readonly uriExtension: ReturnType<typeof unpackUriExtension>
  /** Bytes of the URI extension block. */
  readonly uriExtensionSize: number
  readonly uriExtensionHash: Uint8Array
}

/** Where things are in an immutable share. */
export async function readChkLayout(share: ImmutableShareFile): Promise<ChkLayout> {
  return parseChkHeader(await share.read(0, CHK_HEADER_SIZE_MAX))
}

/** Reads what stands around the blocks of an immutable share. */
export async function readChkShare(share: ImmutableShareFile): Promise<ChkShareContents> {
  const layout = await readChkLayout(share)
  const { fieldSize, offsets } = layout
  const sizeField = await share.read(offsets.uriExtension, fieldSize)
  const size = parseUriExtensionSize(sizeField, fieldSize)
  const packed = await share.read(offsets.uriExtension + fieldSize, size)
  return {
    layout,
    uriExtension: unpackUriExtension(packed),
    uriExtensionSize: packed.length,
    uriExtensionHash: uriExtensionHash(packed),
  }
}
