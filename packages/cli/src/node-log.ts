import { blotOutSecrets } from './failure.ts'
import { escapeControls } from './quote.ts'
import type { Terminal } from './terminal.ts'

/** So many bytes may wait for whoever reads the log; while there are more, lines are lost. */
const UNREAD_MAX = 1024 * 1024

/**
 * What a node has to say: lines with their time in front, without secrets and controls. A pipe that is held
 * open and not read any more takes no more memory than others.
 */
export function nodeLog({ stdout, now }: Pick<Terminal, 'stdout' | 'now'>): (line: string) => void {
  return (line) => {
    if (stdout.writableLength > UNREAD_MAX) return
    const time = new Date(now()).toISOString().replace('T', ' ')
    stdout.write(`${time} ${escapeControls(blotOutSecrets(line))}\n`)
  }
}
