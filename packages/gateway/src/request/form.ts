import type { IUploadable } from '@lafs/filesystem-interface'
import type { GatewayRequest } from '../exchange.ts'
import { badRequest, WebError } from '../errors.ts'
import { parseQuery } from './arguments.ts'
import type { ArgumentValues } from './arguments.ts'
import { gather, multipartBoundary, readMultipart } from './multipart.ts'

/** What a POST carries as a form. */
export interface RequestForm {
  readonly fields: ArgumentValues
  /** The body as it came, where the form is written like a query: programs send JSON that way. */
  readonly raw: Uint8Array | undefined
  /** The field `file`. */
  readonly file: FormFile | undefined
}

/** A file in a form. */
interface FormFile {
  /** Empty where somebody sent the form without choosing a file. */
  readonly name: string
  readonly content: IUploadable
}

/** Of bodies that are kept in memory: JSON, and forms that are written like a query. */
export const BODY_SIZE_MAX: number = 64 * 1024 * 1024
const FIELD_SIZE_MAX = 4 * 1024 * 1024
const FIELDS_SIZE_MAX = 16 * 1024 * 1024

/**
 * Reads the form of a request to its end.
 *
 * @param spool - puts a file aside.
 * @returns undefined where the body is no form. The caller closes the file.
 */
export async function readForm(
  request: GatewayRequest,
  spool: (content: AsyncIterable<Uint8Array>) => Promise<IUploadable>,
): Promise<RequestForm | undefined> {
  if (request.method !== 'POST') return undefined
  const contentType = request.headers.get('content-type') ?? ''
  if (/^application\/x-www-form-urlencoded\s*(?:;|$)/i.test(contentType)) {
    const raw = await gather(request.body, BODY_SIZE_MAX)
    return { fields: parseUrlencoded(raw), raw, file: undefined }
  }
  const boundary = multipartBoundary(contentType)
  return boundary === undefined ? undefined : readParts(request.body, boundary, spool)
}

/**
 * JSON that is sent as a form has no fields that anybody asks for, and may be longer than fields may.
 *
 * @throws {@link WebError} 413.
 */
function parseUrlencoded(raw: Uint8Array): ArgumentValues {
  if (raw.length <= FIELDS_SIZE_MAX) return parseQuery(new TextDecoder('latin1').decode(raw))
  if (/^\s*[[{]/.test(new TextDecoder('latin1').decode(raw.subarray(0, 64)))) return new Map()
  throw new WebError(413, `I expected at most ${FIELDS_SIZE_MAX} bytes in the fields of a form`)
}

async function readParts(
  body: AsyncIterable<Uint8Array>,
  boundary: string,
  spool: (content: AsyncIterable<Uint8Array>) => Promise<IUploadable>,
): Promise<RequestForm> {
  const fields = new Map<string, Uint8Array[]>()
  let file: FormFile | undefined
  let size = 0
  try {
    for await (const { name, fileName, content } of readMultipart(body, boundary)) {
      if (name === 'file') {
        if (file !== undefined) throw badRequest('I expected one file in the form, and got several')
        // A program that gives a file no name wants one all the same.
        file = { name: fileName ?? 'unknown-filename', content: await spool(content) }
        continue
      }
      const value = await gather(content, Math.min(FIELD_SIZE_MAX, FIELDS_SIZE_MAX - size))
      size += value.length
      const others = fields.get(name)
      if (others === undefined) fields.set(name, [value])
      else others.push(value)
    }
  } catch (error) {
    await file?.content.close()
    throw error
  }
  return { fields, raw: undefined, file }
}
