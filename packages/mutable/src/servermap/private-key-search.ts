import type { RsaSigningKey } from '@lafs/crypto'
import type { IServer } from '@lafs/storage-interface'
import type { MutableShareHeader } from '@lafs/storage-protocol/layout'
import type { MutableFile } from '../file.ts'
import type { FoundShare } from './found-share.ts'
import { decryptSigningKey } from '../keys.ts'
import type { ServerRequests } from './requests.ts'

/** Private keys that are asked for at once. */
const REQUESTS_MAX = 2

/** What a {@link PrivateKeySearch} tells. */
export interface PrivateKeySearchEvents {
  /** The file has its private key now. */
  readonly onFound: (server: IServer) => void
  /** A share did not give it. */
  readonly onProblem: (server: IServer, problem: unknown) => void
  /** One try is over, whatever came of it. */
  readonly onTried: () => void
}

/** Looks for the private key of a file in the shares that are offered, until one gives it. */
export class PrivateKeySearch {
  readonly #file: MutableFile
  readonly #requests: ServerRequests
  readonly #events: PrivateKeySearchEvents
  /** Where it was not looked for yet, and whether that costs no request. */
  readonly #sources: { readonly share: FoundShare; readonly held: boolean }[] = []
  #tries = 0
  #wanted = true

  constructor(file: MutableFile, requests: ServerRequests, events: PrivateKeySearchEvents) {
    this.#file = file
    this.#requests = requests
    this.#events = events
  }

  /** Whether the key is still missing. */
  get wanted(): boolean {
    return this.#wanted
  }

  /** Whether the key is missing and may still come from a share that was offered. */
  get underWay(): boolean {
    return this.#wanted && this.#tries > 0
  }

  /** Looks no further. */
  stop(): void {
    this.#wanted = false
  }

  /** The key may be had from this share, whatever its version is worth: the write key proves it. */
  offer(share: FoundShare, { sections }: MutableShareHeader): void {
    const held = share.complete || sections.encryptedPrivateKey.end <= share.bytes.length
    if (held) this.#sources.unshift({ share, held })
    else this.#sources.push({ share, held })
    this.#proceed()
  }

  /** Tries what has been read, one share at a time; where there is nothing of that, asks servers. */
  #proceed(): void {
    while (this.#wanted) {
      const [source] = this.#sources
      if (source === undefined || this.#tries >= (source.held ? 1 : REQUESTS_MAX)) return
      this.#sources.shift()
      this.#tries += 1
      void this.#try(source.share)
    }
  }

  /** Never rejects. */
  async #try({ server, reader }: FoundShare): Promise<void> {
    try {
      const encrypted = await this.#requests.within(server, (options) =>
        reader.encryptedPrivateKey(options),
      )
      this.#found(server, await decryptSigningKey(this.#file, encrypted), encrypted)
    } catch (error) {
      if (this.#wanted) this.#events.onProblem(server, error)
    }
    this.#tries -= 1
    this.#proceed()
    this.#events.onTried()
  }

  #found(server: IServer, key: RsaSigningKey, encrypted: Uint8Array): void {
    if (!this.#wanted) return
    this.#wanted = false
    this.#file.signingKey = key
    this.#file.encryptedPrivateKey = encrypted.slice()
    this.#events.onFound(server)
  }
}
