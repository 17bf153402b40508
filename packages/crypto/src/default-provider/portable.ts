export { portableCrypto as defaultCrypto } from '../portable-provider.ts'
