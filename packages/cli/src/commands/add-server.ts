import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { isClientError, parseServersYaml } from '@lafs/client'
import { addServers, runningProcess } from '@lafs/node-directory'
import type { CommandContext } from '../command-context.ts'
import { CommandError, UsageError } from '../failure.ts'
import { kebabJson } from '../kebab-json.ts'
import type { JsonOption } from '../outcome.ts'
import { printableName, quoteOutput } from '../quote.ts'
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
  assertAnnouncement(announcements)
  const isNew = !existsSync(nodeDirectory)
  const servers = await addServers(nodeDirectory, announcements)
  if (isNew && !quiet) {
    const said = `There was no node directory ${quoteOutput(nodeDirectory)}; there is one now.`
    await writeLine(terminal.stderr, said)
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

/** What is wrong here is wrong in the text that was given, and not in the node directory. */
function assertAnnouncement(announcements: string): void {
  const expected = 'expected the private/announcement.yaml of a storage server, got'
  try {
    if (parseServersYaml(announcements).length > 0) return
  } catch (error) {
    if (!isClientError(error)) throw error
    throw new CommandError('CLI_BAD_ANNOUNCEMENT', `${expected} something else`)
  }
  throw new UsageError(`${expected} no server`)
}
