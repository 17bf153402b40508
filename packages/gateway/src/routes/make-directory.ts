import type { GatewayResponse } from '../exchange.ts'
import {
  formatArgument,
  mutableVersion,
  operationArgument,
  textArgument,
} from '../request/arguments.ts'
import { readText } from '../request/body.ts'
import { childNodes } from '../request/children.ts'
import { textResponse } from '../response.ts'
import type { PlaceholderExchange } from '../context.ts'
import { whenDone } from './when-done.ts'

/** Makes the directory that a path ends with; with `name`, it is made in a new one that does. */
export async function makeDirectory(exchange: PlaceholderExchange): Promise<GatewayResponse> {
  const { args, context, request } = exchange
  const t = operationArgument(args)
  const initialChildren = childNodes(context.client, t === 'mkdir' ? '' : await readText(exchange))
  const version = mutableVersion(formatArgument(args))
  const parent = request.method === 'POST' ? await finalPlace(exchange) : exchange.parent
  const { uri } = await parent.directory.createSubdirectory(parent.name, {
    initialChildren,
    ...(t === 'mkdir-immutable' && { mutable: false }),
    ...(t !== 'mkdir-immutable' && version !== undefined && { mutableVersion: version }),
  })
  const response = textResponse(uri)
  return request.method === 'POST' ? whenDone(exchange, response) : response
}

async function finalPlace({
  parent,
  args,
}: PlaceholderExchange): Promise<PlaceholderExchange['parent']> {
  const name = textArgument(args, 'name')
  if (name === undefined || name === '') return parent
  return { directory: await parent.directory.createSubdirectory(parent.name), name }
}
