import type { SeededRandom } from './random.ts'

/**
 * What is wrong with a simulated server. Rates are probabilities from 0 to 1, drawn anew for each
 * operation or share; operations are counted from 0 from the moment that the plan is taken on.
 */
export interface FaultPlan {
  /** How long an answer takes at least and at most, in virtual milliseconds. */
  readonly latencyMs: readonly [least: number, most: number]
  /** From this operation on it cannot be reached. */
  readonly diesAtOperation: number
  /** Operations that fail though the server lives; aborts get through. */
  readonly failRate: number
  /** Operations that take {@link stallMs} longer, on the way there or on the way back. */
  readonly stallRate: number
  readonly stallMs: number
  /** Reads with one bit wrong. */
  readonly flipRate: number
  /** Reads with every bit wrong. */
  readonly garbleRate: number
  /** Reads that end too early. */
  readonly truncateRate: number
  /** Gives each share for another one. */
  readonly swapsShares: boolean
  /** Shares that it has and does not tell of, each time anew. */
  readonly hideRate: number
  /** Listings with a share that it does not have. */
  readonly inventRate: number
  /** Allocations, and writes to slots, that are refused as a whole, with an error. */
  readonly refuseRate: number
  /** Shares of an allocation that find no room. */
  readonly noSpaceRate: number
  /** Takes no new shares, and says so. */
  readonly readonly: boolean
  /** Shares whose writes are acknowledged and dropped; of slots: writes, whatever they test. */
  readonly dropWritesRate: number
  /** Shares that are gone after their upload; of slots: those of a write. */
  readonly loseRate: number
  /**
   * At this operation everything is gone that was uploaded through this server until then, and mutable
   * slots are as they were before the first write since the plan was taken on.
   */
  readonly rollsBackAtOperation: number
  /** Operations that are done, and whose answers are lost. */
  readonly loseAnswerRate: number
}

/** A server without a fault, that answers within 50 ms. */
export const FAULTLESS: FaultPlan = {
  latencyMs: [1, 50],
  diesAtOperation: Infinity,
  failRate: 0,
  stallRate: 0,
  stallMs: 0,
  flipRate: 0,
  garbleRate: 0,
  truncateRate: 0,
  swapsShares: false,
  hideRate: 0,
  inventRate: 0,
  refuseRate: 0,
  noSpaceRate: 0,
  readonly: false,
  dropWritesRate: 0,
  loseRate: 0,
  rollsBackAtOperation: Infinity,
  loseAnswerRate: 0,
}

/** The names of the faults that {@link drawFaultPlan} knows. */
export type FaultName =
  | 'dies'
  | 'fails'
  | 'stalls'
  | 'answersLate'
  | 'flips'
  | 'garbles'
  | 'truncates'
  | 'swaps'
  | 'hides'
  | 'invents'
  | 'refuses'
  | 'hasNoSpace'
  | 'isReadonly'
  | 'dropsWrites'
  | 'loses'
  | 'rollsBack'
  | 'losesAnswers'

const faults: Readonly<Record<FaultName, (random: SeededRandom) => Partial<FaultPlan>>> = {
  dies: (random) => ({ diesAtOperation: random.integer(12) }),
  fails: (random) => ({ failRate: random.next() }),
  stalls: (random) => ({ stallRate: random.next(), stallMs: 1000 + random.integer(300_000) }),
  answersLate: (random) => {
    const least = 1000 + random.integer(9000)
    return { latencyMs: [least, least + random.integer(2000)] }
  },
  flips: (random) => ({ flipRate: sometimes(random) }),
  garbles: (random) => ({ garbleRate: sometimes(random) }),
  truncates: (random) => ({ truncateRate: sometimes(random) }),
  swaps: () => ({ swapsShares: true }),
  hides: (random) => ({ hideRate: sometimes(random) }),
  invents: (random) => ({ inventRate: sometimes(random) }),
  refuses: (random) => ({ refuseRate: sometimes(random) }),
  hasNoSpace: (random) => ({ noSpaceRate: sometimes(random) }),
  isReadonly: () => ({ readonly: true }),
  dropsWrites: (random) => ({ dropWritesRate: sometimes(random) }),
  loses: (random) => ({ loseRate: sometimes(random) }),
  rollsBack: (random) => ({ rollsBackAtOperation: random.integer(20) }),
  losesAnswers: (random) => ({ loseAnswerRate: sometimes(random) }),
}

/** The names of all faults. */
export const FAULT_NAMES: readonly FaultName[] = Object.keys(faults) as FaultName[]

/** Always in half of the cases, else at any rate. */
function sometimes(random: SeededRandom): number {
  return random.next() < 0.5 ? 1 : random.next()
}

/**
 * A plan by chance.
 *
 * @param odds - how likely each fault is, from 0 to 1; those that are not named do not happen.
 */
export function drawFaultPlan(
  random: SeededRandom,
  odds: Readonly<Partial<Record<FaultName, number>>>,
): FaultPlan {
  let plan = FAULTLESS
  for (const name of FAULT_NAMES) {
    if (random.next() < (odds[name] ?? 0)) plan = { ...plan, ...faults[name](random) }
  }
  return plan
}

/** The fields of a plan that differ from {@link FAULTLESS}, for traces. */
export function describeFaultPlan(plan: FaultPlan): string {
  const entries = Object.entries(plan).filter(
    ([name, value]) => value !== FAULTLESS[name as keyof FaultPlan],
  )
  return entries.map(([name, value]) => `${name}=${String(value)}`).join(' ') || 'no fault'
}
