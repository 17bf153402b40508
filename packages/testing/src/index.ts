export { breakingLine, type BreakingLine, type BreakingLineOptions } from './breaking-line.ts'
export { noise, same } from './bytes.ts'
export {
  describeFaultPlan,
  drawFaultPlan,
  FAULT_NAMES,
  FAULTLESS,
  type FaultName,
  type FaultPlan,
} from './fault-plan.ts'
export * from './faults.ts'
export { sharesOn, storeShares } from './immutable-shares.ts'
export { seededRandom, type SeededRandom } from './random.ts'
export { brokerOf, createSimulatedGrid, serverOf, type SimulatedGrid } from './simulated-grid.ts'
export {
  SimulatedServer,
  type SimulatedRecord,
  type SimulatedServerOptions,
} from './simulated-server.ts'
export { HangError, virtualClock, type VirtualClock } from './virtual-clock.ts'
