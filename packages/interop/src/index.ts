export { describeWithUpstream, upstreamAbsence, upstreamFolder } from './upstream.ts'
export { startUpstreamClient, startUpstreamServer, tahoe } from './upstream-node.ts'
export type {
  UpstreamClient,
  UpstreamEncoding,
  UpstreamNode,
  UpstreamServer,
} from './upstream-node.ts'
export { readGridShares, readStoredShares, sharesFolder } from './stored-shares.ts'
export type { StoredShareFile } from './stored-shares.ts'
export { temporaryFolder } from './temporary-folder.ts'
export { createResourceStack } from './resource-stack.ts'
export type { ResourceStack } from './resource-stack.ts'
export { startOwnServer } from './own-server.ts'
export type { OwnServer } from './own-server.ts'
