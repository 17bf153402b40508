import { isDirectoryNode, isMutableFileNode } from '@lafs/filesystem-interface'
import type { ChildMetadata, DirectoryChild, IFilesystemNode } from '@lafs/filesystem-interface'
import { MDMF_VERSION } from '@lafs/storage-interface'

/** What `t=json` says of a node, by upstream's names. */
export type NodeJson = readonly [type: 'filenode' | 'dirnode' | 'unknown', facts: NodeFactsJson]

/** The facts of a {@link NodeJson}; those that are undefined are left out. */
interface NodeFactsJson {
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

/** An entry of a directory, as its listing shows it. */
function entryJson({ node, metadata }: DirectoryChild): NodeJson {
  const { rw_uri, ro_uri, verify_uri } = capFacts(node)
  const facts = isDirectoryNode(node) ? { mutable: node.mutable } : fileFacts(node, node.size)
  return [nodeType(node), { ...facts, metadata, rw_uri, ro_uri, verify_uri }]
}

/**
 * A file.
 *
 * @param size - bytes.
 * @param metadata - of the entry that led to it, if one did.
 * @see allmydata.web.filenode._file_json_metadata
 */
export function fileJson(
  node: IFilesystemNode,
  size: number | undefined,
  metadata: ChildMetadata | undefined,
): NodeJson {
  const { ro_uri, rw_uri, verify_uri } = capFacts(node)
  return [nodeType(node), { ...fileFacts(node, size), ro_uri, rw_uri, verify_uri, metadata }]
}

/**
 * Something that this version does not know.
 *
 * @param inImmutable - whether it was found in an immutable directory.
 * @param metadata - of the entry that led to it, if one did.
 * @see allmydata.web.directory.UnknownJSONMetadata
 */
export function unknownJson(
  node: IFilesystemNode,
  inImmutable: boolean,
  metadata: ChildMetadata | undefined,
): NodeJson {
  const { ro_uri, rw_uri } = capFacts(node)
  const immutable = inImmutable || !node.mutable
  const mutable = rw_uri !== undefined ? true : immutable ? false : undefined
  return ['unknown', { ro_uri, rw_uri, mutable, metadata }]
}

function nodeType(node: IFilesystemNode): NodeJson[0] {
  if (node.unknown) return 'unknown'
  return isDirectoryNode(node) ? 'dirnode' : 'filenode'
}

function capFacts(node: IFilesystemNode): Pick<NodeFactsJson, 'ro_uri' | 'rw_uri' | 'verify_uri'> {
  return {
    ro_uri: node.readonlyUri,
    rw_uri: node.writeUri,
    verify_uri: node.verifyCap?.format(),
  }
}

function fileFacts(node: IFilesystemNode, size: number | undefined): NodeFactsJson {
  if (node.unknown) return {}
  if (!isMutableFileNode(node)) return { mutable: false, format: 'CHK', size }
  return { mutable: true, format: node.version === MDMF_VERSION ? 'MDMF' : 'SDMF', size }
}
