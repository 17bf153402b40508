import { badRequest } from '../errors.ts'
import type { Exchange } from '../context.ts'
import { decodeText } from './arguments.ts'
import { BODY_SIZE_MAX } from './form.ts'
import { gather } from './multipart.ts'

/** The whole body of a request. @throws {@link WebError} 413 where it is too large, 400 for a form of parts. */
export async function readBody(exchange: Exchange): Promise<Uint8Array> {
  const { form, request } = exchange
  if (form === undefined) return gather(request.body, BODY_SIZE_MAX)
  if (form.raw === undefined) throw badRequest('I expected a body that is no multipart/form-data')
  return form.raw
}

/** The whole body as text. @throws {@link WebError} 400 where it is no UTF-8. */
export async function readText(exchange: Exchange): Promise<string> {
  return decodeText(await readBody(exchange), 'the body')
}
