import type { HeaderReader } from '../http.ts'

/**
 * A request as the handler needs it. A web `Request` is one; so is an object of four fields around a
 * request of node:http, which costs a tenth of one.
 */
export interface StorageRequest {
  readonly method: string
  /** A whole URL or its path; a query is ignored. */
  readonly url: string
  readonly headers: HeaderReader
  /** The pieces of the body, each owned by the handler. */
  readonly body: AsyncIterable<Uint8Array> | null
}

/**
 * What the handler answers. Whoever takes a body that is a stream calls its `return()` when it does
 * not read to the end; a stream that throws has to end the connection.
 */
export interface StorageResponse {
  readonly status: number
  /** Names in lower case. `content-length` is always there where a body may be. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array | AsyncIterableIterator<Uint8Array> | null
}

/** Serves one request. Never rejects. */
export type StorageHandler = (request: StorageRequest) => Promise<StorageResponse>
