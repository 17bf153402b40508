export { createDiskStore, type DiskStoreOptions } from './disk-store.ts'
