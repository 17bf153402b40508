import type { PathRoute } from './route.ts'

/** What the node says of itself. */
export const statusRoutes: readonly PathRoute[] = []
