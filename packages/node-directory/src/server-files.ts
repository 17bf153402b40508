import { join } from 'node:path'
import { formatServersYaml } from '@lafs/client'
import type { ServerDescription } from '@lafs/client'
import { NodeDirectoryError } from './errors.ts'
import { parseEndpoint } from './endpoints.ts'
import { readIfThere, writeWhole } from './files.ts'
import type { ListenAddress } from './node-config.ts'

/**
 * Where a storage server listened last, from the file `client.port`: for a `tahoe.cfg` without `tub.port`.
 *
 * @returns undefined when there is no such file.
 * @throws {@link NodeDirectoryError} `NODEDIR_BAD_CONFIG`.
 */
export async function readClientPort(folder: string): Promise<ListenAddress | undefined> {
  const text = await readIfThere(join(folder, 'client.port'))
  if (text === undefined) return undefined
  const { kind, port, host } = parseEndpoint(text.trim()) ?? {}
  if (port !== undefined && port !== 0) {
    return { host: host ?? (kind === 'tcp6' ? '::' : '0.0.0.0'), port, place: 'client.port' }
  }
  throw new NodeDirectoryError(
    'NODEDIR_BAD_CONFIG',
    'client.port: expected where to listen, such as tcp:3457',
  )
}

/** Keeps where a storage server listens, for its next start. */
export async function saveClientPort(folder: string, { host, port }: ListenAddress): Promise<void> {
  const where = host === '0.0.0.0' ? '' : `:interface=${host}`
  await writeWhole(join(folder, 'client.port'), `tcp:${port}${where}\n`)
}

/**
 * Keeps how clients reach a storage server, for their owners: `private/storage.furl`, whose secret lets them
 * in at its next start, too, and `private/announcement.yaml`, which is what clients have in their
 * `private/servers.yaml`.
 */
export async function saveAnnouncement(folder: string, server: ServerDescription): Promise<void> {
  const file = (name: string): string => join(folder, 'private', name)
  await writeWhole(file('storage.furl'), `${server.announcement['anonymous-storage-FURL']}\n`)
  await writeWhole(
    file('announcement.yaml'),
    `# This storage server, as clients have it in their private/servers.yaml. Who has this may use it.\n${formatServersYaml([server])}`,
  )
}
