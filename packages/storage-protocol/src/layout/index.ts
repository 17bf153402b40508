export * from './chk-layout.ts'
export * from './chk-reader.ts'
export * from './chk-writer.ts'
export * from './share-hash-order.ts'
