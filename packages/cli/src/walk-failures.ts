import { CommandError, describeFailure } from './failure.ts'
import type { ProgressBar } from './progress.ts'
import { quoteOutput, quotePath } from './quote.ts'
import { writeTo } from './terminal.ts'
import type { OutputStream } from './terminal.ts'

/** What goes wrong with parts of something that goes on: told at once, a line each, and remembered by its number. */
export class WalkFailures {
  readonly #stderr: OutputStream
  readonly #bar: Pick<ProgressBar, 'end'> | undefined
  #count = 0

  /** @param bar - what is drawn on the same terminal, and makes room. */
  constructor(stderr: OutputStream, bar?: Pick<ProgressBar, 'end'>) {
    this.#stderr = stderr
    this.#bar = bar
  }

  /** @param path - from where the walk began; undefined where nobody knows. */
  async tell(path: readonly string[] | undefined, error: unknown): Promise<void> {
    this.note()
    this.#bar?.end()
    const place = path === undefined ? undefined : quotePath(path)
    await writeTo(this.#stderr, `${describeFailure(error, place)}\n`)
  }

  /** Tells of something that is left out, which is no failure. @param path - of a local file. */
  async warn(path: string, why: string): Promise<void> {
    this.#bar?.end()
    await writeTo(this.#stderr, `WARNING: ${quoteOutput(path)} is left out: ${why}\n`)
  }

  /** Remembers what is told elsewhere. */
  note(): void {
    this.#count++
  }

  /** How many there are so far. */
  get count(): number {
    return this.#count
  }

  /**
   * @param rest - what became of the rest.
   * @throws {@link CommandError} `CLI_INCOMPLETE` once something has gone wrong.
   */
  throwIfAny(rest = 'told'): void {
    if (this.#count === 0) return
    const things = this.#count === 1 ? 'one thing' : `${this.#count} things`
    throw new CommandError('CLI_INCOMPLETE', `${things} failed; all the rest is ${rest}`)
  }
}
