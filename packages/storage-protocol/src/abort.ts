const watched = new WeakMap<AbortSignal, Set<() => void>>()

/**
 * Calls back once when a signal aborts. However many wait for one signal, it has one listener: an
 * upload waits for its signal at every write, and Node warns of a leak past ten.
 *
 * @returns a function that takes the wish back.
 */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  const known = watched.get(signal)
  const callbacks = known ?? new Set()
  if (known === undefined) {
    watched.set(signal, callbacks)
    const callAll = (): void => {
      for (const each of callbacks) each()
      callbacks.clear()
    }
    signal.addEventListener('abort', callAll, { once: true })
  }
  callbacks.add(callback)
  return () => {
    callbacks.delete(callback)
  }
}
