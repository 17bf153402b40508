import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { networkInterfaces } from 'node:os'
import { formatFurl, formatNurl } from '@lafs/storage-protocol'
import type { ServerAnnouncement } from '@lafs/storage-interface'
import { spkiHashOf } from '@lafs/transport-https'
import type { HttpsIdentity } from '@lafs/transport-https'
import { NodeDirectoryError } from './errors.ts'
import { hasSystemCode } from './files.ts'

/** What a storage server says of itself. */
export interface StorageAnnouncementOptions {
  readonly https: HttpsIdentity
  readonly nickname: string
  /** In base32. */
  readonly permutationSeed: string
  /** Where clients reach it, such as `tcp:example.org:3457`. */
  readonly hints: readonly string[]
  /** The grid managers' certificates; undefined where it announces none. */
  readonly certificates: readonly unknown[] | undefined
}

/**
 * The announcement of a storage server: a NURL for each `tcp:` hint, and the FURL that clients take its TubID
 * from.
 *
 * @see allmydata.client._Client.init_storage; allmydata.protocol_switch
 */
export function storageAnnouncement(options: StorageAnnouncementOptions): ServerAnnouncement {
  const { https, nickname, hints } = options
  const { tubId, swissnum } = https
  const spkiHash = spkiHashOf(new X509Certificate(https.certificatePem))
  const nurls = hints.flatMap((hint) => {
    const [, address, name, port] = /^tcp:(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(hint) ?? []
    const host = address ?? name
    if (host === undefined) return []
    return [formatNurl({ scheme: 'pb', spkiHash, host, port: Number(port), swissnum })]
  })
  return {
    nickname,
    'permutation-seed-base32': options.permutationSeed,
    'anonymous-storage-FURL': formatFurl({ tubId, hints, swissnum }),
    'anonymous-storage-NURLs': nurls,
    ...(options.certificates && { 'grid-manager-certificates': options.certificates }),
  }
}

/**
 * The hints of a server: what tahoe.cfg says, with every IPv4 address of this machine for `AUTO`.
 *
 * @param port - where it listens.
 */
export function locationHints(locations: readonly string[], port: number): string[] {
  return locations.flatMap((location) => {
    if (location === 'AUTO') return localAddresses().map((address) => `tcp:${address}:${port}`)
    // The form of old, without a kind.
    return /^[^:]+:\d+$/.test(location) ? [`tcp:${location}`] : [location]
  })
}

/**
 * Reads the certificates that grid managers gave to a storage server.
 *
 * @throws {@link NodeDirectoryError} `NODEDIR_BAD_CONFIG`.
 * @see allmydata.node._Config.get_grid_manager_certificates
 */
export async function readGridManagerCertificates(files: readonly string[]): Promise<unknown[]> {
  const certificates: unknown[] = []
  for (const file of files) certificates.push(await readCertificate(file))
  return certificates
}

async function readCertificate(file: string): Promise<unknown> {
  const bad = (what: string): NodeDirectoryError =>
    new NodeDirectoryError('NODEDIR_BAD_CONFIG', `[grid_manager_certificates]: ${what} at ${file}`)
  let certificate: unknown
  try {
    certificate = JSON.parse(await readFile(file, 'utf8'))
  } catch (error) {
    if (hasSystemCode(error, 'ENOENT')) throw bad('expected a certificate, found no file')
    if (error instanceof SyntaxError) throw bad('expected JSON')
    throw error
  }
  const isObject = typeof certificate === 'object' && certificate !== null
  const fields = isObject
    ? Object.keys(certificate as object)
        .toSorted()
        .join()
    : ''
  if (fields !== 'certificate,signature') {
    throw bad('expected an object with the fields certificate and signature')
  }
  return certificate
}

function localAddresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ family }) => family === 'IPv4')
    .map(({ address }) => address)
}
