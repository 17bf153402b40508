export * from './cancellation.ts'
export * from './clock.ts'
export * from './timed-request.ts'
