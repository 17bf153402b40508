/**
 * One request to a gateway, in which names in angle brackets stand for values that an earlier step
 * kept, such as `/uri/<dir>/name`. In a target they are percent-encoded, elsewhere they are not.
 * A kept cap has more names: `<dir:ro>`, `<dir:verify>` and `<dir:si>`.
 */
export interface WebStep {
  /** What it is known by in the list of differences; default: the method and the target. The
   * second of its name gets the number 2. */
  readonly id?: string
  readonly method: string
  readonly target: string
  readonly headers?: Readonly<Record<string, string>>
  /** The body. Names in angle brackets stand for values only in text. */
  readonly body?: string | Uint8Array
  /** A body of `multipart/form-data` instead. */
  readonly form?: readonly FormField[]
  /** Keeps the text of the answer under this name. */
  readonly keep?: string
  /** How the answers are compared; default: `exact`. */
  readonly compare?: Comparison
  /** Asks again until the answer is JSON with `finished: true`. */
  readonly untilFinished?: boolean
}

/**
 * - `exact`: status, headers and body; caps, times and addresses by what they stand for.
 * - `any-server`: the same, but all servers are alike, since files are placed otherwise.
 * - `shape`: in place of the body, the keys in its JSON and the types of their values; of lines that
 *   end with a number, the rest.
 * - `status`: the status and the headers.
 */
export type Comparison = 'exact' | 'any-server' | 'shape' | 'status'

/** A field of a form. */
export interface FormField {
  readonly name: string
  readonly value: string | Uint8Array
  readonly filename?: string
}

/** Requests that are sent one after the other. */
export interface WebGroup {
  readonly name: string
  readonly steps: readonly WebStep[]
}

type Rest = Omit<WebStep, 'method' | 'target'>
type Make = (target: string, rest?: Rest) => WebStep

const maker =
  (method: string): Make =>
  (target, rest = {}) => ({ method, target, ...rest })

/** A step with this method. */
export const get: Make = maker('GET')
/** A step with this method. */
export const head: Make = maker('HEAD')
/** A step with this method. */
export const put: Make = maker('PUT')
/** A step with this method. */
export const post: Make = maker('POST')
/** A step with this method. */
export const del: Make = maker('DELETE')

const BOUNDARY = 'a-boundary-of-the-scenario'

/** The body of a form and its media type. */
export function encodeForm(fields: readonly FormField[]): {
  readonly type: string
  readonly body: Uint8Array
} {
  const pieces = fields.flatMap(({ name, value, filename }) => [
    Buffer.from(
      `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"` +
        `${filename === undefined ? '' : `; filename="${filename}"`}\r\n\r\n`,
    ),
    typeof value === 'string' ? Buffer.from(value) : value,
    Buffer.from('\r\n'),
  ])
  const body = Buffer.concat([...pieces, Buffer.from(`--${BOUNDARY}--\r\n`)])
  return { type: `multipart/form-data; boundary=${BOUNDARY}`, body: new Uint8Array(body) }
}
