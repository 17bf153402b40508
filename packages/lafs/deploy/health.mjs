// Whether the node of $LAFS_DATA answers: exit status 0 or 1, for health checks.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

try {
  const url = (await readFile(join(process.env.LAFS_DATA ?? '/data', 'node.url'), 'utf8')).trim()
  // A gateway that listens everywhere is asked where it is.
  const address = new URL('?t=json', url.replace('//0.0.0.0', '//127.0.0.1'))
  const response = await fetch(address, { signal: AbortSignal.timeout(8000) })
  await response.json()
  process.exitCode = response.ok ? 0 : 1
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
