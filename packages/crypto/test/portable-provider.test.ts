import { portableCrypto } from '@lafs/crypto/portable'
import { testProvider } from './provider-suite.ts'

testProvider(portableCrypto)
