export * from './faults.ts'
export { seededRandom, type SeededRandom } from './random.ts'
