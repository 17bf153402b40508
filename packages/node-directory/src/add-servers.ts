import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { isMap, parseDocument } from 'yaml'
import type { Document } from 'yaml'
import { parseServersYaml } from '@lafs/client'
import type { ServerDescription } from '@lafs/client'
import { readIfThere, writeWhole } from './files.ts'

/**
 * Adds servers to the `private/servers.yaml` of a node directory, or corrects those that stand there under the
 * same id; all else in the file, comments too, stays as it is.
 *
 * @param announcements - text as of the file `private/announcement.yaml` of a server.
 * @returns the servers that were added or corrected.
 * @throws {@link ClientError} those of {@link parseServersYaml}, for either text.
 */
export async function addServers(
  folder: string,
  announcements: string,
): Promise<ServerDescription[]> {
  const servers = parseServersYaml(announcements)
  const file = join(folder, 'private', 'servers.yaml')
  const text = (await readIfThere(file)) ?? ''
  parseServersYaml(text)
  const document: Document = parseDocument(text, { version: '1.1', logLevel: 'error' })
  if (!isMap(document.contents)) document.contents = document.createNode({ storage: {} })
  if (!isMap(document.get('storage'))) document.set('storage', document.createNode({}))
  for (const { serverId, announcement } of servers) {
    document.setIn(['storage', serverId], document.createNode({ ann: announcement }))
  }
  if (servers.length === 0) return servers
  await mkdir(join(folder, 'private'), { recursive: true, mode: 0o700 })
  await writeWhole(file, document.toString({ lineWidth: 0 }))
  return servers
}
