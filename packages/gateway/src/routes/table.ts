import type { GatewayResponse } from '../exchange.ts'
import { badRequest, NO_SUCH_RESOURCE, WebError } from '../errors.ts'
import { quoteName } from '../quote.ts'
import { operationArgument } from '../request/arguments.ts'
import { fileCheckRoutes, directoryCheckRoutes, unknownCheckRoutes } from './checks.ts'
import { directoryRoutes, unknownRoutes } from './directories.ts'
import { fileRoutes, placeholderRoutes } from './files.ts'
import { operationRoutes } from './operations.ts'
import { resourceRoutes } from './resources.ts'
import type {
  DirectoryExchange,
  Exchange,
  FileExchange,
  PlaceholderExchange,
  UnknownExchange,
} from '../context.ts'
import type { PathRoute, Route } from './route.ts'
import { statusRoutes } from './status.ts'
import { unlinkedRoutes } from './unlinked.ts'

/** The rows for one kind of target, and what is said where none of them fits. */
export interface RouteTable<On extends Exchange> {
  readonly routes: readonly Route<On>[]
  /** The text of the error for a `t` that no row has. */
  readonly refusal: (method: string, t: string) => string
}

/** Rows of `/uri` itself. */
export const UNLINKED: RouteTable<Exchange> = {
  routes: unlinkedRoutes,
  refusal: () => '/uri accepts only PUT, PUT?t=mkdir, POST?t=upload, and POST?t=mkdir',
}

/** Rows for files. */
export const FILES: RouteTable<FileExchange> = {
  routes: [...fileRoutes, ...fileCheckRoutes],
  refusal: (method, t) =>
    method === 'PUT'
      ? `PUT to a file: bad t=${t}`
      : method === 'POST'
        ? `POST to file: bad t=${t}`
        : `${method} file: bad t=${t}`,
}

/** Rows for directories. */
export const DIRECTORIES: RouteTable<DirectoryExchange> = {
  routes: [...directoryRoutes, ...directoryCheckRoutes],
  refusal: (method, t) =>
    method === 'PUT'
      ? 'PUT to a directory'
      : method === 'POST'
        ? `POST to a directory with bad t=${t}`
        : `GET directory: bad t=${t}`,
}

/** Rows for names under which nothing stands. */
export const PLACEHOLDERS: RouteTable<PlaceholderExchange> = {
  routes: placeholderRoutes,
  refusal: () => '',
}

/** Rows for caps that are not understood. */
export const UNKNOWN: RouteTable<UnknownExchange> = {
  routes: [...unknownRoutes, ...unknownCheckRoutes],
  refusal: (_method, t) =>
    `GET unknown URI type: can only do t=info and t=json, not t=${t}.\nUsing a webapi server that supports a later version of Tahoe may help.`,
}

/** Rows with paths of their own. */
export const PATHS: readonly PathRoute[] = [...statusRoutes, ...operationRoutes, ...resourceRoutes]

/** The row that a request asks for. */
export function findRoute<On extends Exchange>(
  routes: readonly Route<On>[],
  method: string,
  t: string,
): Route<On> | undefined {
  const wanted = method === 'HEAD' ? 'GET' : method
  return routes.find((row) => row.method === wanted && (row.t === t || row.t === '*'))
}

/** Answers a request about one kind of target. @throws {@link WebError} where no row fits. */
export async function dispatch<On extends Exchange>(
  table: RouteTable<On>,
  exchange: On,
): Promise<GatewayResponse> {
  const { method } = exchange.request
  const t = operationArgument(exchange.args)
  const route = findRoute(table.routes, method, t)
  if (route !== undefined) return route.handle(exchange)
  refuseMethod(table.routes, method)
  throw badRequest(table.refusal(method, quoteName(t)))
}

/** Answers a request for a path of its own. @throws {@link WebError} where no row fits. */
export async function dispatchPath(exchange: Exchange): Promise<GatewayResponse> {
  const { method } = exchange.request
  const routes = PATHS.filter(({ path }) => matchesPath(path, exchange.path))
  if (routes.length === 0) throw new WebError(404, NO_SUCH_RESOURCE)
  const t = operationArgument(exchange.args)
  const route = findRoute(routes, method, t)
  if (route !== undefined) return route.handle(exchange)
  refuseMethod(routes, method)
  throw badRequest(`Unknown t value: '${quoteName(t)}'`)
}

function matchesPath(pattern: string, path: readonly string[]): boolean {
  const expected = pattern.split('/').slice(1)
  // A slash at the end is let pass.
  const parts = path.length > 1 && path.at(-1) === '' ? path.slice(0, -1) : path
  if (expected.at(-1) === '*') {
    return path.length >= expected.length - 1 && matchParts(expected.slice(0, -1), path)
  }
  return parts.length === expected.length && matchParts(expected, parts)
}

function matchParts(expected: readonly string[], parts: readonly string[]): boolean {
  return expected.every((part, index) =>
    part.startsWith(':') ? parts[index] !== '' : part === parts[index],
  )
}

/** @throws {@link WebError} 405, or 501 for methods that not every server knows, unless the method has rows. */
function refuseMethod(routes: readonly { readonly method: string }[], method: string): void {
  const methods = new Set(routes.map((row) => row.method))
  if (methods.has(method === 'HEAD' ? 'GET' : method)) return
  if (!['GET', 'HEAD', 'POST'].includes(method)) {
    throw new WebError(501, `I don't know how to treat a ${quoteName(method)} request.`)
  }
  const allowed = [...methods].flatMap((one) => (one === 'GET' ? ['GET', 'HEAD'] : [one]))
  throw new WebError(405, `I only allow ${allowed.join(', ')} here.`, [
    ['allow', allowed.join(', ')],
  ])
}
