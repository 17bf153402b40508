import { basename, dirname, resolve } from 'node:path'
import { couldBeBase32Encoded, fromBase32, sskPubkeyFingerprintHash, toBase32 } from '@lafs/crypto'
import { hashTreeNodeCount, numberOfSegments } from '@lafs/storage-protocol/layout'
import type { ChkLayout } from '@lafs/storage-protocol/layout'
import { ChkVerifierCap, MdmfVerifierCap, SskVerifierCap } from '@lafs/uri'
import { readChkShare } from '../chk-share.ts'
import { mutableOffsets, readMutableShare } from '../mutable-share.ts'
import type { MutableShareContents } from '../mutable-share.ts'
import { quoteOutput } from '../quote.ts'
import type { CommandContext } from '../command-context.ts'
import {
  IMMUTABLE_DATA_OFFSET,
  MUTABLE_DATA_OFFSET,
  MUTABLE_HEADER_SIZE,
  withShareFile,
} from '../share-file.ts'
import type { ImmutableShareFile, LeaseRecord, MutableShareFile } from '../share-file.ts'
import { writeTo } from '../terminal.ts'

/** The options of `debug dump-share`. */
export interface DumpShareOptions {
  readonly offsets?: boolean
  readonly leasesOnly?: boolean
}

/** What the dump of a share depends on beside its bytes. */
interface DumpContext extends DumpShareOptions {
  /** Seconds since 1970. */
  readonly nowSeconds: number
  /** From the name of the folder that the share is in; undefined where that is no storage index. */
  readonly storageIndex: Uint8Array | undefined
}

const HOUR = 3600
const DAY = 24 * HOUR

/** Prints what is in the file of a share. @see allmydata.scripts.debug.dump_share */
export async function dumpShareCommand(
  { terminal }: CommandContext,
  file: string,
  options: DumpShareOptions,
): Promise<void> {
  const path = resolve(terminal.cwd, file)
  const context = {
    ...options,
    nowSeconds: terminal.now() / 1000,
    storageIndex: storageIndexOfFolder(path),
  }
  const lines = await withShareFile(path, async (share) =>
    share.kind === 'immutable'
      ? [
          ...(options.leasesOnly === true ? [] : await dumpChk(share, context)),
          ...dumpImmutableLeases(share.leases, context),
        ]
      : dumpMutable(share, context),
  )
  await writeTo(
    terminal.stdout,
    [`share filename: ${quoteOutput(path)}`, ...lines, '', ''].join('\n'),
  )
}

/** The share itself does not hold its storage index: its folder is named after it. */
function storageIndexOfFolder(path: string): Uint8Array | undefined {
  const name = basename(dirname(path))
  return couldBeBase32Encoded(name) ? fromBase32(name) : undefined
}

/** One line of a table, its label flush right in 20 columns. */
function row(label: string, value: string | number): string {
  return `${label.padStart(20)}: ${value}`
}

function dumpedValue(name: string, value: number | string | Uint8Array): string | number {
  if (typeof value === 'number' || typeof value === 'string') return value
  return name.includes('hash') ? toBase32(value) : new TextDecoder().decode(value)
}

const UEB_GROUPS = [
  ['size', 'num_segments', 'segment_size', 'needed_shares', 'total_shares'],
  ['codec_name', 'codec_params', 'tail_codec_params'],
  [
    'plaintext_hash',
    'plaintext_root_hash',
    'crypttext_hash',
    'crypttext_root_hash',
    'share_root_hash',
    'UEB_hash',
  ],
]

async function dumpChk(share: ImmutableShareFile, context: DumpContext): Promise<string[]> {
  const { layout, uriExtension, uriExtensionSize, uriExtensionHash } = await readChkShare(share)
  const { offsets } = layout
  const fields = { ...uriExtension, UEB_hash: uriExtensionHash }
  const present = new Map(
    Object.entries(fields).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, dumpedValue(name, value)] as const],
    ),
  )
  const group = (names: readonly string[]): string[] =>
    names.flatMap((name) => {
      const value = present.get(name)
      return value === undefined ? [] : [row(name === 'size' ? 'file_size' : name, value)]
    })
  const leftover = [...present.keys()]
    .filter((name) => !UEB_GROUPS.flat().includes(name))
    .toSorted()
  const { storageIndex } = context
  const verifyCap =
    storageIndex === undefined
      ? []
      : [
          row(
            'verify-cap',
            new ChkVerifierCap({
              storageIndex,
              uriExtensionHash: fields.UEB_hash,
              requiredShares: fields.needed_shares,
              totalShares: fields.total_shares,
              size: fields.size,
            }).format(),
          ),
        ]
  return [
    row('version', layout.version),
    ...UEB_GROUPS.flatMap((names, index) => [...(index === 0 ? [] : ['']), ...group(names)]),
    ...(leftover.length === 0 ? [] : ['', 'LEFTOVER:', ...group(leftover)]),
    ...verifyCap,
    '',
    ' Size of data within the share:',
    row('data', offsets.plaintextHashTree - offsets.data),
    row('uri-extension', uriExtensionSize),
    row('validation', offsets.uriExtension - offsets.plaintextHashTree),
    ...(context.offsets === true ? dumpChkOffsets(layout, share) : []),
  ]
}

