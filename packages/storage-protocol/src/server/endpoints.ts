import { type RIStorageServer, type ShareKind, WRITE_ENABLER_SIZE } from '@lafs/storage-interface'
import {
  decodeAllocate,
  decodeCorruption,
  decodeReadTestWrite,
  decodeResize,
  decodeStore,
  encodeAllocated,
  encodeReadTestWriteResult,
  encodeRequired,
  encodeShareNumbers,
  encodeStored,
  encodeVersion,
} from '../messages/index.ts'
import { type RouteName, routes } from '../routes.ts'
import { batch } from './batch.ts'
import type { Call } from './call.ts'
import { readShare } from './read-share.ts'
import { cborResponse, checkAccept, HttpError, plainResponse, readMessage } from './responses.ts'
import type { StorageResponse } from './types.ts'
import { uploadKey, writeShare } from './write-share.ts'

/** What serves each operation. */
export const endpoints: Record<RouteName, (call: Call) => Promise<StorageResponse>> = {
  version: async ({ server, request }) => {
    checkAccept(request)
    return cborResponse(encodeVersion(await server.getVersion()))
  },
  allocate: (call) =>
    allocate(call, (storageIndex, request) => call.server.allocateBuckets(storageIndex, request)),
  writeShare,
  abortUpload,
  listImmutable: (call) => listShares(call, 'immutable'),
  readImmutable: (call) => readShare(call, 'immutable'),
  corruptImmutable: (call) => adviseCorruptShare(call, 'immutable'),
  addLease,
  readTestWrite,
  listMutable: (call) => listShares(call, 'mutable'),
  readMutable: (call) => readShare(call, 'mutable'),
  corruptMutable: (call) => adviseCorruptShare(call, 'mutable'),
  batch,
  allocateOpenEnded: (call) =>
    allocate(call, async (storageIndex, request) => {
      const allocating = call.server.allocateOpenEnded?.(storageIndex, request)
      if (allocating === undefined) throw new HttpError(404)
      return allocating
    }),
  resizeUpload,
  storeShares,
}

function leaseSecrets(call: Call): { renewSecret: Uint8Array; cancelSecret: Uint8Array } {
  return {
    renewSecret: call.secret('lease-renew-secret'),
    cancelSecret: call.secret('lease-cancel-secret'),
  }
}

async function allocate(
  call: Call,
  reserve: RIStorageServer['allocateBuckets'],
): Promise<StorageResponse> {
  const { uploads, request, match } = call
  const message = decodeAllocate(await readMessage(request, routes.allocate))
  checkAccept(request)
  const { alreadyGot, writers } = await reserve(match.storageIndex, {
    ...message,
    ...leaseSecrets(call),
  })
  for (const [shareNumber, writer] of writers) {
    uploads.add(uploadKey(match.storageIndex, shareNumber), writer, call.secret('upload-secret'))
  }
  const allocated = new Set(writers.keys())
  return cborResponse(encodeAllocated({ alreadyHave: alreadyGot, allocated }))
}

async function storeShares(call: Call): Promise<StorageResponse> {
  const { server, request, match } = call
  if (server.storeShares === undefined) throw new HttpError(404)
  const shares = decodeStore(await readMessage(request, routes.storeShares))
  checkAccept(request)
  const store = { shares, ...leaseSecrets(call) }
  const { alreadyGot, stored } = await server.storeShares(match.storageIndex, store)
  return cborResponse(encodeStored({ alreadyHave: alreadyGot, stored }))
}

async function resizeUpload(call: Call): Promise<StorageResponse> {
  const { uploads, request, match } = call
  const { size, final } = decodeResize(await readMessage(request, routes.resizeUpload))
  checkAccept(request)
  const key = uploadKey(match.storageIndex, match.shareNumber)
  const writer = uploads.writer(key, call.secret('upload-secret'))
  if (writer.resize === undefined) throw new HttpError(404)
  await writer.resize(size, { final })
  const missing = writer.requiredRanges()
  const isComplete = final && missing.length === 0
  if (isComplete) await uploads.close(key, writer)
  return cborResponse(encodeRequired(missing), isComplete ? 201 : 200)
}

async function abortUpload(call: Call): Promise<StorageResponse> {
  const { storageIndex, shareNumber } = call.match
  const key = uploadKey(storageIndex, shareNumber)
  try {
    await call.uploads.writer(key, call.secret('upload-secret')).abort()
  } catch (error) {
    if (!(error instanceof HttpError) || error.status !== 404) throw error
    const shares = await call.server.listShares('immutable', storageIndex)
    throw shares.has(shareNumber) ? new HttpError(405, 'the share is complete') : error
  }
  return plainResponse(200)
}

async function listShares(call: Call, kind: ShareKind): Promise<StorageResponse> {
  checkAccept(call.request)
  return cborResponse(
    encodeShareNumbers(await call.server.listShares(kind, call.match.storageIndex)),
  )
}

async function addLease(call: Call): Promise<StorageResponse> {
  await call.server.addLease(call.match.storageIndex, leaseSecrets(call))
  return plainResponse(204)
}

async function readTestWrite(call: Call): Promise<StorageResponse> {
  const { server, request, match } = call
  const body = await readMessage(request, routes.readTestWrite)
  const { testWriteVectors, readVectors } = decodeReadTestWrite(body)
  checkAccept(request)
  const writeEnabler = call.secret('write-enabler')
  // One of another size is another one.
  if (writeEnabler.length !== WRITE_ENABLER_SIZE) throw new HttpError(401)
  const result = await server.slotTestvAndReadvAndWritev(
    match.storageIndex,
    { ...leaseSecrets(call), writeEnabler },
    testWriteVectors,
    readVectors,
  )
  return cborResponse(encodeReadTestWriteResult(result))
}

async function adviseCorruptShare(call: Call, kind: ShareKind): Promise<StorageResponse> {
  const { server, request, match } = call
  const shares = await server.listShares(kind, match.storageIndex)
  if (!shares.has(match.shareNumber)) throw new HttpError(404)
  const route = kind === 'immutable' ? routes.corruptImmutable : routes.corruptMutable
  const reason = decodeCorruption(await readMessage(request, route))
  await server.adviseCorruptShare(kind, match.storageIndex, match.shareNumber, reason)
  return plainResponse(200)
}
