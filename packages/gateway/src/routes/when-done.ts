import type { GatewayResponse } from '../exchange.ts'
import { badRequest } from '../errors.ts'
import { redirectResponse } from '../response.ts'
import type { Exchange } from '../context.ts'

/** `when_done`: where the reader of a form goes once it has been dealt with; else the answer stands. */
export function whenDone(exchange: Exchange, response: GatewayResponse): GatewayResponse {
  const target = exchange.args.get('when_done')
  return target === undefined || target === '' ? response : redirectTo(target)
}

/**
 * Sends the reader to an address that the request asked for: a relative one, or any of HTTP. Other
 * sites cannot ask for it, since they may send no request that changes something.
 */
export function redirectTo(target: string): GatewayResponse {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(target)?.[1]?.toLowerCase()
  if (scheme !== undefined && scheme !== 'http' && scheme !== 'https') {
    throw badRequest('when_done= may be a relative address, or one of http or https')
  }
  return redirectResponse(escapeAddress(target))
}

/** Percent-encodes what may stand in no header; the rest stays as it is. */
function escapeAddress(target: string): string {
  return target.replaceAll(/[^\x21-\x7E]+/gu, (characters) => encodeURIComponent(characters))
}
