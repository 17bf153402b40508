import {
  checkAndRepairResultsJson,
  checkResultsJson,
  createCheckable,
  createDeepCheckable,
  deepCheckLines,
  manifestLines,
} from '@lafs/checker'
import type { CheckTarget } from '@lafs/checker'
import { parseCap } from '@lafs/uri'
import { badRequest, WebError } from '../errors.ts'
import type { GatewayResponse } from '../exchange.ts'
import { jsonLines } from '../json-lines.ts'
import type { OperationMonitor } from '../operations.ts'
import { formArgument } from '../output.ts'
import { checkAndRepairResultsPage, checkResultsPage } from '../pages/index.ts'
import { booleanArgument, operationArgument } from '../request/arguments.ts'
import { jsonResponse } from '../response.ts'
import { redirectToOperation, retainForArgument } from './operations.ts'
import type { DirectoryExchange, FileExchange, NodeExchange, UnknownExchange } from '../context.ts'
import type { Route } from './route.ts'
import { whenDone } from './when-done.ts'

const CHECK_ARGS = ['verify', 'repair', 'add-lease'] as const
const HANDLE_ARGS = ['ophandle', 'output', 'retain-for'] as const

/** Checks of one file. */
export const fileCheckRoutes: readonly Route<FileExchange>[] = [
  {
    method: 'POST',
    t: 'check',
    args: [...CHECK_ARGS, 'output', 'return_to', 'when_done'],
    summary: 'Checks the file, and repairs it where that is asked for',
    handle: (exchange) => checkNode(exchange),
  },
]

/** Checks by verify caps, which lead to no file or directory that could be read. */
export const unknownCheckRoutes: readonly Route<UnknownExchange>[] = [
  {
    method: 'POST',
    // Whatever else is posted is refused as upstream does: it has no row of POST here.
    t: '*',
    args: [...CHECK_ARGS, 'output', 'return_to', 'when_done'],
    summary: 'With `t=check`: checks what a verify cap names',
    handle: checkByVerifyCap,
  },
]

/** Checks of a directory, and of all that can be reached from it. */
export const directoryCheckRoutes: readonly Route<DirectoryExchange>[] = [
  {
    method: 'POST',
    t: 'check',
    args: [...CHECK_ARGS, 'output', 'return_to', 'when_done'],
    summary: 'Checks the directory itself, and repairs it where that is asked for',
    handle: (exchange) => checkNode(exchange),
  },
  {
    method: 'POST',
    t: 'start-deep-check',
    args: [...CHECK_ARGS, ...HANDLE_ARGS],
    summary: 'Begins to check all that can be reached from the directory, under a handle',
    handle: (exchange) => startOperation(exchange, deepCheck),
  },
  {
    method: 'POST',
    t: 'stream-deep-check',
    args: CHECK_ARGS,
    summary: 'Checks all that can be reached, a line of JSON for each object',
    handle: async (exchange) => {
      const { context, node, request } = exchange
      const options = { ...checkOptions(exchange), signal: request.signal }
      return jsonLines(deepCheckLines(node, context.client.checker, options))
    },
  },
  {
    method: 'POST',
    t: 'start-manifest',
    args: HANDLE_ARGS,
    summary: 'Begins to list all that can be reached from the directory, under a handle',
    handle: (exchange) =>
      startOperation(exchange, ({ node }) => ({ kind: 'manifest', monitor: node.buildManifest() })),
  },
  {
    method: 'POST',
    t: 'start-deep-size',
    args: HANDLE_ARGS,
    summary: 'Begins to sum up the sizes of all that can be reached, under a handle',
    handle: (exchange) =>
      startOperation(exchange, ({ node }) => ({
        kind: 'deep-size',
        monitor: node.startDeepStats(),
      })),
  },
  {
    method: 'POST',
    t: 'start-deep-stats',
    args: HANDLE_ARGS,
    summary: 'Begins to count and sum up all that can be reached, under a handle',
    handle: (exchange) =>
      startOperation(exchange, ({ node }) => ({
        kind: 'deep-stats',
        monitor: node.startDeepStats(),
      })),
  },
  {
    method: 'POST',
    t: 'stream-manifest',
    args: [],
    summary: 'Lists all that can be reached, a line of JSON for each object',
    handle: async ({ node, request }) => jsonLines(manifestLines(node, { signal: request.signal })),
  },
]

interface CheckArguments {
  readonly verify: boolean
  readonly repair: boolean
  readonly addLease: boolean
}

function checkOptions({ args }: NodeExchange): CheckArguments {
  return {
    verify: booleanArgument(args, 'verify'),
    repair: booleanArgument(args, 'repair'),
    addLease: booleanArgument(args, 'add-lease'),
  }
}

async function checkByVerifyCap(exchange: UnknownExchange): Promise<GatewayResponse> {
  const { args, parent, path } = exchange
  const [, text = ''] = path
  if (operationArgument(args) === 'check' && parent === undefined) {
    const cap = parseCap(text)
    if (cap.kind.endsWith('verifier')) return checkNode(exchange, cap)
  }
  const allowed = 'GET, HEAD, DELETE'
  throw new WebError(405, `I only allow ${allowed} here.`, [['allow', allowed]])
}

async function checkNode(
  exchange: NodeExchange,
  target: CheckTarget = exchange.node,
): Promise<GatewayResponse> {
  const { args, context, request } = exchange
  const { repair, ...options } = checkOptions(exchange)
  const form = formArgument(args, 'output', ['html', 'json'])
  const checkable = createCheckable(target, context.client.checker)
  if (repair) {
    // A repair that has begun goes on, whoever leaves.
    const results = await checkable.checkAndRepair(options)
    if (form !== 'json')
      return whenDone(exchange, await checkAndRepairResultsPage(exchange, results))
    // Where nothing is stored, upstream answers as if nobody had asked for a repair.
    const json = results ? checkAndRepairResultsJson(results) : checkResultsJson(undefined)
    return whenDone(exchange, jsonResponse(json))
  }
  const results = await checkable.check({ ...options, signal: request.signal })
  return whenDone(
    exchange,
    form === 'json'
      ? jsonResponse(checkResultsJson(results))
      : await checkResultsPage(exchange, results),
  )
}

function deepCheck(exchange: DirectoryExchange): OperationMonitor {
  const { context, node } = exchange
  const { repair, ...options } = checkOptions(exchange)
  const tree = createDeepCheckable(node, context.client.checker)
  const startRepair = (): OperationMonitor => ({
    kind: 'deep-check-and-repair',
    monitor: tree.startDeepCheckAndRepair(options),
  })
  return repair
    ? startRepair()
    : { kind: 'deep-check', monitor: tree.startDeepCheck(options), startRepair }
}

/** Begins what goes on while nobody listens, and sends whoever asked to where its state can be seen. */
async function startOperation(
  exchange: DirectoryExchange,
  start: (exchange: DirectoryExchange) => OperationMonitor,
): Promise<GatewayResponse> {
  const { args, context } = exchange
  const handle = args.get('ophandle')
  if (handle === undefined || handle === '') throw badRequest('slow operation requires ophandle=')
  const retainForSeconds = retainForArgument(args)
  context.operations.add(handle, start(exchange), retainForSeconds)
  return redirectToOperation(exchange, handle)
}
