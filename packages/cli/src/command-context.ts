import type { Terminal } from './terminal.ts'

/** What every command gets beside its own arguments. */
export interface CommandContext {
  readonly terminal: Terminal
  /** The absolute path of the node directory. */
  readonly nodeDirectory: string
  readonly quiet: boolean
}
