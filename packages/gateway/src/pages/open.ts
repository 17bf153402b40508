import { capTextFromInput } from '@lafs/uri'
import type { GatewayResponse } from '../exchange.ts'
import type { Exchange } from '../routes/route.ts'
import { errorPage } from './error.ts'
import { directoryAddress, infoAddress, rootOf } from './links.ts'

/**
 * POST /uri?t=open: from a cap that somebody typed to its page, so that it never stands in a query,
 * which browsers offer to everyone who types.
 */
export async function openPage({ args, context, request }: Exchange): Promise<GatewayResponse> {
  const root = rootOf(request)
  const [cap = '', ...names] = capTextFromInput(args.get('uri') ?? '').split('/')
  const path = [cap, ...names.filter((name) => name !== '')]
  const node = context.client.createNodeFromUri(cap)
  if (node.unknown && node.uri === undefined)
    return errorPage(request, 400, 'This is not a key. Keys begin with URI: and have no spaces.')
  const address =
    path.length === 1 && node.kind === 'directory'
      ? directoryAddress(root, path)
      : infoAddress(root, path)
  return { status: 303, headers: [['location', address]], body: new Uint8Array() }
}
