export { nodeCrypto as defaultCrypto } from '../node-provider.ts'
