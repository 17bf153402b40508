/** Does some work as soon as there is room for it. */
export type Limit = <Outcome>(work: () => Promise<Outcome>) => Promise<Outcome>

/**
 * Lets so many pieces of work be under way at a time, in the order in which they come. After a failure
 * nothing more is begun: what waits fails for the same reason.
 */
export function concurrencyLimit(atOnce: number): Limit {
  let room = atOnce
  // Much may wait, and the first of a set is found and taken out at once.
  const waiting = new Set<() => void>()
  const failures: unknown[] = []
  return async (work) => {
    if (room === 0) await new Promise<void>((resolve) => waiting.add(resolve))
    else room -= 1
    try {
      if (failures.length > 0) throw failures[0]
      return await work()
    } catch (error) {
      failures.push(error)
      throw error
    } finally {
      const [next] = waiting
      if (next === undefined) {
        room += 1
      } else {
        waiting.delete(next)
        next()
      }
    }
  }
}

/**
 * Waits until all has come to its end, well or not.
 *
 * @returns the outcomes, in the order of the promises.
 * @throws the failure that stands first.
 */
export async function allEnded<Outcome>(promises: Iterable<Promise<Outcome>>): Promise<Outcome[]> {
  const settled = await Promise.allSettled(promises)
  return settled.map((one) => {
    if (one.status === 'rejected') throw one.reason
    return one.value
  })
}
