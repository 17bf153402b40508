import { CommandError, describeFailure } from './failure.ts'
import { quotePath } from './quote.ts'
import { writeTo } from './terminal.ts'
import type { OutputStream } from './terminal.ts'

/** What goes wrong on a walk that goes on: told at once, a line each, and remembered by its number. */
export class WalkFailures {
  readonly #stderr: OutputStream
  #count = 0

  constructor(stderr: OutputStream) {
    this.#stderr = stderr
  }

  /** @param path - from where the walk began; undefined where nobody knows. */
  async tell(path: readonly string[] | undefined, error: unknown): Promise<void> {
    this.note()
    const place = path === undefined ? undefined : quotePath(path)
    await writeTo(this.#stderr, `${describeFailure(error, place)}\n`)
  }

  /** Remembers what is told elsewhere. */
  note(): void {
    this.#count++
  }

  /** How many there are so far. */
  get count(): number {
    return this.#count
  }

  /** @throws {@link CommandError} `CLI_INCOMPLETE` once something has gone wrong. */
  throwIfAny(): void {
    if (this.#count === 0) return
    const things = this.#count === 1 ? 'one thing' : `${this.#count} things`
    throw new CommandError('CLI_INCOMPLETE', `${things} failed; all the rest is told`)
  }
}
