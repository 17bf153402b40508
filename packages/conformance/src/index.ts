export * from './codec.ts'
export * from './share-store.ts'
export * from './storage-server.ts'
export * from './transport.ts'
