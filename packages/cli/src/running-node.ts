import { join } from 'node:path'
import { readIfThere } from './private-file.ts'

/**
 * The address of the gateway of the process that runs from a node directory; undefined where none
 * does. What `node.url` says counts while there is such a process alone: by now the port may be
 * somebody else's.
 */
export async function runningNodeUrl(nodeDirectory: string): Promise<string | undefined> {
  const process = await readIfThere(join(nodeDirectory, 'running.process'))
  const id = Number(process?.trim().split(/\s+/)[0])
  if (!Number.isInteger(id) || id <= 0 || !isAlive(id)) return undefined
  const url = await readIfThere(join(nodeDirectory, 'node.url'))
  return url?.trim() || undefined
}

function isAlive(id: number): boolean {
  try {
    return process.kill(id, 0)
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
