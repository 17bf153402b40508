import { capTextFromInput, hasUriPrefix, parseCap } from '@lafs/uri'
import type { Cap } from '@lafs/uri'
import type { GatewayResponse } from '../exchange.ts'
import type { Exchange } from '../context.ts'
import { errorPage } from './error.ts'
import { directoryAddress, infoAddress, rootOf } from './links.ts'

/**
 * POST /uri?t=open: from a cap that somebody typed to its page, so that it never stands in a query,
 * which browsers offer to everyone who types.
 */
export async function openPage({ args, request }: Exchange): Promise<GatewayResponse> {
  const root = rootOf(request)
  const [cap = '', ...names] = capTextFromInput(args.get('uri') ?? '').split('/')
  const path = [cap, ...names.filter((name) => name !== '')]
  const parsed = parseCap(cap)
  if (parsed.kind === 'unknown') {
    if (!hasUriPrefix(cap))
      return errorPage(request, 400, 'This is not a key. Keys begin with URI:')
    if (parsed.error !== undefined)
      return errorPage(request, 400, `This key is not whole: ${parsed.error.message}`)
  }
  const address =
    path.length === 1 && isDirectory(parsed)
      ? directoryAddress(root, path)
      : infoAddress(root, path)
  return { status: 303, headers: [['location', address]], body: new Uint8Array() }
}

function isDirectory({ kind }: Cap): boolean {
  return kind.startsWith('dir2') && !kind.endsWith('verifier')
}
