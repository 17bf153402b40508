export { createDiskStore, openDiskStore, type DiskStoreOptions } from './disk-store.ts'
