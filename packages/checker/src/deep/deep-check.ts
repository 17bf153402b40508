import type {
  DeepCheckOptions,
  DeepStats,
  ICheckAndRepairResults,
  ICheckResults,
  IDeepCheckable,
  IDirectoryNode,
  IFilesystemNode,
} from '@lafs/filesystem-interface'
import type { OperationOptions } from '@lafs/storage-interface'
import type { CheckerContext } from '../context.ts'

/** Options of {@link deepCheckEntries}. */
export interface DeepCheckEntriesOptions extends DeepCheckOptions, OperationOptions {
  /** Mend what is not healthy. Default: false. */
  readonly repair?: boolean | undefined
}

/** What a deep check tells of one object, and of the whole at its end. */
export type DeepCheckEntry =
  | {
      readonly type: 'object'
      readonly path: readonly string[]
      readonly node: IFilesystemNode
      /** Undefined where nothing is stored (LIT), for what is unknown, and with `repair`. */
      readonly results: ICheckResults | undefined
      /** Undefined where nothing is stored (LIT), for what is unknown, and without `repair`. */
      readonly repair: ICheckAndRepairResults | undefined
    }
  /** A directory could not be read, or an object not be checked or repaired; the walk goes on. */
  | {
      readonly type: 'failure'
      readonly path: readonly string[]
      readonly node: IFilesystemNode
      readonly error: unknown
    }
  | { readonly type: 'stats'; readonly stats: DeepStats }

/** Checks everything that can be reached from a directory, each object once, many at a time. */
export async function* deepCheckEntries(
  root: IDirectoryNode,
  context: CheckerContext,
  options: DeepCheckEntriesOptions = {},
): AsyncGenerator<DeepCheckEntry> {
  throw new Error(`not there yet: ${root.uri} ${String(context)} ${String(options)}`)
  yield { type: 'failure', path: [], node: root, error: undefined }
}

/** A directory whose whole tree can be checked. @see allmydata.interfaces.IDeepCheckable */
export function createDeepCheckable(root: IDirectoryNode, context: CheckerContext): IDeepCheckable {
  throw new Error(`not there yet: ${root.uri} ${String(context)}`)
}
