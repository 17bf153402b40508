import { parseCap } from '@lafs/uri'
import { badRequest, WebError } from '../errors.ts'
import type { GatewayResponse } from '../exchange.ts'
import { openPage, uploadResultsPage } from '../pages/index.ts'
import {
  booleanArgument,
  formatArgument,
  mutableVersion,
  privateKeyArgument,
} from '../request/arguments.ts'
import { readBody, readText } from '../request/body.ts'
import { childNodes } from '../request/children.ts'
import { uploadImmutable } from '../request/upload.ts'
import { redirectResponse, textResponse } from '../response.ts'
import { uploadedNode } from './files.ts'
import type { Exchange } from '../context.ts'
import type { Route } from './route.ts'
import { redirectTo } from './when-done.ts'

/** What `/uri` itself does. */
export const unlinkedRoutes: readonly Route<Exchange>[] = [
  {
    method: 'GET',
    t: '*',
    args: ['uri'],
    summary: 'Redirects to /uri/CAP, with the other arguments',
    handle: redirectToCap,
  },
  {
    method: 'PUT',
    t: '',
    args: ['format', 'mutable', 'private-key', 'random-key'],
    summary: 'Uploads a file that is linked nowhere',
    handle: async (exchange) => textResponse((await uploadedNode(exchange)).uri ?? ''),
  },
  {
    method: 'PUT',
    t: 'mkdir',
    args: ['format', 'private-key'],
    summary: 'Makes a directory that is linked nowhere',
    handle: async (exchange) => textResponse(await newDirectory(exchange, 'PUT')),
  },
  ...['', 'upload'].map((t): Route<Exchange> => ({
    method: 'POST',
    t,
    args: ['file', 'when_done', 'format', 'mutable', 'private-key', 'random-key'],
    summary: 'Uploads the file of a form',
    handle: postFile,
  })),
  {
    method: 'POST',
    t: 'open',
    args: ['uri', 'filename'],
    summary: 'Redirects to the page of a cap that stands in a form, not in an address',
    handle: openPage,
  },
  {
    method: 'POST',
    t: 'mkdir',
    args: ['format', 'private-key', 'redirect_to_result'],
    summary: 'Makes a directory that is linked nowhere',
    handle: async (exchange) => {
      await refuseChildren(exchange)
      return madeDirectory(exchange, await newDirectory(exchange, 'POST'))
    },
  },
  {
    method: 'POST',
    t: 'mkdir-with-children',
    args: ['private-key', 'redirect_to_result'],
    summary: 'Makes a directory with the children that the body lists',
    handle: async (exchange) => {
      const { args, context } = exchange
      const children = childNodes(context.client, await readText(exchange))
      const privateKey = privateKeyArgument(args)
      const { uri } = await context.client.createDirnode(children, { privateKey })
      return madeDirectory(exchange, uri)
    },
  },
  {
    method: 'POST',
    t: 'mkdir-immutable',
    args: ['redirect_to_result'],
    summary: 'Makes an immutable directory with the children that the body lists',
    handle: async (exchange) => {
      const { client } = exchange.context
      const children = childNodes(client, await readText(exchange))
      const { uri } = await client.createImmutableDirectory(children, {
        signal: exchange.request.signal,
      })
      return madeDirectory(exchange, uri)
    },
  },
]

async function redirectToCap({ args, path }: Exchange): Promise<GatewayResponse> {
  const text = args.get('uri')
  if (text === undefined) throw badRequest('GET /uri requires uri=')
  const cap = text.trim()
  if (parseCap(cap).kind === 'unknown') throw badRequest('Invalid capability')
  const rest = new URLSearchParams()
  for (const [name, value] of args.query()) if (name !== 'uri') rest.append(name, value)
  const query = rest.size === 0 ? '' : `?${rest.toString()}`
  return redirectResponse(`${path[0] ?? 'uri'}/${encodeURIComponent(cap)}${query}`)
}

async function postFile(exchange: Exchange): Promise<GatewayResponse> {
  const { args } = exchange
  if (mutableVersion(formatArgument(args)) !== undefined) {
    return textResponse((await uploadedNode(exchange)).uri ?? '')
  }
  const results = await uploadImmutable(exchange)
  const target = args.get('when_done')
  if (target === undefined || target === '') return uploadResultsPage(exchange, results)
  return redirectTo(target.replaceAll('%(uri)s', encodeURIComponent(results.uri)))
}

async function newDirectory({ args, context }: Exchange, method: string): Promise<string> {
  const format = formatArgument(args)
  if (format === 'CHK') {
    throw badRequest(
      method === 'PUT'
        ? 'format=CHK not accepted for PUT /uri?t=mkdir'
        : 'format=CHK not currently accepted for POST /uri?t=mkdir',
    )
  }
  const privateKey = privateKeyArgument(args)
  const version = mutableVersion(format)
  const { uri } = await context.client.createDirnode(new Map(), { version, privateKey })
  return uri
}

/** Guards against a mkdir that was meant to be one with children. */
async function refuseChildren(exchange: Exchange): Promise<void> {
  const { form } = exchange
  const body = form === undefined ? await readBody(exchange) : form.raw
  const json = body !== undefined && body[0] === 0x7b
  if ((form === undefined && body !== undefined && body.length > 0) || json) {
    throw new WebError(400, 't=mkdir does not accept children=, try t=mkdir-with-children instead')
  }
}

function madeDirectory({ args }: Exchange, uri: string): GatewayResponse {
  return booleanArgument(args, 'redirect_to_result')
    ? redirectResponse(`uri/${encodeURIComponent(uri)}`, 303)
    : textResponse(uri)
}
