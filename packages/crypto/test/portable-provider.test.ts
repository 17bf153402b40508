import { portableCrypto } from '@lafs/crypto/portable'
import { testProvider } from './provider-suite.ts'
import { testRsa } from './rsa-suite.ts'

testProvider(portableCrypto)
testRsa(portableCrypto)
