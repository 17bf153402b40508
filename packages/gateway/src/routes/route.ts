import type { Exchange } from '../context.ts'
import type { GatewayResponse } from '../exchange.ts'

/** One row of the web API: the table in docs/spec/web-api.md is made from these. */
export interface Route<On extends Exchange> {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE'
  /** The argument `t`; empty for none, `*` for any. HEAD is GET without the body. */
  readonly t: string
  /** The arguments that it knows, beside `t`. */
  readonly args: readonly string[]
  /** What it does, in a few words. */
  readonly summary: string
  readonly handle: (exchange: On) => Promise<GatewayResponse>
}

/** A row for paths of their own. */
export interface PathRoute extends Route<Exchange> {
  /** Such as `/operations/:handle`; a part that begins with a colon is any, and `*` at the end the rest. */
  readonly path: string
}
