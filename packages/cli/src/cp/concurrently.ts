/**
 * Does something with each item, some at a time. After a failure nothing more is begun, and what is
 * under way comes to its end first.
 *
 * @returns the outcomes, in the order of the items.
 * @throws the first failure.
 */
export async function mapConcurrently<Item, Outcome>(
  items: Iterable<Item>,
  atOnce: number,
  work: (item: Item) => Promise<Outcome>,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  const waiting = [...items].entries()
  const failures: unknown[] = []
  const worker = async (): Promise<void> => {
    for (const [index, item] of waiting) {
      if (failures.length > 0) return
      try {
        outcomes[index] = await work(item)
      } catch (error) {
        failures.push(error)
      }
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  if (failures.length > 0) throw failures[0]
  return outcomes
}
