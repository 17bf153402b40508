import { CodecError, type CodecProvider } from '@lafs/codec-interface'
import { createCodecProvider, range } from './provider.ts'
import { wasmBinaryBase64 } from './wasm-binary.ts'

/** What wasm/shim.c exports. Addresses are bytes into `memory`. */
interface CodecExports {
  readonly memory: { readonly buffer: ArrayBuffer }
  init(): void
  heap(): number
  matrix(k: number, have: number, rows: number, want: number, result: number): void
  combine(
    k: number,
    rows: number,
    weights: number,
    inputs: number,
    outputs: number,
    stride: number,
    size: number,
  ): void
}

// The part of the WebAssembly API in use: TypeScript has no types for it outside its DOM library.
declare const WebAssembly:
  | { instantiate(bytes: Uint8Array): Promise<{ instance: { exports: CodecExports } }> }
  | undefined

/**
 * Columns of all blocks that are in linear memory at once, in bytes: few enough to stay in the
 * second-level cache between the copies and the arithmetic.
 */
const WINDOW = 256 * 1024

const SHARES_MAX = 256

async function instantiate(): Promise<CodecExports> {
  if (typeof WebAssembly === 'undefined')
    throw new CodecError('CODEC_UNAVAILABLE', 'there is no WebAssembly in this environment')
  const bytes = Uint8Array.from(atob(wasmBinaryBase64), (char) => char.charCodeAt(0))
  try {
    const { instance } = await WebAssembly.instantiate(bytes)
    return instance.exports
  } catch (cause) {
    throw new CodecError('CODEC_UNAVAILABLE', 'WebAssembly with SIMD does not run here', { cause })
  }
}

/** Combines through the module's memory, one window of columns after another. */
function createInterpolate(
  exports: CodecExports,
): (
  have: readonly number[],
  inputs: readonly Uint8Array[],
  want: readonly number[],
  into: readonly Uint8Array[] | undefined,
) => Uint8Array[] {
  exports.init()
  const bytes = new Uint8Array(exports.memory.buffer)
  const haveAt = exports.heap()
  const wantAt = haveAt + SHARES_MAX
  const matrixAt = wantAt + SHARES_MAX
  const windowAt = (matrixAt + SHARES_MAX * SHARES_MAX + 63) & ~63

  return (have, inputs, want, into) => {
    const k = have.length
    const rows = want.length
    const size = inputs[0]!.length
    const outputs = want.map((_, i) => into?.[i] ?? new Uint8Array(size))
    bytes.set(have, haveAt)
    bytes.set(want, wantAt)
    exports.matrix(k, haveAt, rows, wantAt, matrixAt)
    const stride = Math.floor(WINDOW / (k + rows) / 64) * 64
    const outputsAt = windowAt + k * stride
    for (let from = 0; from < size; from += stride) {
      const to = Math.min(from + stride, size)
      for (const [j, input] of inputs.entries())
        bytes.set(input.subarray(from, to), windowAt + j * stride)
      exports.combine(k, rows, matrixAt, windowAt, outputsAt, stride, to - from)
      for (const [r, output] of outputs.entries()) {
        const at = outputsAt + r * stride
        output.set(bytes.subarray(at, at + to - from), from)
      }
    }
    return outputs
  }
}

/**
 * The erasure code as WebAssembly with SIMD, made from the native addon's C source. It runs on the
 * calling thread.
 *
 * @throws {@link CodecError} `CODEC_UNAVAILABLE` where there is no WebAssembly or it lacks SIMD.
 */
export async function loadWasmCodec(): Promise<CodecProvider> {
  const interpolate = createInterpolate(await instantiate())
  return createCodecProvider(
    'wasm',
    { threaded: false, kernel: 'simd128' },
    {
      encode: ({ requiredShares }, blocks, want, into) =>
        interpolate(range(requiredShares), blocks, want, into),
      decode: (_params, blocks, have, missing, into) => interpolate(have, blocks, missing, into),
    },
  )
}
