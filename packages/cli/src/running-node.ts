import { join } from 'node:path'
import { readIfThere } from '@lafs/node-directory/files'
import { runningProcess } from '@lafs/node-directory/running-process'

/**
 * The address of the gateway of the process that runs from a node directory; undefined where none
 * does. What `node.url` says counts while there is such a process alone: by now the port may be
 * somebody else's.
 */
export async function runningNodeUrl(nodeDirectory: string): Promise<string | undefined> {
  if ((await runningProcess(nodeDirectory)) === undefined) return undefined
  const url = await readIfThere(join(nodeDirectory, 'node.url'))
  return url?.trim() || undefined
}
