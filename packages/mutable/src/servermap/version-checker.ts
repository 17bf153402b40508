import { isEncodingError, sskPubkeyFingerprintHash } from '@lafs/crypto'
import type { RsaVerifyingKey } from '@lafs/crypto'
import {
  BadShareError,
  CorruptShareError,
  type ShareErrorDetails,
} from '@lafs/filesystem-interface'
import type { MutableShareHeader } from '@lafs/storage-protocol/layout'
import type { MutableFile } from '../file.ts'
import type { FoundShare } from './found-share.ts'
import type { ServerRequests } from './requests.ts'
import { type VersionInfo, versionInfoOf } from './version-info.ts'

/**
 * Tells the versions that the owner of a file has signed. Each version's signature is checked once,
 * and the public key is kept in the file.
 */
export class VersionChecker {
  readonly #file: MutableFile
  readonly #requests: ServerRequests
  readonly #verified = new Map<string, Promise<boolean>>()
  #publicKey: Promise<RsaVerifyingKey> | undefined
  /** Milliseconds spent on signatures. */
  verifyMs = 0

  constructor(file: MutableFile, requests: ServerRequests) {
    this.#file = file
    this.#requests = requests
  }

  /**
   * The version of a share. Mostly everything that this needs has been read, and no request is made.
   *
   * @throws {@link BadShareError} unless the owner of the file signed it; what servers say.
   */
  async check(share: FoundShare, header: MutableShareHeader): Promise<VersionInfo> {
    const { server, shareNumber, reader } = share
    const details = { serverId: server.serverId, shareNumber }
    const version = versionInfoOf(header)
    if (shareNumber >= version.totalShares) {
      throw new BadShareError(`expected a share below ${version.totalShares}`, details)
    }
    await this.#requests.within(server, (options) =>
      reader.load(['signature', 'verificationKey'], options),
    )
    this.#file.verifyingKey ??= await this.#importPublicKey(await reader.verificationKey(), details)
    if (!(await this.#isSigned(version, await reader.signature(), this.#file.verifyingKey))) {
      throw new CorruptShareError('the signature is invalid', details)
    }
    return version
  }

  async #importPublicKey(der: Uint8Array, details: ShareErrorDetails): Promise<RsaVerifyingKey> {
    const { crypto } = this.#file.context
    if (!crypto.timingSafeEqual(sskPubkeyFingerprintHash(der, crypto), this.#file.fingerprint)) {
      throw new CorruptShareError('the public key does not fit the fingerprint', details)
    }
    this.#publicKey ??= crypto.importRsaVerifyingKey(der)
    try {
      return await this.#publicKey
    } catch (cause) {
      if (!isEncodingError(cause)) throw cause
      throw new CorruptShareError('the public key is not one of RSA-2048', { ...details, cause })
    }
  }

  async #isSigned(
    { id, header }: VersionInfo,
    signature: Uint8Array,
    key: RsaVerifyingKey,
  ): Promise<boolean> {
    const known = this.#verified.get(id)
    if (known !== undefined && (await known)) return true
    const { clock } = this.#file.context
    const beginMs = clock.nowMs()
    const verified = key.verify(signature, header.prefix)
    this.#verified.set(id, verified)
    const good = await verified
    this.verifyMs += clock.nowMs() - beginMs
    return good
  }
}
