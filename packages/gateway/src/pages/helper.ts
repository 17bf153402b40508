import type { GatewayResponse } from '../exchange.ts'
import type { Exchange } from '../context.ts'
import { banner } from './components.ts'
import { html } from './html.ts'
import { pageResponse } from './layout.ts'

/** GET /helper_status */
export async function helperPage(exchange: Exchange): Promise<GatewayResponse> {
  const body = html`<h1>Helper</h1>
    ${banner('plain', 'This node is no helper', 'A helper encodes and sends files for clients with slow lines.')}`
  return pageResponse(exchange, { title: 'Helper', body })
}
