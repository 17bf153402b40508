import {
  checkAndRepairResultsJson,
  checkResultsJson,
  deepStatsJson,
  locatorJson,
} from '@lafs/checker'
import { fromBase32, toBase32 } from '@lafs/crypto'
import type {
  DeepFailure,
  IDeepCheckAndRepairResults,
  IDeepCheckResults,
  Manifest,
} from '@lafs/filesystem-interface'
import { badRequest, describeError, WebError } from '../errors.ts'
import type { GatewayResponse } from '../exchange.ts'
import type { Operation } from '../operations.ts'
import { formArgument } from '../output.ts'
import { checkAndRepairResultsPage, checkResultsPage, operationPage } from '../pages/index.ts'
import { query, rootOf, segment } from '../pages/links.ts'
import { quoteName } from '../quote.ts'
import { booleanArgument } from '../request/arguments.ts'
import type { RequestArguments } from '../request/arguments.ts'
import { jsonResponse, redirectResponse, textResponse } from '../response.ts'
import type { Exchange } from '../context.ts'
import type { PathRoute } from './route.ts'

const STATUS_ARGS = ['output', 'retain-for', 'release-after-complete'] as const

/** Long operations by the handles that their users chose. */
export const operationRoutes: readonly PathRoute[] = [
  {
    path: '/operations/:handle',
    method: 'POST',
    t: 'cancel',
    args: ['output'],
    summary: 'Ends an operation and forgets its handle; answers as the row for its status does',
    handle: cancelOperation,
  },
  {
    path: '/operations/:handle',
    method: 'POST',
    t: 'repair',
    args: ['output', 'retain-for'],
    summary: 'Repairs what a deep check was of, under the handle `:handle-repair`',
    handle: repairAll,
  },
  ...(['GET', 'POST'] as const).map((method): PathRoute => ({
    path: '/operations/:handle',
    method,
    t: '*',
    args: STATUS_ARGS,
    summary: 'How an operation stands, and what has come of it',
    handle: showOperation,
  })),
  ...(['GET', 'POST'] as const).map((method): PathRoute => ({
    path: '/operations/:handle/:storageIndex',
    method,
    t: '*',
    args: STATUS_ARGS,
    summary: 'What a deep check found of one object',
    handle: showOneResult,
  })),
]

/** `retain-for`: seconds. @throws {@link WebError} 400 for anything else. */
export function retainForArgument(args: RequestArguments): number | undefined {
  const text = args.get('retain-for')
  if (text === undefined) return undefined
  const seconds = Number(text)
  if (!/^\s*\+?\d+\s*$/.test(text) || !Number.isSafeInteger(seconds * 1000)) {
    throw badRequest(`retain-for= must be a number of seconds, got '${quoteName(text)}'`)
  }
  return seconds
}

/** @throws {@link WebError} 404 */
function operationOf({ context, path }: Exchange): Operation {
  const handle = path[1] ?? ''
  const operation = context.operations.get(handle)
  if (operation !== undefined) return operation
  throw new WebError(404, `unknown/expired handle '${quoteName(handle)}'`)
}

async function cancelOperation(exchange: Exchange): Promise<GatewayResponse> {
  const operation = operationOf(exchange)
  const answer = answerOf(exchange, operation)
  operation.monitor.cancel()
  exchange.context.operations.release(operation.handle)
  return answer()
}

/** Goes through the tree of a deep check again, and repairs what is not whole. */
async function repairAll(exchange: Exchange): Promise<GatewayResponse> {
  const { args, context } = exchange
  const operation = operationOf(exchange)
  if (operation.kind !== 'deep-check') throw badRequest('only what a deep check was of is repaired')
  const retainForSeconds = retainForArgument(args)
  const handle = `${operation.handle}-repair`
  // Two at once would be in each other's way: whoever asks again is sent to the one under way.
  if (context.operations.get(handle)?.monitor.finished !== false) {
    context.operations.add(handle, operation.startRepair(), retainForSeconds)
  }
  return redirectToOperation(exchange, handle)
}

/** Sends whoever began an operation to where its state can be seen, in the form that they want. */
export function redirectToOperation({ args, request }: Exchange, handle: string): GatewayResponse {
  const output = args.get('output')
  const form = output === undefined || output === '' ? '' : query({ output })
  return redirectResponse(`${rootOf(request)}operations/${segment(handle)}${form}`)
}

