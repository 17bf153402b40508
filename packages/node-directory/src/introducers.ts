import { join } from 'node:path'
import { parse, YAMLParseError } from 'yaml'
import { formatServersYaml, isClientError, parseServersYaml } from '@lafs/client'
import type { ServerDescription } from '@lafs/client'
import { NodeDirectoryError } from './errors.ts'
import { readIfThere } from './files.ts'
import { badOption, tahoeCfgOption } from './tahoe-cfg.ts'
import type { TahoeCfg } from './tahoe-cfg.ts'

/**
 * The names of the introducers that a node directory is to join: those of `private/introducers.yaml`, and
 * `default` for the one of tahoe.cfg.
 *
 * @throws {@link NodeDirectoryError} `NODEDIR_BAD_CONFIG`.
 * @see allmydata.node._Config.get_introducer_configuration
 */
export async function introducerNames(folder: string, cfg: TahoeCfg): Promise<string[]> {
  const file = parseYaml(
    'introducers.yaml',
    (await readIfThere(join(folder, 'private', 'introducers.yaml'))) ?? '',
  )
  const introducers = isMapping(file) ? (file['introducers'] ?? {}) : (file ?? {})
  if (!isMapping(introducers)) throw badIntroducers('a mapping of introducers')
  for (const introducer of Object.values(introducers)) {
    if (isMapping(introducer) && typeof introducer['furl'] === 'string') continue
    throw badIntroducers('a furl of each introducer')
  }
  const names = Object.keys(introducers)
  const furl = tahoeCfgOption(cfg, 'client', 'introducer.furl') ?? ''
  if (furl === 'None') throw badOption(cfg, 'client', 'introducer.furl', 'a FURL')
  if (furl === '') return names
  if (names.includes('default')) {
    throw badOption(
      cfg,
      'client',
      'introducer.furl',
      "nothing, since private/introducers.yaml has an introducer 'default',",
    )
  }
  return [...names, 'default']
}

/**
 * The storage servers that introducers told upstream's node of, from `private/introducer_NAME_cache.yaml`:
 * what upstream's goes by, too, when it cannot reach the introducer. What is broken there is passed over.
 *
 * @see allmydata.introducer.client.IntroducerClient._load_announcements
 */
export async function introducedServers(
  folder: string,
  names: readonly string[],
): Promise<ServerDescription[]> {
  const servers = new Map<string, ServerDescription>()
  for (const name of names) {
    const file = `introducer_${name}_cache.yaml`
    const text = name.includes('/') ? undefined : await readIfThere(join(folder, 'private', file))
    for (const server of serversInCache(text ?? '')) servers.set(server.serverId, server)
  }
  return [...servers.values()]
}

function serversInCache(text: string): ServerDescription[] {
  let entries: unknown
  try {
    entries = parseYaml('the cache', text)
  } catch {
    return []
  }
  if (!Array.isArray(entries)) return []
  return entries.flatMap((entry: unknown) => {
    if (!isMapping(entry) || typeof entry['key_s'] !== 'string') return []
    const { key_s: serverId, ann } = entry
    if (!isMapping(ann) || ann['service-name'] !== 'storage') return []
    try {
      return parseServersYaml(formatServersYaml([{ serverId, announcement: ann }]))
    } catch (error) {
      if (isClientError(error)) return []
      throw error
    }
  })
}

function parseYaml(name: string, text: string): unknown {
  try {
    return parse(text, { version: '1.1', logLevel: 'error' })
  } catch (cause) {
    const place = cause instanceof YAMLParseError ? cause.linePos?.[0] : undefined
    const where = place === undefined ? '' : ` at line ${place.line}, column ${place.col}`
    // The parser's own message quotes the file, which holds FURLs.
    throw new NodeDirectoryError('NODEDIR_BAD_CONFIG', `${name}: expected YAML${where}`)
  }
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function badIntroducers(expected: string): NodeDirectoryError {
  return new NodeDirectoryError('NODEDIR_BAD_CONFIG', `introducers.yaml: expected ${expected}`)
}
