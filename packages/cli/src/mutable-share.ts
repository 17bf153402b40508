import { createMutableShareReader } from '@lafs/storage-protocol/layout'
import type { MutableShareHeader, MutableShareReaderOptions } from '@lafs/storage-protocol/layout'
import type { MutableShareFile } from './share-file.ts'

/** What the file of a mutable share says of itself. */
export interface MutableShareContents {
  readonly format: 'SDMF' | 'MDMF'
  readonly header: MutableShareHeader
  readonly verificationKey: Uint8Array
  /** The numbers of the nodes in the share hash chain, in the order of the share. */
  readonly shareHashNodes: readonly number[]
}

/**
 * Reads what stands around the blocks of a mutable share; undefined when its first byte names no format.
 *
 * @throws BadShareError when it makes no sense.
 */
export async function readMutableShare(
  share: MutableShareFile,
): Promise<MutableShareContents | undefined> {
  const [version] = await share.read(0, 1)
  if (version !== 0 && version !== 1) return undefined
  const server: MutableShareReaderOptions['server'] = {
    slotReadv: async (_index, _shareNumbers, vectors) => {
      const reads = vectors.map(({ offset, size }) => share.read(offset, size))
      return new Map([[0, await Promise.all(reads)]])
    },
  }
  const storageIndex = new Uint8Array(16)
  const reader = createMutableShareReader({ server, storageIndex, shareNumber: 0 })
  return {
    format: version === 0 ? 'SDMF' : 'MDMF',
    header: await reader.header(),
    verificationKey: await reader.verificationKey(),
    shareHashNodes: [...(await reader.shareHashChain()).keys()],
  }
}

/** Where things begin in a mutable share, as upstream's dump names them, in the order of the header. */
export function mutableOffsets({
  version,
  sections,
  shareEnd,
}: MutableShareHeader): readonly (readonly [name: string, offset: number])[] {
  const verificationKey = sections.verificationKey
  return version === 0
    ? [
        ['signature', sections.signature.offset],
        ['share_hash_chain', sections.shareHashChain.offset],
        ['block_hash_tree', sections.blockHashTree.offset],
        ['block data', sections.shareData.offset],
        ['enc_privkey', sections.encryptedPrivateKey.offset],
        ['end of share data', shareEnd],
      ]
    : [
        ['enc_privkey', sections.encryptedPrivateKey.offset],
        ['share_hash_chain', sections.shareHashChain.offset],
        ['signature', sections.signature.offset],
        ['pubkey', verificationKey.offset],
        ['end of pubkey', verificationKey.end],
        ['block data', sections.shareData.offset],
        ['block_hash_tree', sections.blockHashTree.offset],
        ['end of share data', shareEnd],
      ]
}
