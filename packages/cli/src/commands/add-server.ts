import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { addServers, runningProcess } from '@lafs/node-directory'
import type { CommandContext } from '../command-context.ts'
import { UsageError } from '../failure.ts'
import { kebabJson } from '../kebab-json.ts'
import type { JsonOption } from '../outcome.ts'
import { printableName } from '../quote.ts'
import { writeLine } from '../terminal.ts'

/**
 * Makes storage servers known to the node directory.
 *
 * @param file - the `private/announcement.yaml` of a server; `-` or nothing: standard input.
 */
export async function addServerCommand(
  { terminal, nodeDirectory, quiet }: CommandContext,
  file: string | undefined,
  { json }: JsonOption,
): Promise<void> {
  const announcements =
    file === undefined || file === '-'
      ? await text(terminal.stdin)
      : await readFile(resolve(terminal.cwd, file), 'utf8')
  const servers = await addServers(nodeDirectory, announcements)
  if (servers.length === 0) {
    throw new UsageError(
      'expected the private/announcement.yaml of a storage server, got no server.',
    )
  }
  const nodeRuns = (await runningProcess(nodeDirectory)) !== undefined
  if (json === true) {
    const added = servers.map(({ serverId, announcement: { nickname } }) => ({
      serverId,
      nickname,
    }))
    await writeLine(terminal.stdout, kebabJson({ added, knownAfterNextStart: nodeRuns }))
    return
  }
  if (quiet) return
  for (const { serverId, announcement } of servers) {
    const name = printableName(announcement.nickname ?? '')
    await writeLine(terminal.stdout, `added ${serverId}${name === '' ? '' : ` (${name})`}`)
  }
  if (nodeRuns)
    await writeLine(terminal.stderr, 'The running node knows them after its next start.')
}
