import type { IUploadable, IUploadResults } from '@lafs/filesystem-interface'
import { uploadableFromStream } from '@lafs/immutable/node'
import { badRequest } from '../errors.ts'
import type { Exchange, GatewayContext } from '../context.ts'
import { booleanArgument } from './arguments.ts'

/** Uploads of up to this many bytes wait in memory, longer ones in a file. */
const MEMORY_MAX = 4 * 1024 * 1024

/**
 * Uploads what a request carries, the file in its form or its body, as an immutable file. What has a
 * key that is made from all of it is put aside while it arrives; a body with a random key goes
 * through as it comes. It ends where whoever asked goes away.
 *
 * @throws {@link WebError} 400 for a form without a file.
 */
export async function uploadImmutable(exchange: Exchange): Promise<IUploadResults> {
  const { args, context, request } = exchange
  const { client } = context
  const { signal } = request
  const random = booleanArgument(args, 'random-key') || client.convergence === undefined
  const encryptionKey = random ? 'random' : 'convergent'
  if (request.method === 'POST') {
    return client.upload({ ...formFile(exchange), encryptionKey }, { signal })
  }
  const size = contentLength(request.headers)
  if (random && size === undefined) return client.uploadStream(request.body, { signal })
  const source = random
    ? await uploadableFromStream(request.body, {
        encryptionKey,
        ...(size !== undefined && { size }),
      })
    : await spool(context, request.body, signal)
  try {
    return await client.upload(source, { signal })
  } finally {
    await source.close()
  }
}

/** What a request wants to put into a mutable file. The caller closes it. @throws as {@link uploadImmutable}. */
export async function mutableContent(exchange: Exchange): Promise<IUploadable> {
  const { context, request } = exchange
  if (request.method === 'POST') return formFile(exchange)
  return spool(context, request.body, request.signal)
}

/** The file of a form, which goes with the form. */
function formFile({ form }: Exchange): IUploadable {
  const content = form?.file?.content
  if (content === undefined) throw badRequest('I expected a form with a field named file')
  return { ...content, close: () => Promise.resolve() }
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
