import type { IUploadable } from '@lafs/filesystem-interface'
import { uploadableFromStream } from '@lafs/immutable/node'
import { badRequest } from '../errors.ts'
import type { Exchange, GatewayContext } from '../routes/route.ts'
import { booleanArgument } from './arguments.ts'

/** Uploads of up to this many bytes wait in memory, longer ones in a file. */
const MEMORY_MAX = 4 * 1024 * 1024

/**
 * What a request wants to upload: the file in its form, or its body. A body whose key is made from
 * all of it, or that is to be changed, is put aside while it arrives; one with a random key and a
 * known size goes through as it comes. The caller closes it.
 *
 * @throws {@link WebError} 400 for a form without a file.
 */
export async function uploadSource(
  exchange: Exchange,
  kind: 'immutable' | 'mutable',
): Promise<IUploadable> {
  const { args, context, form, request } = exchange
  if (request.method === 'POST') {
    const content = form?.file?.content
    if (content === undefined) throw badRequest('I expected a form with a field named file')
    return content
  }
  const { convergence } = context.client
  const random = booleanArgument(args, 'random-key') || convergence === undefined
  if (kind === 'mutable' || !random) return spool(context, request.body, request.signal)
  const size = contentLength(request.headers)
  return uploadableFromStream(request.body, {
    encryptionKey: 'random',
    memoryLimit: MEMORY_MAX,
    temporaryFolder: context.temporaryFolder,
    signal: request.signal,
    ...(size !== undefined && { size }),
  })
}

/** Puts content aside: in memory while it is short, else in a file that goes when it is closed. */
export async function spool(
  { client, temporaryFolder }: Pick<GatewayContext, 'client' | 'temporaryFolder'>,
  content: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<IUploadable> {
  const { convergence, encoding } = client
  return uploadableFromStream(content, {
    temporaryFolder,
    memoryLimit: MEMORY_MAX,
    signal,
    ...(convergence && { convergence: { ...encoding, secret: convergence } }),
  })
}

function contentLength(headers: ReadonlyMap<string, string>): number | undefined {
  const text = headers.get('content-length')
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined
}
