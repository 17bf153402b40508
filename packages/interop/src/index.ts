export { freePort } from './free-port.ts'
export { describeWithUpstream, upstreamAbsence, upstreamFolder } from './upstream.ts'
export {
  describeServer,
  startUpstreamClient,
  startUpstreamGateway,
  startUpstreamNode,
  startUpstreamServer,
  tahoe,
} from './upstream-node.ts'
export type {
  UpstreamClient,
  UpstreamClientOptions,
  UpstreamEncoding,
  UpstreamNode,
  UpstreamServer,
} from './upstream-node.ts'
export { readGridShares, readStoredShares, sharesFolder } from './stored-shares.ts'
export type { StoredShareFile } from './stored-shares.ts'
export { temporaryFolder } from './temporary-folder.ts'
export { createResourceStack } from './resource-stack.ts'
export type { ResourceStack } from './resource-stack.ts'
export { runUpstreamCrawlers } from './upstream-crawlers.ts'
export type { UpstreamCrawl, UpstreamExpiration } from './upstream-crawlers.ts'
export { startOwnServer } from './own-server.ts'
export type { OwnServer, OwnServerOptions } from './own-server.ts'
export { startOwnGateway, startOwnNode } from './own-gateway.ts'
export type { OwnNode } from './own-gateway.ts'
export { lafs, startTahoe } from './command-line.ts'
export type { CommandLine, CommandOutcome } from './command-line.ts'
export { startMixedGrid } from './mixed-grid.ts'
export type { MixedGrid } from './mixed-grid.ts'
export {
  mutableNode,
  mutableVersions,
  ownFiles,
  upstreamFiles,
  verifiedByUpstream,
} from './mutable-files.ts'
export type { MutableFiles } from './mutable-files.ts'
export { ownDirectories, upstreamDirectories } from './directories.ts'
export type { Children, Directories, Listing, NewEntry, Walk } from './directories.ts'
