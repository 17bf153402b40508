import { fromBase32, toBase32 } from '@lafs/crypto'
import {
  MAX_BUCKETS,
  type ShareNumber,
  type StorageIndex,
  STORE_SIZE_MAX,
} from '@lafs/storage-interface'
import type { SecretKind } from './auth.ts'
import { BATCH_SIZE_MAX, STORE_OVERHEAD_MAX } from './messages/index.ts'

/** The media type of every message. */
export const CBOR_TYPE = 'application/cbor'
/** The media type of share data. */
export const BYTES_TYPE = 'application/octet-stream'

/** One operation of the protocol. */
export interface Route {
  readonly name: RouteName
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH'
  /** Where it is, with `:storageIndex` (26 base32 characters) and `:shareNumber` (decimal). */
  readonly path: string
  /** The secrets that a request must carry: these, and no other. */
  readonly secrets: readonly SecretKind[]
  /** The most bytes that the message of a request may have. */
  readonly messageSizeMax: number
}

/** Below it is everything that upstream's servers know. */
const V1 = '/storage/v1'
/** Below it is what they do not. */
const EXTENSIONS = '/lafs/v1'
const LEASE: readonly SecretKind[] = ['lease-renew-secret', 'lease-cancel-secret']
/** A server holds a whole message in memory, so that upstream's 2^48 would promise too much. */
const READ_TEST_WRITE_SIZE_MAX = 2 ** 30

function route(
  name: RouteName,
  method: Route['method'],
  path: string,
  secrets: readonly SecretKind[] = [],
  messageSizeMax = 0,
): Route {
  return { name, method, path, secrets, messageSizeMax }
}

/** The name of one operation. */
export type RouteName =
  | 'version'
  | 'allocate'
  | 'writeShare'
  | 'abortUpload'
  | 'listImmutable'
  | 'readImmutable'
  | 'corruptImmutable'
  | 'addLease'
  | 'readTestWrite'
  | 'listMutable'
  | 'readMutable'
  | 'corruptMutable'
  | 'batch'
  | 'allocateOpenEnded'
  | 'resizeUpload'
  | 'storeShares'

/**
 * Every operation of the protocol, for both sides. Those below `/lafs` are extensions that upstream's
 * servers do not know.
 *
 * @see allmydata.storage.http_server.HTTPServer, docs/spec/batches.md, docs/spec/open-ended-uploads.md,
 *   docs/spec/whole-shares.md
 */
export const routes: Readonly<Record<RouteName, Route>> = {
  version: route('version', 'GET', `${V1}/version`),
  allocate: route(
    'allocate',
    'POST',
    `${V1}/immutable/:storageIndex`,
    [...LEASE, 'upload-secret'],
    8192,
  ),
  writeShare: route('writeShare', 'PATCH', `${V1}/immutable/:storageIndex/:shareNumber`, [
    'upload-secret',
  ]),
  abortUpload: route('abortUpload', 'PUT', `${V1}/immutable/:storageIndex/:shareNumber/abort`, [
    'upload-secret',
  ]),
  listImmutable: route('listImmutable', 'GET', `${V1}/immutable/:storageIndex/shares`),
  readImmutable: route('readImmutable', 'GET', `${V1}/immutable/:storageIndex/:shareNumber`),
  corruptImmutable: route(
    'corruptImmutable',
    'POST',
    `${V1}/immutable/:storageIndex/:shareNumber/corrupt`,
    [],
    32768,
  ),
  addLease: route('addLease', 'PUT', `${V1}/lease/:storageIndex`, LEASE),
  readTestWrite: route(
    'readTestWrite',
    'POST',
    `${V1}/mutable/:storageIndex/read-test-write`,
    ['write-enabler', ...LEASE],
    READ_TEST_WRITE_SIZE_MAX,
  ),
  listMutable: route('listMutable', 'GET', `${V1}/mutable/:storageIndex/shares`),
  readMutable: route('readMutable', 'GET', `${V1}/mutable/:storageIndex/:shareNumber`),
  corruptMutable: route(
    'corruptMutable',
    'POST',
    `${V1}/mutable/:storageIndex/:shareNumber/corrupt`,
    [],
    32768,
  ),
  batch: route('batch', 'POST', `${EXTENSIONS}/batch`, [], BATCH_SIZE_MAX),
  allocateOpenEnded: route(
    'allocateOpenEnded',
    'POST',
    `${EXTENSIONS}/immutable/:storageIndex`,
    [...LEASE, 'upload-secret'],
    8192,
  ),
  resizeUpload: route(
    'resizeUpload',
    'PUT',
    `${EXTENSIONS}/immutable/:storageIndex/:shareNumber/size`,
    ['upload-secret'],
    1024,
  ),
  storeShares: route(
    'storeShares',
    'POST',
    `${EXTENSIONS}/immutable/:storageIndex/shares`,
    LEASE,
    STORE_SIZE_MAX + STORE_OVERHEAD_MAX,
  ),
}

