import { isDirectoryNode, isMutableFileNode, NotCapableError } from '@lafs/filesystem-interface'
import type { IFilesystemNode, IMutableFileNode } from '@lafs/filesystem-interface'
import {
  ChkCap,
  ChkVerifierCap,
  DirectoryCap,
  LitCap,
  MutableReadCap,
  MutableVerifierCap,
  MutableWriteCap,
  parseCap,
} from '@lafs/uri'
import type { Cap } from '@lafs/uri'

/** What can be checked: a node, or a cap (or its text) that at least verifies. */
export type CheckTarget = IFilesystemNode | Cap | string

/** What a target comes down to: nothing that is stored, an immutable file or a mutable one. */
export type ResolvedTarget =
  | { readonly kind: 'literal' }
  | { readonly kind: 'immutable'; readonly cap: ChkVerifierCap }
  | {
      readonly kind: 'mutable'
      /** The strongest cap that is known, of the file even where it holds a directory. */
      readonly cap: MutableWriteCap | MutableReadCap | MutableVerifierCap
      /** The node whose other operations are to be waited for, where there is one. */
      readonly node: IMutableFileNode | undefined
      /** The text of the cap as it was given: a directory's for a directory. */
      readonly uri: string
    }

/** A mutable file that is to be checked. */
export type MutableTarget = Extract<ResolvedTarget, { readonly kind: 'mutable' }>

/**
 * Finds out what is to be checked.
 *
 * @throws {@link NotCapableError} where the cap is not understood.
 */
export function resolveTarget(target: CheckTarget): ResolvedTarget {
  const given = typeof target === 'string' ? parseCap(target) : target
  const { node, cap } = isNode(given) ? partsOf(given) : { node: undefined, cap: given }
  const fileCap = cap instanceof DirectoryCap ? cap.filenodeCap() : cap
  if (fileCap instanceof LitCap) return { kind: 'literal' }
  if (fileCap instanceof ChkVerifierCap) return { kind: 'immutable', cap: fileCap }
  if (fileCap instanceof ChkCap) return { kind: 'immutable', cap: fileCap.verifyCap() }
  if (
    fileCap instanceof MutableWriteCap ||
    fileCap instanceof MutableReadCap ||
    fileCap instanceof MutableVerifierCap
  ) {
    return { kind: 'mutable', cap: fileCap, node, uri: cap.format() }
  }
  throw new NotCapableError('expected a cap of a known kind, got one that is not understood')
}

function isNode(target: IFilesystemNode | Cap): target is IFilesystemNode {
  return 'readonlyUri' in target
}

function partsOf(node: IFilesystemNode): { node: IMutableFileNode | undefined; cap: Cap } {
  const file = isDirectoryNode(node) ? node.fileNode : node
  // Nodes hold their caps as the uri package makes them; an unknown node may hold a verify cap.
  const cap = node.unknown ? parseCap(node.readonlyUri ?? '') : (node.cap as Cap)
  return { node: isMutableFileNode(file) ? file : undefined, cap }
}
