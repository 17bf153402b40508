import { join } from 'node:path'
import { readIfThere } from '@lafs/node-directory/files'
import { runningProcess } from '@lafs/node-directory/running-process'
import { CommandError } from './failure.ts'

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

/**
 * The same, for what only a running node can tell.
 *
 * @throws {@link CommandError} `CLI_NO_NODE_RUNNING`, `CLI_NO_WEB_API`.
 */
export async function expectRunningNode(nodeDirectory: string): Promise<string> {
  const url = await runningNodeUrl(nodeDirectory)
  if (url !== undefined) return url
  if ((await runningProcess(nodeDirectory)) === undefined) {
    throw new CommandError('CLI_NO_NODE_RUNNING', 'no node runs from the node directory')
  }
  throw new CommandError('CLI_NO_WEB_API', 'the running node has no web API')
}