/** The path of an operation on a share. */
export function routePath(
  name: RouteName,
  storageIndex?: StorageIndex,
  shareNumber?: ShareNumber,
): string {
  let { path } = routes[name]
  if (storageIndex !== undefined) path = path.replace(':storageIndex', toBase32(storageIndex))
  if (shareNumber !== undefined) path = path.replace(':shareNumber', String(shareNumber))
  return path
}

/** What a request is about. What its path does not name is empty, or -1. */
export interface RouteMatch {
  readonly name: RouteName
  readonly storageIndex: StorageIndex
  /** As in the path: may be 256 or more, which no server holds. */
  readonly shareNumber: number
}

/** That nothing is there (404), or nothing that takes this method (405, with those that it takes). */
export interface RouteMiss {
  readonly status: 404 | 405
  readonly allow: readonly string[]
}

interface Place {
  readonly pattern: RegExp
  readonly byMethod: Map<string, RouteName>
}

const places: readonly Place[] = (() => {
  const byPath = new Map<string, Place>()
  for (const { name, method, path } of Object.values(routes)) {
    const pattern = path
      .replace(':storageIndex', '(?<storageIndex>[a-z2-7]{26})')
      .replace(':shareNumber', '(?<shareNumber>[0-9]+)')
    const place = byPath.get(path) ?? { pattern: new RegExp(`^${pattern}$`), byMethod: new Map() }
    place.byMethod.set(method, name)
    if (method === 'GET') place.byMethod.set('HEAD', name)
    byPath.set(path, place)
  }
  return [...byPath.values()]
})()

/**
 * Finds the operation that a request asks for.
 *
 * @param path - the path of the request's URL, which may be percent-encoded, without its query.
 */
export function matchRoute(method: string, path: string): RouteMatch | RouteMiss {
  const plain = path.includes('%') ? decodePath(path) : path
  for (const { pattern, byMethod } of places) {
    const match = pattern.exec(plain)
    if (match === null) continue
    const storageIndex = parseStorageIndex(match.groups?.['storageIndex'])
    if (storageIndex === undefined) break
    const name = byMethod.get(method)
    if (name === undefined) return { status: 405, allow: [...byMethod.keys()] }
    return { name, storageIndex, shareNumber: parseShareNumber(match.groups?.['shareNumber']) }
  }
  return { status: 404, allow: [] }
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return ''
  }
}

/** Empty for a path without one, undefined for one that stands for no 16 bytes. */
function parseStorageIndex(text: string | undefined): Uint8Array | undefined {
  if (text === undefined) return new Uint8Array(0)
  try {
    return fromBase32(text)
  } catch {
    return undefined
  }
}

function parseShareNumber(text: string | undefined): number {
  return text === undefined ? -1 : Math.min(Number(text), MAX_BUCKETS)
}
