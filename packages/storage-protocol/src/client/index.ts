export { GatheredBody, type HeaderReader } from '../http.ts'
export { createHttpStorageServer, type HttpStorageServerOptions } from './client.ts'
export {
  type IncomingResponse,
  type OutgoingRequest,
  responseTooLong,
  type SendRequest,
} from './exchange.ts'
