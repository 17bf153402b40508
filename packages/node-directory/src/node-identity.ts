import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import {
  createSigningKeypair,
  serverIdFromVerifyingKey,
  signingKeypairFromString,
  stringFromSigningKey,
  stringFromVerifyingKey,
  toBase32,
} from '@lafs/crypto'
import { parseFurl } from '@lafs/storage-protocol'
import { createHttpsIdentity, httpsIdentityFromPem } from '@lafs/transport-https'
import type { HttpsIdentity } from '@lafs/transport-https'
import { NodeDirectoryError } from './errors.ts'
import { hasSystemCode, readIfThere, writeOnce, writeWhole } from './files.ts'

/** The Ed25519 key by which a node is known on its grid. */
export interface NodeKey {
  /** `v0-` and the base32 of the public key. */
  readonly serverId: string
  /** 32 bytes. */
  readonly publicKey: Uint8Array
}

/** What makes a node the same node at its next start. */
export interface NodeIdentity extends NodeKey {
  /** What it serves with; holds secrets. */
  readonly https: HttpsIdentity
}

/** Bytes of what lets clients in. */
const SWISSNUM_SIZE = 20

/**
 * Reads the key of a node from `private/node.privkey`, or makes one there.
 *
 * @throws {@link NodeDirectoryError} `NODEDIR_BAD_SECRET`.
 */
export async function openNodeKey(folder: string): Promise<NodeKey> {
  const file = join(folder, 'private', 'node.privkey')
  const text =
    (await readIfThere(file)) ??
    (await writeOnce(file, `${stringFromSigningKey(createSigningKeypair().seed)}\n`))
  const { publicKey } = readSecret('node.privkey', () => signingKeypairFromString(text.trim()))
  return { serverId: serverIdFromVerifyingKey(publicKey), publicKey }
}

/**
 * Reads the identity of a node from its directory, or makes one there, in upstream's files:
 * `private/node.privkey`, `private/node.pem` (key and certificate for TLS), `node.pubkey` and `my_nodeid`.
 * What lets clients in comes from `private/storage.furl`, which {@link saveAnnouncement} writes.
 *
 * @throws {@link NodeDirectoryError} `NODEDIR_BAD_SECRET`.
 */
export async function openNodeIdentity(folder: string): Promise<NodeIdentity> {
  const file = (name: string): string => join(folder, 'private', name)
  const key = await openNodeKey(folder)
  const furl = await readIfThere(file('storage.furl'))
  const swissnum =
    furl === undefined
      ? toBase32(randomBytes(SWISSNUM_SIZE))
      : readSecret('storage.furl', () => parseFurl(furl.trim()).swissnum)
  const pem = (await readIfThere(file('node.pem'))) ?? (await writeOnce(file('node.pem'), newPem()))
  const https = readSecret('node.pem', () =>
    httpsIdentityFromPem({
      privateKeyPem: pemBlock(pem, /PRIVATE KEY/),
      certificatePem: pemBlock(pem, /CERTIFICATE/),
      swissnum,
    }),
  )
  const publicKey = `${stringFromVerifyingKey(key.publicKey)}\n`
  await writeWhole(join(folder, 'node.pubkey'), publicKey, 0o644)
  await writeWhole(join(folder, 'my_nodeid'), `${toBase32(https.tubId)}\n`, 0o644)
  return { ...key, https }
}

/**
 * What orders a server among others, in base32: the file `permutation-seed`. Where there is none yet it is
 * the server's key; but a server with shares is older than these files, and stays where its TubID puts it.
 *
 * @see allmydata.client._Client._init_permutation_seed
 */
export async function openPermutationSeed(
  folder: string,
  storageFolder: string,
  identity: NodeIdentity,
): Promise<string> {
  const file = join(folder, 'permutation-seed')
  const kept = (await readIfThere(file))?.trim() ?? ''
  if (kept !== '') return kept
  const hasShares = await holdsShares(join(storageFolder, 'shares'))
  const seed = toBase32(hasShares ? identity.https.tubId : identity.publicKey)
  await writeWhole(file, `${seed}\n`, 0o644)
  return seed
}

async function holdsShares(folder: string): Promise<boolean> {
  try {
    return (await readdir(folder)).some((name) => name !== 'incoming')
  } catch (error) {
    if (hasSystemCode(error, 'ENOENT')) return false
    throw error
  }
}

function newPem(): string {
  const { privateKeyPem, certificatePem } = createHttpsIdentity()
  return privateKeyPem + certificatePem
}

function readSecret<T>(name: string, read: () => T): T {
  try {
    return read()
  } catch {
    // The cause may show the secret.
    throw new NodeDirectoryError(
      'NODEDIR_BAD_SECRET',
      `expected ${SECRET_FILES[name] ?? 'a secret'} in private/${name}`,
    )
  }
}

const SECRET_FILES: Readonly<Record<string, string>> = {
  'node.privkey': 'an Ed25519 key (priv-v0-…)',
  'storage.furl': 'a FURL (pb://…)',
  'node.pem': 'a private key and its certificate, in PEM,',
}

function pemBlock(pem: string, label: RegExp): string {
  const blocks = pem.match(/-----BEGIN ([^-]+)-----[^-]+-----END \1-----\n?/g) ?? []
  return blocks.find((block) => label.test(block)) ?? ''
}
