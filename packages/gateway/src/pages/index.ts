import type { GatewayResponse } from '../exchange.ts'
import type { DirectoryExchange, Exchange, FileExchange, UnknownExchange } from '../routes/route.ts'

// Each answers one request with a page. What they show is what the JSON of the same row says.

const missing = (): Promise<GatewayResponse> => Promise.reject(new Error('not there yet'))

/** GET / */
export const welcomePage = (_exchange: Exchange): Promise<GatewayResponse> => missing()
/** GET DIR */
export const directoryPage = (_exchange: DirectoryExchange): Promise<GatewayResponse> => missing()
/** GET FILE-or-DIR-or-unknown?t=info */
export const infoPage = (
  _exchange: FileExchange | DirectoryExchange | UnknownExchange,
): Promise<GatewayResponse> => missing()
