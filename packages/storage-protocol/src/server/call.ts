import type { RIStorageServer } from '@lafs/storage-interface'
import type { SecretKind } from '../auth.ts'
import type { RouteMatch } from '../routes.ts'
import type { StorageRequest } from './types.ts'
import type { Uploads } from './uploads.ts'

/** One request whose path, swissnum and secrets are good, and what it is served from. */
export interface Call {
  readonly server: RIStorageServer
  readonly uploads: Uploads
  readonly request: StorageRequest
  readonly match: RouteMatch
  /** The secret of a kind that the route asks for. */
  readonly secret: (kind: SecretKind) => Uint8Array
  /** Told of failures that the client only sees as a 500. */
  readonly onFault: ((error: unknown) => void) | undefined
}
