import { jsCodec, loadWasmCodec } from '@lafs/codec'
import { testZfecVectors } from './zfec-vectors.ts'

testZfecVectors('js', jsCodec)
testZfecVectors('wasm', await loadWasmCodec())