async function showOperation(exchange: Exchange): Promise<GatewayResponse> {
  const operation = operationOf(exchange)
  const answer = answerOf(exchange, operation)
  collect(exchange, operation)
  return answer()
}

/** Decides how long a handle is kept that somebody has asked for. */
function collect({ args, context }: Exchange, { handle, monitor }: Operation): void {
  const retainForSeconds = retainForArgument(args)
  const release = booleanArgument(args, 'release-after-complete')
  if (retainForSeconds !== undefined) context.operations.retain(handle, retainForSeconds)
  if (!monitor.finished) return
  if (release) context.operations.release(handle)
  else if (retainForSeconds === undefined) context.operations.collected(handle)
}

/**
 * What answers a question for an operation, in the form that is asked for.
 *
 * @throws {@link WebError} 400 for a form that this operation has not.
 */
function answerOf(exchange: Exchange, operation: Operation): () => Promise<GatewayResponse> {
  const { kind, failure } = operation
  const form = formOf(exchange, kind)
  return async () => {
    if (failure !== undefined) throw failure.error
    if (form === 'html') return operationPage(exchange, operation)
    refuseIncomplete(operation)
    return form === 'text'
      ? textResponse(operationText(operation))
      : jsonResponse(operationJson(operation))
  }
}

/**
 * Programs would take sums and lists for complete ones: where something could not be read, they get
 * what upstream's operation fails with. Those of a check name what is lost.
 */
function refuseIncomplete(operation: Operation): void {
  const { kind, monitor } = operation
  if (!monitor.finished || kind === 'deep-check' || kind === 'deep-check-and-repair') return
  const failures = operation.monitor.status?.failures ?? []
  const [first] = failures
  if (first === undefined) return
  const { status, message } = describeError(first.error)
  const others = failures.length === 1 ? '' : `; ${failures.length} in all could not be read`
  throw new WebError(
    status,
    `${message}\n\nThat was at ${quoteName(first.path.join('/'))}${others}.`,
  )
}

function formOf({ args, request }: Exchange, kind: Operation['kind']): 'html' | 'json' | 'text' {
  if (kind === 'deep-check' || kind === 'deep-check-and-repair') {
    return formArgument(args, 'output', ['html', 'json']) ?? 'html'
  }
  if (kind === 'manifest') return formArgument(args, 'output', ['html', 'json', 'text']) ?? 'html'
  // Upstream has no page for these, and programs that ask for no form have got text from it.
  const pages = (request.headers.get('accept') ?? '').includes('text/html')
  if (kind === 'deep-size') {
    return formArgument(args, 'output', ['html', 'json', 'text']) ?? (pages ? 'html' : 'text')
  }
  if (args.get('output')?.toLowerCase() === 'json') return 'json'
  return pages ? 'html' : 'json'
}

async function showOneResult(exchange: Exchange): Promise<GatewayResponse> {
  const operation = operationOf(exchange)
  const { args, path } = exchange
  const form = formArgument(args, 'output', ['html', 'json']) ?? 'html'
  const name = path[2] ?? ''
  const storageIndex = storageIndexOf(name)
  collect(exchange, operation)
  if (operation.failure !== undefined) throw operation.failure.error
  if (storageIndex !== undefined && operation.kind === 'deep-check') {
    const results = operation.monitor.status?.resultsForStorageIndex(storageIndex)
    if (results !== undefined) {
      if (form === 'html') return checkResultsPage(exchange, results)
      return jsonResponse(checkResultsJson(results))
    }
  }
  if (storageIndex !== undefined && operation.kind === 'deep-check-and-repair') {
    const results = operation.monitor.status?.resultsForStorageIndex(storageIndex)
    if (results !== undefined) {
      if (form === 'html') return checkAndRepairResultsPage(exchange, results)
      return jsonResponse(checkAndRepairResultsJson(results))
    }
  }
  throw new WebError(404, `No detailed results for SI ${quoteName(name)}`)
}

/** @returns undefined for what is no storage index. */
function storageIndexOf(text: string): Uint8Array | undefined {
  try {
    return fromBase32(text)
  } catch {
    return undefined
  }
}

function operationText(operation: Operation): string {
  const { monitor, kind } = operation
  const lines = [`finished: ${monitor.finished ? 'yes' : 'no'}`]
  if (kind === 'manifest') {
    for (const [path, cap] of operation.monitor.status?.manifest ?? []) {
      lines.push(`${path.join('/')} ${cap}`)
    }
  } else if (kind === 'deep-size' && monitor.finished) {
    const { sizeImmutableFiles = 0, sizeDirectories = 0 } = operation.monitor.status ?? {}
    lines.push(`size: ${sizeImmutableFiles + sizeDirectories}`)
  }
  return `${lines.join('\n')}\n`
}

