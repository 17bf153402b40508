import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { formatServersYaml } from '@lafs/client'
import { toBase32 } from '@lafs/crypto'
import { startNode } from '@lafs/node'
import { freePort } from './free-port.ts'
import type { UpstreamClientOptions } from './upstream-node.ts'

/** A node of ours that runs in this process. */
export interface OwnNode extends AsyncDisposable {
  /** Its node directory. */
  readonly folder: string
  /** Its web API, such as `http://127.0.0.1:3456/`. */
  readonly webUrl: string
  stop(): Promise<void>
}

/**
 * Makes a node of ours in a new folder that is a client of the given servers and stores shares itself,
 * and starts it.
 */
export async function startOwnGateway(
  folder: string,
  { servers, encoding, convergence }: UpstreamClientOptions,
): Promise<OwnNode> {
  const port = await freePort()
  const { requiredShares, happyShares, totalShares, maxSegmentSize } = encoding
  const inPrivate = (name: string): string => join(folder, 'private', name)
  await mkdir(join(folder, 'private'), { recursive: true, mode: 0o700 })
  const config = [
    '[node]',
    'nickname = ours',
    'web.port = tcp:0:interface=127.0.0.1',
    `tub.port = tcp:${port}:interface=127.0.0.1`,
    `tub.location = tcp:127.0.0.1:${port}`,
    '[client]',
    `shares.needed = ${requiredShares}`,
    `shares.happy = ${happyShares}`,
    `shares.total = ${totalShares}`,
    ...(maxSegmentSize === undefined
      ? []
      : [`shares._max_immutable_segment_size_for_testing = ${maxSegmentSize}`]),
    '[storage]',
    'enabled = true',
    'reserved_space = 0',
  ]
  await writeFile(join(folder, 'tahoe.cfg'), `${config.join('\n')}\n`)
  await writeFile(inPrivate('servers.yaml'), formatServersYaml(servers), { mode: 0o600 })
  if (convergence !== undefined) {
    await writeFile(inPrivate('convergence'), `${toBase32(convergence)}\n`, { mode: 0o600 })
  }
  return startOwnNode(folder)
}

/** Starts a node of ours that has a directory already, with a `web.port`. */
export async function startOwnNode(folder: string): Promise<OwnNode> {
  const node = await startNode(folder)
  const stop = (): Promise<void> => node.close()
  const webUrl = node.url ?? ''
  return { folder, webUrl, stop, [Symbol.asyncDispose]: stop }
}
