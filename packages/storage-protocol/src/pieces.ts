/** How much is held before the source has to wait. */
const HELD_MAX: number = 4 * 1024 * 1024

/** What the pieces of a body come from. */
export interface PieceSource {
  pause(): void
  /** Also called when it is not paused. */
  resume(): void
  /** Called when no more pieces are wanted. */
  leave(): void
}

/** The pieces of a body between who gets them and who wants them. */
export interface PieceQueue {
  /** Each once, as they come. */
  readonly pieces: AsyncIterator<Uint8Array> & { return(): Promise<IteratorResult<Uint8Array>> }
  readonly push: (piece: Uint8Array) => void
  /** There are no more. Only the first of this and {@link fail} counts. */
  readonly end: () => void
  /** There are no more, though there should be. */
  readonly fail: (error: unknown) => void
}

/** A queue for the pieces of one body: a fraction of the cost of node's own streams. */
export function queuePieces(source: PieceSource): PieceQueue {
  const held: Uint8Array[] = []
  let heldSize = 0
  const state: { ending?: { readonly error?: unknown } } = {}
  let wake = (): void => {}
  const finish = (how: { readonly error?: unknown }): void => {
    state.ending ??= how
    wake()
  }
  return {
    push: (piece) => {
      held.push(piece)
      heldSize += piece.length
      if (heldSize >= HELD_MAX) source.pause()
      wake()
    },
    end: () => finish({}),
    fail: (error) => finish({ error }),
    pieces: {
      async next() {
        while (held.length === 0 && state.ending === undefined) {
          source.resume()
          await new Promise<void>((resolve) => {
            wake = resolve
          })
        }
        const value = held.shift()
        if (value !== undefined) {
          heldSize -= value.length
          return { done: false, value }
        }
        if (state.ending !== undefined && 'error' in state.ending) throw state.ending.error
        return { done: true, value: undefined }
      },
      return() {
        held.length = 0
        source.leave()
        return Promise.resolve({ done: true, value: undefined })
      },
    },
  }
}
