import type { Client, History } from '@lafs/client'
import type { IDirectoryNode, IFileNode, IFilesystemNode } from '@lafs/filesystem-interface'
import type { StorageServer } from '@lafs/storage-server'
import type { Clock } from '@lafs/storage-protocol/waiting'
import type { Blacklist } from './blacklist.ts'
import type { GatewayRequest } from './exchange.ts'
import type { OperationHandles } from './operations.ts'
import type { RequestArguments } from './request/arguments.ts'
import type { RequestForm } from './request/form.ts'
import type { NodeStatistics } from './statistics.ts'

/** What every handler works with: the node behind the gateway. */
export interface GatewayContext {
  readonly client: Client
  /** The operations that the client remembers. */
  readonly history: History
  readonly operations: OperationHandles
  readonly statistics: NodeStatistics
  readonly clock: Clock
  /** What is said of the node on its pages. */
  readonly node: NodeFacts
  /** The storage server of the same node; undefined where it has none. */
  readonly storage: StorageServer | undefined
  /** Where uploads wait whose key is made from all of their content. */
  readonly temporaryFolder: string
  /** What nobody may read through this node. */
  readonly blacklist: Blacklist
  /** What is served below `/static`. */
  readonly staticFolder: string | undefined
  /** What opens `/private`. */
  readonly apiAuthToken: string | undefined
}

/** What a node says of itself. */
export interface NodeFacts {
  readonly nickname: string
  /** `v0-` and the base32 of its Ed25519 key. */
  readonly nodeId: string
  /** Such as `lafs/0.1.0`. */
  readonly version: string
  /** When it started: milliseconds since 1970. */
  readonly startedMs: number
  /** A line about each thing that the node is asked for and does without; never a secret. */
  readonly notes?: readonly string[]
}

/** One request under way. */
export interface Exchange {
  readonly context: GatewayContext
  readonly request: GatewayRequest
  /** The parts of the path, decoded, without the empty one in front. */
  readonly path: readonly string[]
  /** The query and the fields of the form. */
  readonly args: RequestArguments
  /** What a POST carries as a form, read to its end; undefined for anything else. */
  readonly form: RequestForm | undefined
}

/** A request about something in the file store. */
export interface NodeExchange<Node extends IFilesystemNode = IFilesystemNode> extends Exchange {
  readonly node: Node
  /** The directory that the path led through last, and the name in it; undefined for a bare cap. */
  readonly parent: { readonly directory: IDirectoryNode; readonly name: string } | undefined
  /** What the address calls it; undefined where that ends with the cap. */
  readonly name: string | undefined
}

/** A request about a file. */
export type FileExchange = NodeExchange<IFileNode>
/** A request about a directory. */
export type DirectoryExchange = NodeExchange<IDirectoryNode>
/** Something that this version does not know. */
export type UnknownExchange = NodeExchange

/** A request about a name under which nothing stands yet. */
export interface PlaceholderExchange extends Exchange {
  readonly parent: { readonly directory: IDirectoryNode; readonly name: string }
}
