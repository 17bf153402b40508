/** Where to listen, as Twisted writes it: `tcp:3456:interface=127.0.0.1`. */
export interface Endpoint {
  /** `tcp`, `tcp6`, or something that nobody listens on here. */
  readonly kind: string
  /** Undefined for any but `tcp` and `tcp6`. */
  readonly port: number | undefined
  /** The address of `interface=`. */
  readonly host: string | undefined
}

/**
 * Reads an endpoint: a kind, the parts in their order and those with a name, all between `:`; a `\` takes
 * the meaning from the `:`, `=` or `\` after it. A bare number is a TCP port.
 *
 * @returns undefined for what is none, such as a TCP port out of range.
 * @see twisted.internet.endpoints.serverFromString
 */
export function parseEndpoint(text: string): Endpoint | undefined {
  if (/^\d+$/.test(text)) return parseEndpoint(`tcp:${text}`)
  const parts = text.match(/(?:\\[^]|[^:\\])+/g) ?? []
  const [kind = '', ...rest] = parts.map((part) => part.trim())
  if (!/^[a-z][a-z0-9]*$/.test(kind) || rest.length === 0) return undefined
  if (kind !== 'tcp' && kind !== 'tcp6') return { kind, port: undefined, host: undefined }
  const named = new Map(
    rest.map((part) => {
      const [, name = 'port', value = ''] =
        /^(?:(port|interface|backlog)=)?([^]*)$/.exec(part) ?? []
      return [name, value.replaceAll(/\\([^])/g, '$1')] as const
    }),
  )
  const port = named.get('port') ?? ''
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535) return undefined
  const host = named.get('interface')
  return { kind, port: Number(port), host: host === '' ? undefined : host }
}
