import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import {
  bucketCancelSecretHash,
  bucketRenewalSecretHash,
  fileCancelSecretHash,
  fileRenewalSecretHash,
  fromBase32,
  myCancelSecretHash,
  myRenewalSecretHash,
  sskWriteEnablerHash,
  toBase32,
} from '@lafs/crypto'
import { capTextFromInput, parseCap } from '@lafs/uri'
import type { Cap } from '@lafs/uri'
import { UsageError } from '../failure.ts'
import { quoteOutput } from '../quote.ts'
import type { CommandContext } from '../command-context.ts'
import { writeTo } from '../terminal.ts'

/** The options of `debug dump-cap`. */
export interface DumpCapOptions {
  readonly nodeid?: string
  readonly clientSecret?: string
  readonly clientDir?: string
}

/** The secrets from outside that more secrets derive from. */
interface OutsideSecrets {
  readonly nodeId?: Uint8Array | undefined
  readonly clientSecret?: Uint8Array | undefined
}

/** Prints what a cap consists of. @see allmydata.scripts.debug.dump_cap */
export async function dumpCapCommand(
  { terminal }: CommandContext,
  text: string,
  options: DumpCapOptions,
): Promise<void> {
  const secrets = {
    nodeId: options.nodeid === undefined ? undefined : base32Option('-n', options.nodeid),
    clientSecret: await readClientSecret(terminal.cwd, options),
  }
  const lines = dumpCap(parseCap(capTextFromInput(text)), secrets)
  await writeTo(terminal.stdout, ['', ...lines, ''].join('\n'))
}

async function readClientSecret(
  cwd: string,
  options: DumpCapOptions,
): Promise<Uint8Array | undefined> {
  if (options.clientSecret !== undefined) return base32Option('-c', options.clientSecret)
  if (options.clientDir === undefined) return undefined
  const file = resolve(cwd, join(options.clientDir, 'private', 'secret'))
  const text = await readFile(file, 'utf8').catch(() => undefined)
  return text === undefined ? undefined : base32Option('-d', text.trim())
}

function base32Option(option: string, text: string): Uint8Array {
  try {
    return fromBase32(text.toLowerCase())
  } catch {
    throw new UsageError(`expected base32 for ${option}.`)
  }
}

const HEADINGS: Readonly<Record<Cap['kind'], string>> = {
  chk: 'CHK File:',
  'chk-verifier': 'CHK Verifier URI:',
  lit: 'Literal File URI:',
  ssk: 'SDMF Writeable URI:',
  'ssk-ro': 'SDMF Read-only URI:',
  'ssk-verifier': 'SDMF Verifier URI:',
  mdmf: 'MDMF Writeable URI:',
  'mdmf-ro': 'MDMF Read-only URI:',
  'mdmf-verifier': 'MDMF Verifier URI:',
  'dir2-chk': 'CHK Directory URI:',
  'dir2-chk-verifier': 'CHK Directory Verifier URI:',
  dir2: 'Directory Writeable URI:',
  'dir2-ro': 'Directory Read-only URI:',
  'dir2-verifier': 'Directory Verifier URI:',
  'dir2-mdmf': 'Directory Writeable URI:',
  'dir2-mdmf-ro': 'Directory Read-only URI:',
  'dir2-mdmf-verifier': 'Directory Verifier URI:',
  'dir2-lit': 'unknown cap type',
  unknown: 'unknown cap type',
}

/** The lines about a cap. @see allmydata.scripts.debug.dump_uri_instance */
function dumpCap(cap: Cap, secrets: OutsideSecrets): string[] {
  if (cap.kind === 'unknown' || cap.kind === 'dir2-lit') return ['unknown cap type']
  const file = 'fileCap' in cap ? cap.fileCap : cap
  return [HEADINGS[cap.kind], ...dumpFileCap(file, secrets)]
}

type DumpedFileCap = Exclude<Cap, { readonly fileCap: unknown } | { readonly kind: 'unknown' }>

function dumpFileCap(cap: DumpedFileCap, secrets: OutsideSecrets): string[] {
  switch (cap.kind) {
    case 'lit':
      return [` data: ${quoteOutput(cap.data)}`]
    case 'chk':
      return [
        ` key: ${toBase32(cap.key)}`,
        ...dumpParameters(cap),
        ...dumpSecrets(cap.storageIndex, secrets),
      ]
    case 'chk-verifier':
      return dumpParameters(cap)
    case 'ssk':
    case 'mdmf':
      return [
        ` writekey: ${toBase32(cap.writekey)}`,
        ` readkey: ${toBase32(cap.readkey)}`,
        ...dumpMutable(cap),
        '',
        ...dumpWriteEnabler(cap.writekey, secrets),
        ...dumpSecrets(cap.storageIndex, secrets),
      ]
    case 'ssk-ro':
    case 'mdmf-ro':
      return [` readkey: ${toBase32(cap.readkey)}`, ...dumpMutable(cap)]
    case 'ssk-verifier':
    case 'mdmf-verifier':
      return dumpMutable(cap)
  }
}

function dumpParameters(cap: {
  readonly uriExtensionHash: Uint8Array
  readonly size: number
  readonly requiredShares: number
  readonly totalShares: number
  readonly storageIndex: Uint8Array
}): string[] {
  return [
    ` UEB hash: ${toBase32(cap.uriExtensionHash)}`,
    ` size: ${cap.size}`,
    ` k/N: ${cap.requiredShares}/${cap.totalShares}`,
    ` storage index: ${toBase32(cap.storageIndex)}`,
  ]
}

function dumpMutable(cap: {
  readonly storageIndex: Uint8Array
  readonly fingerprint: Uint8Array
}): string[] {
  return [
    ` storage index: ${toBase32(cap.storageIndex)}`,
    ` fingerprint: ${toBase32(cap.fingerprint)}`,
  ]
}

function dumpWriteEnabler(writekey: Uint8Array, { nodeId }: OutsideSecrets): string[] {
  if (nodeId === undefined) return []
  return [` write_enabler: ${toBase32(sskWriteEnablerHash(writekey, nodeId))}`, '']
}

function dumpSecrets(storageIndex: Uint8Array, { clientSecret, nodeId }: OutsideSecrets): string[] {
  if (clientSecret === undefined) return []
  const clientRenewal = myRenewalSecretHash(clientSecret)
  const clientCancel = myCancelSecretHash(clientSecret)
  const fileRenewal = fileRenewalSecretHash(clientRenewal, storageIndex)
  const fileCancel = fileCancelSecretHash(clientCancel, storageIndex)
  const lease = (name: string, hash: (id: Uint8Array) => Uint8Array): string[] =>
    nodeId === undefined ? [] : [` lease ${name} secret: ${toBase32(hash(nodeId))}`]
  return [
    ` client renewal secret: ${toBase32(clientRenewal)}`,
    ` file renewal secret: ${toBase32(fileRenewal)}`,
    ...lease('renewal', (id) => bucketRenewalSecretHash(fileRenewal, id)),
    ` client cancel secret: ${toBase32(clientCancel)}`,
    ` file cancel secret: ${toBase32(fileCancel)}`,
    ...lease('cancel', (id) => bucketCancelSecretHash(fileCancel, id)),
  ]
}