/** The JSON of an operation, key for key as upstream gives it, and what could not be read. */
function operationJson(operation: Operation): object {
  const { finished } = operation.monitor
  switch (operation.kind) {
    case 'deep-check':
      return { finished, ...deepCheckJson(operation.monitor.status) }
    case 'deep-check-and-repair':
      return { finished, ...deepCheckAndRepairJson(operation.monitor.status) }
    case 'manifest': {
      const { monitor } = operation
      return manifestJson(monitor.status, finished, monitor.originStorageIndex)
    }
    case 'deep-size': {
      const { status } = operation.monitor
      return { finished, size: status && deepStatsJson(status) }
    }
    case 'deep-stats': {
      const { status } = operation.monitor
      return { ...(status && deepStatsJson(status)), finished }
    }
  }
}

/** @see allmydata.web.check_results.DeepCheckResultsRenderer.render_JSON */
function deepCheckJson(results: IDeepCheckResults | undefined): object {
  if (results === undefined) return {}
  const { counters } = results
  return {
    'root-storage-index': results.rootStorageIndexString,
    'count-objects-checked': counters.countObjectsChecked,
    'count-objects-healthy': counters.countObjectsHealthy,
    'count-objects-unhealthy': counters.countObjectsUnhealthy,
    'count-corrupt-shares': counters.countCorruptShares,
    'list-corrupt-shares': results.corruptShares.map(locatorJson),
    'list-unhealthy-files': [...results.allResults()]
      .filter(([, { healthy }]) => !healthy)
      .map(([path, checked]) => [path, checkResultsJson(checked)]),
    stats: deepStatsJson(results.stats),
    ...failuresJson(results),
  }
}

/** @see allmydata.web.check_results.DeepCheckAndRepairResultsRenderer.render_JSON */
function deepCheckAndRepairJson(results: IDeepCheckAndRepairResults | undefined): object {
  if (results === undefined) return {}
  const { counters } = results
  return {
    'root-storage-index': results.rootStorageIndexString,
    'count-objects-checked': counters.countObjectsChecked,
    'count-objects-healthy-pre-repair': counters.countObjectsHealthyPreRepair,
    'count-objects-unhealthy-pre-repair': counters.countObjectsUnhealthyPreRepair,
    'count-objects-healthy-post-repair': counters.countObjectsHealthyPostRepair,
    'count-objects-unhealthy-post-repair': counters.countObjectsUnhealthyPostRepair,
    'count-repairs-attempted': counters.countRepairsAttempted,
    'count-repairs-successful': counters.countRepairsSuccessful,
    'count-repairs-unsuccessful': counters.countRepairsUnsuccessful,
    'count-corrupt-shares-pre-repair': counters.countCorruptSharesPreRepair,
    'count-corrupt-shares-post-repair': counters.countCorruptSharesPostRepair,
    'list-corrupt-shares': results.corruptShares.map(locatorJson),
    'list-remaining-corrupt-shares': results.remainingCorruptShares.map(locatorJson),
    'list-unhealthy-files': [...results.allResults()]
      .filter(([, { preRepairResults }]) => !preRepairResults.healthy)
      .map(([path, { preRepairResults }]) => [path, checkResultsJson(preRepairResults)]),
    stats: deepStatsJson(results.stats),
    ...failuresJson(results),
  }
}

/** @see allmydata.web.directory.ManifestResults.render_JSON */
function manifestJson(
  manifest: Manifest | undefined,
  finished: boolean,
  origin: Uint8Array | undefined,
): object {
  return {
    stats: manifest ? deepStatsJson(manifest.stats) : {},
    finished,
    origin: origin === undefined ? '' : toBase32(origin),
    ...(finished &&
      manifest && {
        manifest: manifest.manifest,
        verifycaps: [...manifest.verifyCaps],
        'storage-index': [...manifest.storageIndexes],
      }),
  }
}

/** What could not be read or checked, where anything could not: upstream's operation ends there. */
function failuresJson({ failures }: { readonly failures: readonly DeepFailure[] }): object {
  if (failures.length === 0) return {}
  return {
    'list-failures': failures.map(({ path, error }) => {
      const { name, message } = error instanceof Error ? error : new Error(String(error))
      return [path, name, message]
    }),
  }
}
