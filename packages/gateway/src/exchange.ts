/** A request to the gateway, however it came here. */
export interface GatewayRequest {
  /** In capitals. */
  readonly method: string
  /** The path and the query as they were sent: never normalized, since `..` may be a name. */
  readonly target: string
  /** Names in lower case; repeated ones are joined by `, `. */
  readonly headers: ReadonlyMap<string, string>
  /** Each piece belongs to the gateway. */
  readonly body: AsyncIterable<Uint8Array>
  /** Aborts when whoever asked has gone. */
  readonly signal: AbortSignal
}

/** What the gateway answers. */
export interface GatewayResponse {
  readonly status: number
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** Streams are pulled at the pace of the reader, and returned from early where it goes away. */
  readonly body: Uint8Array | AsyncIterable<Uint8Array>
}
