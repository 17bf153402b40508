import { portableCrypto } from '@lafs/crypto'
import { testProvider } from './provider-suite.ts'

testProvider(portableCrypto)
