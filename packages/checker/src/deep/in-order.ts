import { OperationCancelledError } from '@lafs/filesystem-interface'
import { Cancellation, interruptible } from '@lafs/storage-protocol/waiting'

/** For each item that is worked on, so many outcomes may wait for one that comes before them. */
const OUTCOMES_AHEAD = 4

/** Options of {@link inOrder}. */
export interface InOrderOptions<Item> {
  /** How many items are worked on at one time, or how much of {@link weightOf}. */
  readonly atOnce: number
  /** For how many items one counts; it is worked on whatever it weighs. Default: 1. */
  readonly weightOf?: ((item: Item) => number) | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Works on several items at one time and gives the outcomes in the order of the items. While the
 * reader is busy nothing more is begun than fits into the room of a few outcomes for each item that
 * is worked on. Leaving the loop ends everything that is under way.
 *
 * @param source - makes the items; its signal fires when nothing more is needed.
 * @param work - what it comes to once its signal has fired is not heard of.
 * @throws the reason of the signal, what the source throws.
 */
export function inOrder<Item, Outcome>(
  source: (signal: AbortSignal) => AsyncIterable<Item>,
  work: (item: Item, signal: AbortSignal) => Promise<Outcome>,
  options: InOrderOptions<Item>,
): AsyncGenerator<Outcome> {
  return interruptible(outcomesOf(source, work, options), options.signal)
}

async function* outcomesOf<Item, Outcome>(
  source: (signal: AbortSignal) => AsyncIterable<Item>,
  work: (item: Item, signal: AbortSignal) => Promise<Outcome>,
  { atOnce, weightOf = () => 1, signal }: InOrderOptions<Item>,
): AsyncGenerator<Outcome> {
  const cancellation = new Cancellation(signal)
  const outcomes: Promise<Outcome>[] = []
  const feeder = { load: 0, stopped: false, wake: (): void => {} }
  const reader = { wake: (): void => {} }
  const isFull = (): boolean => feeder.load >= atOnce || outcomes.length >= atOnce * OUTCOMES_AHEAD
  const feed = async (): Promise<void> => {
    for await (const item of source(cancellation.signal)) {
      const weight = weightOf(item)
      feeder.load += weight
      const outcome = cancellation
        .run((own) => work(item, own))
        .finally(() => {
          feeder.load -= weight
          feeder.wake()
        })
      // What goes wrong is heard of when its turn comes.
      outcome.catch(() => {})
      outcomes.push(outcome)
      reader.wake()
      while (isFull() && !feeder.stopped) {
        await new Promise<void>((resolve) => {
          feeder.wake = resolve
        })
      }
      if (feeder.stopped) return
    }
  }
  let fed: { readonly error?: unknown } | undefined
  const end = (how: { readonly error?: unknown }): void => {
    fed = how
    reader.wake()
  }
  feed().then(
    () => end({}),
    (error: unknown) => end({ error }),
  )
  try {
    for (;;) {
      const [head] = outcomes
      if (head !== undefined) {
        const outcome = await head
        void outcomes.shift()
        feeder.wake()
        yield outcome
      } else if (fed === undefined) {
        await new Promise<void>((resolve) => {
          reader.wake = resolve
        })
      } else if ('error' in fed) throw fed.error
      else return
    }
  } finally {
    feeder.stopped = true
    feeder.wake()
    cancellation.abort(new OperationCancelledError('nobody waits for it any more'))
    cancellation.dispose()
  }
}
