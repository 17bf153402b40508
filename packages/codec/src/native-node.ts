import { CodecError, type CodecProvider } from '@lafs/codec-interface'
import { createNativeCodec } from './native-provider.ts'

/**
 * Node's side of `#native`.
 *
 * @throws {@link CodecError} `CODEC_UNAVAILABLE`; its cause has the code `NATIVE_ABSENT` or
 *   `ERR_MODULE_NOT_FOUND` where the addon is simply not there.
 */
export async function loadNativeCodec(): Promise<CodecProvider> {
  try {
    const { load } = await import('@lafs/native')
    return createNativeCodec(load())
  } catch (cause) {
    throw new CodecError('CODEC_UNAVAILABLE', `the native addon cannot be used: ${why(cause)}`, {
      cause,
    })
  }
}

/** What went wrong first: a broken addon says so around what the system said. */
function why(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  return cause.cause instanceof Error ? `${cause.message}: ${cause.cause.message}` : cause.message
}

/** Shows a warning once a call, as Node does. */
export function warn(message: string): void {
  process.emitWarning(message, { code: 'LAFS_CODEC_NATIVE_BROKEN' })
}
