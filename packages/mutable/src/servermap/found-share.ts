import type { IServer, IStorageServer, ShareNumber } from '@lafs/storage-interface'
import type { MutableShareReader } from '@lafs/storage-protocol/layout'

/** A share as a server gave it, and how to read more of it. Nothing of it is proven. */
export interface FoundShare {
  readonly server: IServer
  readonly storage: IStorageServer
  readonly shareNumber: ShareNumber
  /** Its first bytes. */
  readonly bytes: Uint8Array
  /** Whether they are all of it. */
  readonly complete: boolean
  readonly reader: MutableShareReader
}
