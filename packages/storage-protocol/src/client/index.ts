export { createHttpStorageServer, type HttpStorageServerOptions } from './client.ts'
export type { IncomingResponse, OutgoingRequest, SendRequest } from './exchange.ts'
