import { listAdvisories } from '@lafs/storage-server'
import type { Advisory } from '@lafs/storage-server'
import type { CommandContext } from '../command-context.ts'
import { kebabJson } from '../kebab-json.ts'
import type { JsonOption } from '../outcome.ts'
import { quoteOutput } from '../quote.ts'
import { withStorage } from '../storage-folder.ts'
import { writeLine, writeTo } from '../terminal.ts'

/** Lists what clients have told a storage server of bad shares, the oldest first. */
export async function adminAdvisoriesCommand(
  context: CommandContext,
  folder: string | undefined,
  { json }: JsonOption,
): Promise<void> {
  const { stdout, signal } = context.terminal
  await withStorage(context, folder, async ({ store }) => {
    let count = 0
    for await (const advisory of listAdvisories(store)) {
      signal.throwIfAborted()
      count++
      await writeLine(stdout, json === true ? kebabJson(advisory) : lineOf(advisory))
    }
    if (json !== true)
      await writeTo(stdout, `done: ${count === 1 ? '1 advisory' : `${count} advisories`}\n`)
  })
}

/** Whoever sends an advisory chooses its words. */
function lineOf({ name, time, kind, storageIndex, shareNumber, reason }: Advisory): string {
  if (storageIndex === undefined) return `${quoteOutput(name)} is no advisory`
  const when = time === undefined ? 'at an unknown time' : time.toISOString().slice(0, 19)
  const share = `SI ${storageIndex}, shnum ${shareNumber}`
  return `${when.replace('T', ' ')}: ${share}: ${kind}: ${quoteOutput(reason ?? '')}`
}