function dumpChkOffsets({ offsets }: ChkLayout, share: ImmutableShareFile): string[] {
  const sections = {
    'block data': offsets.data,
    plaintext_hash_tree: offsets.plaintextHashTree,
    crypttext_hash_tree: offsets.crypttextHashTree,
    block_hashes: offsets.blockHashes,
    share_hashes: offsets.shareHashes,
    uri_extension: offsets.uriExtension,
  }
  return [
    '',
    ' Section Offsets:',
    row('share data', IMMUTABLE_DATA_OFFSET),
    ...Object.entries(sections).map(
      ([name, offset]) => `  ${row(name, inBothBases(IMMUTABLE_DATA_OFFSET + offset))}`,
    ),
    row('leases', share.leaseOffset),
  ]
}

function inBothBases(offset: number): string {
  return `${offset}   (0x${offset.toString(16)})`
}

function dumpImmutableLeases(leases: readonly LeaseRecord[], context: DumpContext): string[] {
  if (leases.length === 0) return ['', ' No leases.']
  return [
    '',
    ...leases.map(
      (lease) =>
        ` Lease #${lease.slot}: owner=${lease.ownerNumber}, expire in ${remaining(lease, context)}`,
    ),
  ]
}

function remaining({ expiresAtSeconds }: LeaseRecord, { nowSeconds }: DumpContext): string {
  const seconds = expiresAtSeconds - nowSeconds
  const whole = `${Math.trunc(seconds)}s`
  if (seconds > DAY) return `${whole} (${Math.floor(seconds / DAY)} days)`
  return seconds > HOUR ? `${whole} (${Math.floor(seconds / HOUR)} hours)` : whole
}

async function dumpMutable(share: MutableShareFile, context: DumpContext): Promise<string[]> {
  const contents = await readMutableShare(share)
  return [
    '',
    'Mutable slot found:',
    ` share_type: ${contents?.format ?? 'unknown'}`,
    ` write_enabler: ${toBase32(share.writeEnabler)}`,
    ` WE for nodeid: ${toBase32(share.nodeId)}`,
    ` num_extra_leases: ${share.extraLeaseCount}`,
    ` container_size: ${share.extraLeaseOffset - MUTABLE_DATA_OFFSET}`,
    ` data_length: ${share.dataLength}`,
    ...dumpMutableLeases(share, context),
    ...(contents === undefined ? [] : ['', ...dumpContents(contents, context)]),
    ...(contents === undefined || context.offsets !== true
      ? []
      : dumpMutableOffsets(contents, share)),
  ]
}

function dumpMutableLeases(share: MutableShareFile, context: DumpContext): string[] {
  if (share.leases.length === 0) return ['No leases.']
  const present = (secret: Uint8Array): string =>
    `${share.hashedSecrets ? 'hash:' : ''}${toBase32(secret)}`
  return share.leases.flatMap((lease) => [
    '',
    ` Lease #${lease.slot}:`,
    `  ownerid: ${lease.ownerNumber}`,
    `  expires in ${remaining(lease, context)}`,
    `  renew_secret: ${present(lease.renewSecret)}`,
    `  cancel_secret: ${present(lease.cancelSecret)}`,
    `  secrets are for nodeid: ${toBase32(lease.nodeId ?? new Uint8Array())}`,
  ])
}

function dumpContents(
  { format, header, verificationKey, shareHashNodes }: MutableShareContents,
  { storageIndex }: DumpContext,
): string[] {
  const { sections, salt } = header
  const sizeOf = (name: keyof typeof sections): number => sections[name].end - sections[name].offset
  // Upstream sorts the numbers as text for one format and as numbers for the other.
  const nodes =
    format === 'SDMF'
      ? shareHashNodes.map(String).toSorted()
      : shareHashNodes.toSorted((a, b) => a - b)
  const VerifierCap = format === 'SDMF' ? SskVerifierCap : MdmfVerifierCap
  const fingerprint = sskPubkeyFingerprintHash(verificationKey)
  return [
    ` ${format} contents:`,
    `  seqnum: ${header.sequenceNumber}`,
    `  root_hash: ${toBase32(header.rootHash)}`,
    ...(salt === undefined ? [] : [`  IV: ${toBase32(salt)}`]),
    `  required_shares: ${header.requiredShares}`,
    `  total_shares: ${header.totalShares}`,
    `  segsize: ${header.segmentSize}`,
    `  datalen: ${header.dataLength}`,
    `  enc_privkey: ${sizeOf('encryptedPrivateKey')} bytes`,
    `  pubkey: ${verificationKey.length} bytes`,
    `  signature: ${sizeOf('signature')} bytes`,
    `  share_hash_chain: ${nodes.join(',')}`,
    `  block_hash_tree: ${hashTreeNodeCount(numberOfSegments(header))} nodes`,
    ...(storageIndex === undefined
      ? []
      : [`  verify-cap: ${new VerifierCap({ storageIndex, fingerprint }).format()}`]),
  ]
}

function dumpMutableOffsets(
  { format, header }: MutableShareContents,
  share: MutableShareFile,
): string[] {
  // Upstream sets the labels of one format flush right and those of the other not at all.
  const flushRight = format === 'SDMF'
  const line = (label: string, offset: number, shift: number): string =>
    flushRight
      ? `${' '.repeat(shift)}${row(label, inBothBases(offset))}`
      : `${' '.repeat(shift + 2)}${label}: ${inBothBases(offset)}`
  return [
    '',
    ' Section Offsets:',
    line('first lease', MUTABLE_HEADER_SIZE, 0),
    line('share data', MUTABLE_DATA_OFFSET, 0),
    line('seqnum', MUTABLE_DATA_OFFSET + 1, 2),
    line('root_hash', MUTABLE_DATA_OFFSET + 9, 2),
    ...mutableOffsets(header).map(([name, offset]) => line(name, MUTABLE_DATA_OFFSET + offset, 2)),
    line('extra leases', share.extraLeaseOffset + 4, 0),
  ]
}
