export { createStorageHandler, type StorageHandlerOptions } from './handler.ts'
export type { StorageHandler, StorageRequest, StorageResponse } from './types.ts'
export { toWebResponse } from './web.ts'
