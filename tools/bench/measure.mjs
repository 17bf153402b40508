/**
 * Runs every operation on a store: something that does what the operations need, by either
 * implementation. Each has a `name`, says how often to `repeat` it, and `run` gets the store, the
 * state of the operations before it and the number of the repetition; what it returns, if that is a
 * function, is what counts.
 *
 * @returns the median of each in milliseconds, by name.
 */
export async function measure(store, operations) {
  const state = {}
  const medians = {}
  for (const { name, repeat, run } of operations) {
    const times = []
    for (let round = 0; round < repeat; round++) {
      await store.rest?.(name, round)
      let begin = performance.now()
      const rest = await run(store, state, round)
      if (typeof rest === 'function') {
        begin = performance.now()
        await rest()
      }
      times.push(performance.now() - begin)
    }
    medians[name] = times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)]
  }
  return medians
}
