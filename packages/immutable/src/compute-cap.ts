import type { CodecProvider } from '@lafs/codec-interface'
import { defaultCrypto } from '@lafs/crypto'
import type { CryptoProvider } from '@lafs/crypto'
import type { EncodingDefaults, IUploadable, ProgressOptions } from '@lafs/filesystem-interface'
import type { RIBucketWriter } from '@lafs/storage-interface'
import { ChkBucketWriter } from '@lafs/storage-protocol/layout'
import type { ChkLayoutVersion } from '@lafs/storage-protocol/layout'
import { ChkCap } from '@lafs/uri'
import type { LitCap } from '@lafs/uri'
import { concatBytes } from '@lafs/crypto'
import { systemClock } from '@lafs/storage-protocol/waiting'
import { encryptUploadable } from './encrypt.ts'
import { createEncoder, uriExtensionSize } from './encoder.ts'
import { fileGeometry, shareShape } from './geometry.ts'
import { deriveKey } from './key.ts'
import { encodingParameters, LIT_SIZE_MAX, literalCap } from './upload.ts'

/** How to encode a file without a grid. */
export interface EncodeOptions extends ProgressOptions {
  readonly codec: CodecProvider
  readonly crypto?: CryptoProvider | undefined
  readonly convergence?: Uint8Array | undefined
  readonly encoding: Omit<EncodingDefaults, 'happyShares'>
}

/**
 * The cap that a file would have, without a grid: everything is computed and nothing is stored.
 *
 * @throws {@link FilesystemError} `UPLOAD_SOURCE_CHANGED`; RangeError for bad encoding parameters.
 */
export async function computeCap(
  uploadable: IUploadable,
  options: EncodeOptions,
): Promise<ChkCap | LitCap> {
  const { cap } = await encode(uploadable, options, () => undefined)
  return cap
}

/**
 * The shares of a file, whole, in memory: what an upload would store.
 *
 * @param options.shareNumbers - which shares; default: all.
 * @param options.layoutVersion - default: the first layout that they fit into.
 * @returns no shares for a LIT file.
 * @throws as {@link computeCap}.
 */
export async function encodeToShares(
  uploadable: IUploadable,
  options: EncodeOptions & {
    readonly shareNumbers?: readonly number[] | undefined
    readonly layoutVersion?: ChkLayoutVersion | undefined
  },
): Promise<{ cap: ChkCap | LitCap; shares: Map<number, Uint8Array> }> {
  const shares = new Map<number, Uint8Array>()
  const { cap } = await encode(uploadable, options, (share) => {
    if (options.shareNumbers?.includes(share) === false) return undefined
    const pieces: Uint8Array[] = []
    return {
      write: async (_offset, more) => {
        for (const piece of more) pieces.push(piece.slice())
      },
      close: async () => {
        shares.set(share, concatBytes(pieces))
      },
      abort: async () => {},
    }
  })
  return { cap, shares }
}

async function encode(
  uploadable: IUploadable,
  options: EncodeOptions & { readonly layoutVersion?: ChkLayoutVersion | undefined },
  bucketFor: (shareNumber: number) => RIBucketWriter | undefined,
): Promise<{ cap: ChkCap | LitCap }> {
  const { codec, crypto = defaultCrypto, layoutVersion } = options
  const { size } = uploadable
  const parameters = encodingParameters(uploadable, { ...options.encoding, happyShares: 0 })
  if (size <= LIT_SIZE_MAX) return { cap: await literalCap(uploadable, options.signal) }
  const key = await deriveKey(uploadable, parameters, { ...options, crypto })
  const geometry = fileGeometry({ ...parameters, size })
  const shape = shareShape(geometry, uriExtensionSize(geometry))
  const writers = Array.from({ length: parameters.totalShares }, (_, share) => {
    const bucket = bucketFor(share)
    if (bucket === undefined) return []
    const writer = new ChkBucketWriter(
      bucket,
      shape,
      layoutVersion === undefined ? {} : { version: layoutVersion },
    )
    return [[share, { serverId: 'memory', writer }] as const]
  })
  const encrypted = encryptUploadable(uploadable, key, parameters, crypto)
  const encoder = createEncoder(encrypted, { codec, crypto, clock: systemClock })
  const { uriExtensionHash } = await encoder.start(new Map(writers.flat()), new Map(), options)
  const { requiredShares, totalShares } = parameters
  return { cap: new ChkCap({ key, uriExtensionHash, requiredShares, totalShares, size }, crypto) }
}
