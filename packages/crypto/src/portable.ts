export { portableCrypto } from './portable-provider.ts'
