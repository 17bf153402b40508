import type { ServerVersion } from '@lafs/storage-interface'
import { decodeCbor, encodeCbor } from '../cbor.ts'
import { expectBytes, expectMap, expectUint, wrongShape } from './fields.ts'

const PROTOCOL = 'http://allmydata.org/tahoe/protocols/storage/v1'
const utf8 = new TextEncoder()

/**
 * The answer to `GET /version`. Its keys are byte strings, unlike those of every other message.
 *
 * @see allmydata.storage.http_server.HTTPServer.version
 */
export function encodeVersion(version: ServerVersion): Uint8Array {
  const limits = [
    ['maximum-immutable-share-size', version.maximumImmutableShareSize],
    ['maximum-mutable-share-size', version.maximumMutableShareSize],
    ['available-space', version.availableSpace],
  ] as const
  return encodeCbor(
    new Map<Uint8Array, unknown>([
      [
        utf8.encode(PROTOCOL),
        new Map(limits.map(([key, value]) => [utf8.encode(key), sendable(value)])),
      ],
      [utf8.encode('application-version'), utf8.encode(version.applicationVersion)],
    ]),
  )
}

/** A size as the wire has it: whole, and no endless room. */
function sendable(size: number): number {
  return Math.max(0, Math.min(Math.floor(size), Number.MAX_SAFE_INTEGER))
}

/** @throws {@link MessageError}. What the message does not say is true of every server of this protocol. */
export function decodeVersion(bytes: Uint8Array): ServerVersion {
  const version = byteKeyed(decodeCbor(bytes), [PROTOCOL, 'application-version'], 'version')
  const limits = byteKeyed(
    version.get(PROTOCOL),
    ['maximum-immutable-share-size', 'maximum-mutable-share-size', 'available-space'],
    'version limits',
  )
  const limit = (key: string): number => expectUint(limits.get(key), key)
  return {
    maximumImmutableShareSize: limit('maximum-immutable-share-size'),
    maximumMutableShareSize: limit('maximum-mutable-share-size'),
    availableSpace: limit('available-space'),
    toleratesImmutableReadOverrun: true,
    deleteMutableSharesWithZeroLengthWritev: true,
    fillsHolesWithZeroBytes: true,
    preventsReadPastEndOfShareData: true,
    applicationVersion: new TextDecoder().decode(
      expectBytes(version.get('application-version'), 'application-version'),
    ),
  }
}

/** A map with exactly these keys, each a byte string that stands once. */
function byteKeyed(value: unknown, keys: readonly string[], where: string): Map<string, unknown> {
  const entries = [...expectMap(value, where)].map(
    ([key, item]) => [new TextDecoder().decode(expectBytes(key, `${where} key`)), item] as const,
  )
  const map = new Map(entries)
  if (entries.length !== keys.length || keys.some((key) => !map.has(key))) {
    throw wrongShape(
      where,
      `the keys ${keys.join(', ')}`,
      `${entries.length} others or repeated ones`,
    )
  }
  return map
}
