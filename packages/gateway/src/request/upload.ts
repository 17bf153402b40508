import type { IUploadable } from '@lafs/filesystem-interface'
import { uploadableFromStream } from '@lafs/immutable/node'
import { badRequest } from '../errors.ts'
import type { Exchange, GatewayContext } from '../routes/route.ts'

/**
 * What a request wants to upload: the file in its form, or its body, put aside while it arrives.
 * The caller closes it.
 */
export async function uploadSource(
  exchange: Exchange,
  _kind: 'immutable' | 'mutable',
): Promise<IUploadable> {
  const { context, form, request } = exchange
  if (request.method !== 'POST') return spool(context, request.body, request.signal)
  const content = form?.file?.content
  if (content === undefined) throw badRequest('I expected a form with a field named file')
  return content
}

/** Puts content aside: in memory while it is short, else in a file that goes when it is closed. */
export async function spool(
  _context: Pick<GatewayContext, 'client' | 'temporaryFolder'>,
  content: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<IUploadable> {
  return uploadableFromStream(content, { signal })
}
