import { NodeDirectoryError } from '@lafs/node-directory'
import type { ListenAddress } from '@lafs/node-directory'

/** What may keep a process from listening, in words. */
const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program listens there already',
  EACCES: 'this user may not listen there',
  EADDRNOTAVAIL: 'this machine does not have that address',
  ENOTFOUND: 'this machine does not have that address',
}

/**
 * Listens, and says which option named the address where that cannot be.
 *
 * @throws {@link NodeDirectoryError} `NODEDIR_CANNOT_LISTEN`.
 */
export async function listening<T>(
  { host, port, place }: ListenAddress,
  listen: () => Promise<T>,
): Promise<T> {
  try {
    return await listen()
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
    const reason = REASONS[code]
    if (reason === undefined) throw cause
    throw new NodeDirectoryError(
      'NODEDIR_CANNOT_LISTEN',
      `${place}: cannot listen on port ${port} of ${host}: ${reason}`,
      { cause },
    )
  }
}
