export { nodeCrypto } from './node-provider.ts'
