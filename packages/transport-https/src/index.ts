export type { HttpsConnection } from './connect.ts'
export {
  createHttpsIdentity,
  type HttpsIdentity,
  httpsIdentityFromPem,
  spkiHashOf,
} from './identity.ts'
export { type HttpsTransport, httpsTransport, type HttpsTransportOptions } from './transport.ts'
