import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import {
  createSigningKeypair,
  serverIdFromVerifyingKey,
  signingKeypairFromString,
  stringFromSigningKey,
} from '@lafs/crypto'
import { parseFurl } from '@lafs/storage-protocol'
import { createHttpsIdentity, httpsIdentityFromPem } from '@lafs/transport-https'
import type { HttpsIdentity } from '@lafs/transport-https'
import { readIfThere, writeWhole } from './files.ts'

/** What makes a storage server the same server at its next start. */
export interface ServerDirectory {
  /** `v0-` and the base32 of its Ed25519 key. */
  readonly serverId: string
  readonly identity: HttpsIdentity
  /** Where it listened last. */
  readonly port: number | undefined
}

/**
 * Reads the identity of a storage server from its node directory, or makes one there, in upstream's
 * files: `private/node.privkey` (the Ed25519 key that is its id), `private/node.pem` (key and
 * certificate for TLS), `private/storage.furl` (the swissnum) and `client.port`.
 */
export async function openServerDirectory(folder: string): Promise<ServerDirectory> {
  const file = (name: string): string => join(folder, 'private', name)
  await mkdir(join(folder, 'private'), { recursive: true, mode: 0o700 })
  const privkey = await readIfThere(file('node.privkey'))
  const pem = await readIfThere(file('node.pem'))
  const furl = await readIfThere(file('storage.furl'))
  const keypair =
    privkey === undefined ? createSigningKeypair() : signingKeypairFromString(privkey.trim())
  if (privkey === undefined) {
    await writeWhole(file('node.privkey'), `${stringFromSigningKey(keypair.seed)}\n`)
  }
  const identity =
    pem === undefined || furl === undefined
      ? createHttpsIdentity()
      : httpsIdentityFromPem({
          privateKeyPem: pemBlock(pem, /PRIVATE KEY/),
          certificatePem: pemBlock(pem, /CERTIFICATE/),
          swissnum: parseFurl(furl.trim()).swissnum,
        })
  if (pem === undefined || furl === undefined) {
    await writeWhole(file('node.pem'), identity.privateKeyPem + identity.certificatePem)
  }
  const port = /^tcp:(\d+)/.exec((await readIfThere(join(folder, 'client.port'))) ?? '')?.[1]
  return {
    serverId: serverIdFromVerifyingKey(keypair.publicKey),
    identity,
    port: port === undefined ? undefined : Number(port),
  }
}

/** Keeps where a server can be reached, for its next start. */
export async function saveServerAddress(
  folder: string,
  { furl, port }: { readonly furl: string; readonly port: number },
): Promise<void> {
  await writeWhole(join(folder, 'private', 'storage.furl'), `${furl}\n`)
  await writeWhole(join(folder, 'client.port'), `tcp:${port}:interface=127.0.0.1\n`)
}

function pemBlock(pem: string, label: RegExp): string {
  const blocks = pem.match(/-----BEGIN ([^-]+)-----[^-]+-----END \1-----\n?/g) ?? []
  return blocks.find((block) => label.test(block)) ?? ''
}
