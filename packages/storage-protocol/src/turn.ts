/** Settles when what is ready now has had its turn. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    // A browser has no setImmediate.
    if (typeof setImmediate === 'function') setImmediate(resolve)
    else setTimeout(resolve, 0)
  })
}
