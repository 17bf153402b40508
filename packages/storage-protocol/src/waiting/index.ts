export * from './cancellation.ts'
export * from './clock.ts'
