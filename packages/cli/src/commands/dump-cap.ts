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
import type { Cap, ChkCap, ChkVerifierCap } from '@lafs/uri'
import { readCapWord } from '../cap-word.ts'
import { UsageError } from '../failure.ts'
import { writeOutcome } from '../outcome.ts'
import type { JsonOption } from '../outcome.ts'
import { quoteOutput } from '../quote.ts'
import type { CommandContext } from '../command-context.ts'

/** The options of `debug dump-cap`. */
export interface DumpCapOptions extends JsonOption {
  readonly nodeid?: string
  readonly clientSecret?: string
  readonly clientDir?: string
}

/** The secrets from outside that more secrets derive from. */
interface OutsideSecrets {
  readonly nodeId?: Uint8Array | undefined
  readonly clientSecret?: Uint8Array | undefined
}

/** Prints what a cap consists of. @param word - `-`: the cap comes from standard input. @see allmydata.scripts.debug.dump_cap */
export async function dumpCapCommand(
  context: CommandContext,
  word: string,
  options: DumpCapOptions,
): Promise<void> {
  const secrets = {
    nodeId: options.nodeid === undefined ? undefined : base32Option('-n', options.nodeid),
    clientSecret: await readClientSecret(context.terminal.cwd, options),
  }
  const text = await readCapWord(context.terminal, word)
  const facts = capFacts(parseCap(capTextFromInput(text)), secrets)
  await writeOutcome(context, options, ['', ...linesOf(facts)].join('\n'), facts)
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

/** What a cap consists of and what derives from it; bytes in base32. */
interface CapFacts {
  readonly kind: Cap['kind']
  /** As it stands in the cap. */
  readonly data?: string
  readonly key?: string
  readonly writekey?: string
  readonly readkey?: string
  readonly uriExtensionHash?: string
  readonly size?: number
  readonly requiredShares?: number
  readonly totalShares?: number
  readonly storageIndex?: string
  readonly fingerprint?: string
  readonly writeEnabler?: string
  readonly clientRenewalSecret?: string
  readonly fileRenewalSecret?: string
  readonly leaseRenewalSecret?: string
  readonly clientCancelSecret?: string
  readonly fileCancelSecret?: string
  readonly leaseCancelSecret?: string
}

/** What is told about a cap. @see allmydata.scripts.debug.dump_uri_instance */
function capFacts(cap: Cap, secrets: OutsideSecrets): CapFacts {
  if (cap.kind === 'unknown' || cap.kind === 'dir2-lit') return { kind: cap.kind }
  const file = 'fileCap' in cap ? cap.fileCap : cap
  return { kind: cap.kind, ...fileCapFacts(file, secrets) }
}

type DumpedFileCap = Exclude<Cap, { readonly fileCap: unknown } | { readonly kind: 'unknown' }>

function fileCapFacts(cap: DumpedFileCap, secrets: OutsideSecrets): Omit<CapFacts, 'kind'> {
  switch (cap.kind) {
    case 'lit':
      return { data: toBase32(cap.data) }
    case 'chk':
      return {
        key: toBase32(cap.key),
        ...parameters(cap),
        ...leaseSecrets(cap.storageIndex, secrets),
      }
    case 'chk-verifier':
      return parameters(cap)
    case 'ssk':
    case 'mdmf':
      return {
        writekey: toBase32(cap.writekey),
        readkey: toBase32(cap.readkey),
        ...mutableFacts(cap),
        ...(secrets.nodeId && {
          writeEnabler: toBase32(sskWriteEnablerHash(cap.writekey, secrets.nodeId)),
        }),
        ...leaseSecrets(cap.storageIndex, secrets),
      }
    case 'ssk-ro':
    case 'mdmf-ro':
      return { readkey: toBase32(cap.readkey), ...mutableFacts(cap) }
    case 'ssk-verifier':
    case 'mdmf-verifier':
      return mutableFacts(cap)
  }
}

function parameters(cap: ChkCap | ChkVerifierCap): Partial<CapFacts> {
  return {
    uriExtensionHash: toBase32(cap.uriExtensionHash),
    size: cap.size,
    requiredShares: cap.requiredShares,
    totalShares: cap.totalShares,
    storageIndex: toBase32(cap.storageIndex),
  }
}

function mutableFacts(cap: {
  readonly storageIndex: Uint8Array
  readonly fingerprint: Uint8Array
}): Partial<CapFacts> {
  return { storageIndex: toBase32(cap.storageIndex), fingerprint: toBase32(cap.fingerprint) }
}

function leaseSecrets(
  storageIndex: Uint8Array,
  { clientSecret, nodeId }: OutsideSecrets,
): Partial<CapFacts> {
  if (clientSecret === undefined) return {}
  const clientRenewal = myRenewalSecretHash(clientSecret)
  const clientCancel = myCancelSecretHash(clientSecret)
  const fileRenewal = fileRenewalSecretHash(clientRenewal, storageIndex)
  const fileCancel = fileCancelSecretHash(clientCancel, storageIndex)
  return {
    clientRenewalSecret: toBase32(clientRenewal),
    fileRenewalSecret: toBase32(fileRenewal),
    clientCancelSecret: toBase32(clientCancel),
    fileCancelSecret: toBase32(fileCancel),
    ...(nodeId && {
      leaseRenewalSecret: toBase32(bucketRenewalSecretHash(fileRenewal, nodeId)),
      leaseCancelSecret: toBase32(bucketCancelSecretHash(fileCancel, nodeId)),
    }),
  }
}

function linesOf(facts: CapFacts): string[] {
  const line = (label: string, value: string | number | undefined): string[] =>
    value === undefined ? [] : [` ${label}: ${value}`]
  const data = facts.data === undefined ? undefined : quoteOutput(fromBase32(facts.data))
  const encoding =
    facts.requiredShares === undefined ? undefined : `${facts.requiredShares}/${facts.totalShares}`
  return [
    HEADINGS[facts.kind],
    ...line('data', data),
    ...line('key', facts.key),
    ...line('writekey', facts.writekey),
    ...line('readkey', facts.readkey),
    ...line('UEB hash', facts.uriExtensionHash),
    ...line('size', facts.size),
    ...line('k/N', encoding),
    ...line('storage index', facts.storageIndex),
    ...line('fingerprint', facts.fingerprint),
    ...(facts.writekey === undefined ? [] : ['']),
    ...line('write_enabler', facts.writeEnabler),
    ...(facts.writeEnabler === undefined ? [] : ['']),
    ...line('client renewal secret', facts.clientRenewalSecret),
    ...line('file renewal secret', facts.fileRenewalSecret),
    ...line('lease renewal secret', facts.leaseRenewalSecret),
    ...line('client cancel secret', facts.clientCancelSecret),
    ...line('file cancel secret', facts.fileCancelSecret),
    ...line('lease cancel secret', facts.leaseCancelSecret),
  ]
}
