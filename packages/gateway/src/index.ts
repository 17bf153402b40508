export * from './exchange.ts'
export * from './gateway.ts'
export * from './serve.ts'
