import type { ServerAnnouncement } from '@lafs/storage-interface'
import { parse, stringify, YAMLParseError } from 'yaml'
import type { ServerDescription } from './announcement.ts'
import { ClientError } from './errors.ts'
import type { ClientErrorCode } from './errors.ts'

/** The fields of an announcement that must be text where they are given. */
const TEXT_FIELDS = ['anonymous-storage-FURL', 'permutation-seed-base32', 'service-name'] as const

/**
 * Reads `private/servers.yaml`, the list of servers that need no introducer:
 *
 * ```yaml
 * storage:
 *   v0-<base32 of the server's Ed25519 key>:
 *     ann:
 *       nickname: cellar
 *       anonymous-storage-FURL: pb://<TubID>@tcp:192.0.2.7:3457/<swissnum>
 *       anonymous-storage-NURLs:
 *         - pb://<SPKI hash>@192.0.2.7:3457/<swissnum>#v=1
 * ```
 *
 * @param text - the file: YAML 1.1, as upstream reads it. An empty file names no servers.
 * @returns the servers in the order of their ids. Fields that mean nothing here stay as they are.
 * @throws {@link ClientError} `CLIENT_SERVERS_YAML_SYNTAX`, `CLIENT_SERVERS_YAML_BAD_SHAPE`,
 *   `CLIENT_SERVERS_YAML_BAD_FIELD`.
 * @see Tahoe-LAFS docs/configuration.rst, "Static Server Definitions"
 */
export function parseServersYaml(text: string): ServerDescription[] {
  const document = parseYaml(text)
  if (document === null) return []
  const storage = mapping(document, 'the file')['storage']
  if (storage === undefined || storage === null) return []
  return Object.entries(mapping(storage, 'storage'))
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([serverId, server]) => {
      const announcement = mapping(server, `storage.${serverId}`)['ann']
      return { serverId, announcement: checkAnnouncement(announcement, `storage.${serverId}.ann`) }
    })
}

/** Writes a `servers.yaml` that {@link parseServersYaml} and upstream read. */
export function formatServersYaml(servers: Iterable<ServerDescription>): string {
  const storage = Object.fromEntries(
    [...servers].map(({ serverId, announcement }) => [serverId, { ann: announcement }]),
  )
  return stringify({ storage }, { version: '1.1', lineWidth: 0 })
}

function parseYaml(text: string): unknown {
  try {
    return parse(text, { version: '1.1', logLevel: 'error' })
  } catch (cause) {
    const place = cause instanceof YAMLParseError ? cause.linePos?.[0] : undefined
    const where = place === undefined ? '' : ` at line ${place.line}, column ${place.col}`
    // The parser's own message quotes the file, which holds FURLs: only the place is passed on.
    throw new ClientError('CLIENT_SERVERS_YAML_SYNTAX', `servers.yaml: expected YAML${where}`)
  }
}

function checkAnnouncement(value: unknown, where: string): ServerAnnouncement {
  const announcement = mapping(value, where)
  for (const field of TEXT_FIELDS) {
    const content = announcement[field]
    if (content !== undefined && typeof content !== 'string') {
      throw badFile('CLIENT_SERVERS_YAML_BAD_FIELD', `${where}.${field}`, 'text', content)
    }
  }
  const nurls = announcement['anonymous-storage-NURLs']
  if (nurls !== undefined && !isTextList(nurls)) {
    throw badFile(
      'CLIENT_SERVERS_YAML_BAD_FIELD',
      `${where}.anonymous-storage-NURLs`,
      'a list of texts',
      nurls,
    )
  }
  const { nickname } = announcement
  // YAML turns a nickname such as 7 or true into something else than text.
  return typeof nickname === 'string' || nickname === undefined
    ? announcement
    : { ...announcement, nickname: JSON.stringify(nickname) }
}

function isTextList(value: unknown): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}

function mapping(value: unknown, where: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>
  }
  throw badFile('CLIENT_SERVERS_YAML_BAD_SHAPE', where, 'a mapping', value)
}

function badFile(
  code: ClientErrorCode,
  where: string,
  expected: string,
  got: unknown,
): ClientError {
  const kind =
    got === null || got === undefined
      ? 'nothing'
      : Array.isArray(got)
        ? 'a list'
        : `a ${typeof got}`
  return new ClientError(code, `servers.yaml: expected ${expected} at ${where}, got ${kind}`)
}
