import { CodecError, type CodecProvider } from '@lafs/codec-interface'
import { loadNativeCodec, warn } from '#native'
import { jsCodec } from './js-provider.ts'
import { loadWasmCodec } from './wasm-provider.ts'

/** The providers that can be asked for; `auto` is the fastest that works here. */
export type CodecName = 'auto' | 'native' | 'wasm' | 'js'

/** How each provider is had, and where a broken addon is reported. */
export interface CodecLoaders {
  native(): Promise<CodecProvider>
  wasm(): Promise<CodecProvider>
  js(): Promise<CodecProvider>
  warn(message: string): void
}

/** The codes of causes that mean "not installed", which is nothing to speak of. */
const ABSENT: readonly unknown[] = ['NATIVE_ABSENT', 'ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND']

function isAbsent(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && ABSENT.includes(cause.code)
}

/** Tries native, wasm and js in turn. An addon that is there and does not work is reported. */
async function chooseFastest(loaders: CodecLoaders): Promise<CodecProvider> {
  try {
    return await loaders.native()
  } catch (error) {
    const cause = error instanceof Error ? error.cause : error
    const reason = cause instanceof Error ? (cause.cause ?? cause) : error
    if (!isAbsent(cause))
      loaders.warn(`the native codec is broken, a slower one is used: ${String(reason)}`)
  }
  return loaders.wasm().catch(() => loaders.js())
}

/**
 * The provider of a name.
 *
 * @throws {@link CodecError} `CODEC_UNKNOWN_PROVIDER` for another name; `CODEC_UNAVAILABLE` when a
 *   provider other than `auto` does not work here.
 */
export async function chooseCodec(name: string, loaders: CodecLoaders): Promise<CodecProvider> {
  switch (name) {
    case 'auto':
      return chooseFastest(loaders)
    case 'native':
    case 'wasm':
    case 'js':
      return loaders[name]()
    default:
      throw new CodecError(
        'CODEC_UNKNOWN_PROVIDER',
        `expected a codec of auto, native, wasm or js, got "${name}"`,
      )
  }
}

const loaders: CodecLoaders = {
  native: loadNativeCodec,
  wasm: loadWasmCodec,
  js: () => Promise.resolve(jsCodec),
  warn,
}

const loaded = new Map<string, Promise<CodecProvider>>()

function nameFromEnvironment(): string {
  const { process } = globalThis as { process?: { env?: Record<string, string | undefined> } }
  return process?.env?.['LAFS_CODEC'] || 'auto'
}

/**
 * A codec: the one named, else the one that the environment variable `LAFS_CODEC` names, else the
 * fastest that works here. One provider of each name is made and shared.
 *
 * An addon that is not installed is passed over in silence; one that is there and does not load gives
 * one warning.
 *
 * @throws {@link CodecError} `CODEC_UNKNOWN_PROVIDER` if the name is no {@link CodecName};
 *   `CODEC_UNAVAILABLE` if a provider is asked for by name and does not work here.
 */
export function loadCodec(name: string = nameFromEnvironment()): Promise<CodecProvider> {
  let codec = loaded.get(name)
  if (codec === undefined) {
    codec = chooseCodec(name, loaders)
    loaded.set(name, codec)
  }
  return codec
}
