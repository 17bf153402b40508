import { isDirectoryNode, isMutableFileNode } from '@lafs/filesystem-interface'
import type { ChildMetadata, DirectoryChild, IFilesystemNode } from '@lafs/filesystem-interface'
import { MDMF_VERSION } from '@lafs/storage-interface'

/** What upstream's web API says of a node with `t=json`, by its names. */
export type NodeJson = readonly [type: 'filenode' | 'dirnode' | 'unknown', facts: NodeFacts]

/** The facts of a {@link NodeJson}; those that are undefined are left out. */
interface NodeFacts {
  readonly children?: ReadonlyMap<string, NodeJson>
  readonly mutable?: boolean | undefined
  readonly format?: 'CHK' | 'SDMF' | 'MDMF'
  /** Bytes of a file, where that is known. */
  readonly size?: number | undefined
  readonly metadata?: ChildMetadata | undefined
  readonly rw_uri?: string | undefined
  readonly ro_uri?: string | undefined
  readonly verify_uri?: string | undefined
}

/** An entry of a directory, as its listing shows it. @see allmydata.web.directory._directory_json_metadata */
function entryJson({ node, metadata }: DirectoryChild): NodeJson {
  const { rw_uri, ro_uri, verify_uri } = capFacts(node)
  const kind = isDirectoryNode(node) ? { mutable: node.mutable } : fileFacts(node, node.size)
  return [nodeType(node), { ...kind, metadata, rw_uri, ro_uri, verify_uri }]
}

/**
 * A directory with its entries.
 *
 * @see allmydata.web.directory._directory_json_metadata
 */
export function directoryJson(
  node: IFilesystemNode,
  children: ReadonlyMap<string, DirectoryChild>,
): NodeJson {
  const entries = new Map([...children].map(([name, child]) => [name, entryJson(child)]))
  const { ro_uri, rw_uri, verify_uri } = capFacts(node)
  return ['dirnode', { children: entries, ro_uri, rw_uri, verify_uri, mutable: node.mutable }]
}

/**
 * Something that is no directory.
 *
 * @param size - bytes of a file.
 * @see allmydata.web.filenode._file_json_metadata; allmydata.web.directory.UnknownJSONMetadata
 */
export function fileJson(
  node: IFilesystemNode,
  size: number | undefined,
  metadata: ChildMetadata | undefined,
): NodeJson {
  const { ro_uri, rw_uri, verify_uri } = capFacts(node)
  return [nodeType(node), { ...fileFacts(node, size), ro_uri, rw_uri, verify_uri, metadata }]
}

function nodeType(node: IFilesystemNode): NodeJson[0] {
  if (node.unknown) return 'unknown'
  return isDirectoryNode(node) ? 'dirnode' : 'filenode'
}

function capFacts(node: IFilesystemNode): Pick<NodeFacts, 'ro_uri' | 'rw_uri' | 'verify_uri'> {
  return {
    ro_uri: node.readonlyUri,
    rw_uri: node.writeUri,
    verify_uri: node.verifyCap?.format(),
  }
}

function fileFacts(node: IFilesystemNode, size: number | undefined): NodeFacts {
  if (node.unknown) return {}
  if (!isMutableFileNode(node)) return { mutable: false, format: 'CHK', size }
  return { mutable: true, format: node.version === MDMF_VERSION ? 'MDMF' : 'SDMF', size }
}
