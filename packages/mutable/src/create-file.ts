import type { RsaSigningKey } from '@lafs/crypto'
import { UncoordinatedWriteError } from '@lafs/filesystem-interface'
import type {
  CreateMutableOptions,
  IMutableFileNode,
  IMutableUploadable,
  InitialContents,
} from '@lafs/filesystem-interface'
import { MDMF_VERSION, SDMF_VERSION } from '@lafs/storage-interface'
import type { OperationOptions } from '@lafs/storage-interface'
import { MdmfCap, SskCap } from '@lafs/uri'
import type { MutableContext, MutableFile } from './file.ts'
import { MutableFileNode, createMutableFileState } from './filenode.ts'
import type { KeyPool } from './key-pool.ts'
import { deriveMutableKeys } from './keys.ts'
import { publish } from './publish/publish.ts'
import { ServerMap } from './servermap/server-map.ts'
import { updateServermap } from './servermap/updater.ts'
import { asMutableUploadable } from './version.ts'

/** What a new mutable file is made with. */
export interface CreateMutableFileOptions extends CreateMutableOptions {
  readonly context: MutableContext
  /** Gives the key where the caller brings none. */
  readonly keyPool: Pick<KeyPool, 'take'>
}

/**
 * Makes a mutable file and publishes its first version.
 *
 * @param contents - default: none, of 0 bytes. What a function gets is the node as it will be; it
 *   must not wait for operations of it.
 * @param options.version - default: {@link SDMF_VERSION}.
 * @throws {@link FilesystemError} `MUTABLE_NOT_ENOUGH_SERVERS`, `MUTABLE_UNCOORDINATED_WRITE` where the
 *   private key has a file already; `EncodingError` for a bad private key; RangeError for a version
 *   that is none.
 * @see allmydata.nodemaker.NodeMaker.create_mutable_file
 */
export async function createMutableFile(
  contents: InitialContents | undefined,
  options: CreateMutableFileOptions,
): Promise<IMutableFileNode> {
  const { context, version = SDMF_VERSION } = options
  if (version !== SDMF_VERSION && version !== MDMF_VERSION) {
    throw new RangeError(`expected version ${SDMF_VERSION} or ${MDMF_VERSION}, got ${version}`)
  }
  const signingKey = await takeKey(options)
  const keys = await deriveMutableKeys(signingKey, context.crypto)
  const Cap = version === SDMF_VERSION ? SskCap : MdmfCap
  const cap = new Cap(keys, context.crypto)
  const file = createMutableFileState(cap, context)
  file.signingKey = signingKey
  file.verifyingKey = signingKey.verifyingKey
  file.encryptedPrivateKey = keys.encryptedPrivateKey
  const node = new MutableFileNode(cap, file)
  if (options.privateKey !== undefined) await assertUnused(file, options)
  await publish(file, new ServerMap(), await uploadableOf(contents, node), options)
  return node
}

/**
 * A key that somebody has brought may have a file already. Publishing notices that by the servers that
 * have shares, but others would take shares of a rival version first.
 *
 * @throws {@link UncoordinatedWriteError} where any server has a share.
 */
async function assertUnused(file: MutableFile, { signal }: OperationOptions): Promise<void> {
  const map = await updateServermap(file, new ServerMap(), 'MODE_CHECK', {
    ...(signal && { signal }),
  })
  if (map.versionMap().size === 0 && map.badShares.size === 0) return
  throw new UncoordinatedWriteError('the private key has a file already')
}

async function takeKey(options: CreateMutableFileOptions): Promise<RsaSigningKey> {
  const { context, keyPool, privateKey, signal } = options
  if (privateKey !== undefined) return context.crypto.importRsaSigningKey(privateKey)
  return keyPool.take(signal)
}

async function uploadableOf(
  contents: InitialContents | undefined,
  node: IMutableFileNode,
): Promise<IMutableUploadable> {
  const made = typeof contents === 'function' ? await contents(node) : contents
  return asMutableUploadable(made ?? new Uint8Array())
}
