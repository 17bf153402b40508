/** What an optional operation gives that was there when somebody looked. */
export async function taken<T>(outcome: Promise<T> | undefined): Promise<T> {
  if (outcome === undefined) throw new TypeError('the server has lost an operation')
  return outcome
}
