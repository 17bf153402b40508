import { jsCodec, loadWasmCodec } from '@lafs/codec'
import { testCodec } from '@lafs/conformance/codec'

testCodec({ name: 'js', provider: jsCodec })
testCodec({ name: 'wasm', provider: await loadWasmCodec() })
