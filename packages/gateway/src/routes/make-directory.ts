import { isDirectoryNode, isFilesystemError } from '@lafs/filesystem-interface'
import type { CreateSubdirectoryOptions, IDirectoryNode } from '@lafs/filesystem-interface'
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
  const options = {
    initialChildren,
    overwrite: false,
    ...(t === 'mkdir-immutable' && { mutable: false }),
    ...(t !== 'mkdir-immutable' && version !== undefined && { mutableVersion: version }),
  }
  const { uri } =
    t === 'mkdir'
      ? await makeMissingDirectory(parent.directory, parent.name, options)
      : await parent.directory.createSubdirectory(parent.name, options)
  const response = textResponse(uri)
  return request.method === 'POST' ? whenDone(exchange, response) : response
}

async function finalPlace({
  parent,
  args,
}: PlaceholderExchange): Promise<PlaceholderExchange['parent']> {
  const name = textArgument(args, 'name')
  if (name === undefined || name === '') return parent
  return { directory: await makeMissingDirectory(parent.directory, parent.name), name }
}

/**
 * Makes a directory that was not there a moment ago. Where another request has made it meanwhile, it
 * is that one: in its place a new one would take away what has been put into it.
 *
 * @throws {@link FilesystemError} `DIRECTORY_EXISTING_CHILD` where it is no directory.
 */
export async function makeMissingDirectory(
  directory: IDirectoryNode,
  name: string,
  options: CreateSubdirectoryOptions = {},
): Promise<IDirectoryNode> {
  try {
    return await directory.createSubdirectory(name, { ...options, overwrite: false })
  } catch (error) {
    if (!isFilesystemError(error, 'DIRECTORY_EXISTING_CHILD')) throw error
    const child = await directory.get(name)
    if (isDirectoryNode(child)) return child
    throw error
  }
}
