import type { MutableContext } from '@lafs/mutable'

/** What files are checked and repaired with: the servers, the arithmetic and our lease secret. */
export type CheckerContext = MutableContext
