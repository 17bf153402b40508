import { resolve } from 'node:path'
import type { CommandContext } from '../command-context.ts'
import { writeOutcome } from '../outcome.ts'
import type { JsonOption } from '../outcome.ts'
import { escapeControls, quoteOutput } from '../quote.ts'
import { readShareFacts } from '../share-facts.ts'
import type { ImmutableShareFacts, LeaseFacts, MutableShareFacts, Offsets } from '../share-facts.ts'

/** The options of `debug dump-share`. */
export interface DumpShareOptions extends JsonOption {
  readonly offsets?: boolean
  readonly leasesOnly?: boolean
}

const HOUR = 3600
const DAY = 24 * HOUR

/** Prints what is in the file of a share. @see allmydata.scripts.debug.dump_share */
export async function dumpShareCommand(
  context: CommandContext,
  file: string,
  options: DumpShareOptions,
): Promise<void> {
  const { cwd, now } = context.terminal
  const facts = await readShareFacts(resolve(cwd, file), { ...options, nowSeconds: now() / 1000 })
  const lines = facts.kind === 'immutable' ? immutableLines(facts) : mutableLines(facts)
  const text = [`share filename: ${quoteOutput(facts.file)}`, ...lines, ''].join('\n')
  await writeOutcome(context, options, text, facts)
}

/** One line of a table, its label flush right in 20 columns. Whoever made a share chose its words. */
function row(label: string, value: string | number): string {
  return `${label.padStart(20)}: ${escapeControls(String(value))}`
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

function immutableLines({ contents, leases }: ImmutableShareFacts): string[] {
  return [...(contents === undefined ? [] : chkLines(contents)), '', ...immutableLeaseLines(leases)]
}

function chkLines({
  version,
  uriExtension,
  verifyCap,
  sizes,
  offsets,
}: NonNullable<ImmutableShareFacts['contents']>): string[] {
  const group = (names: readonly string[]): string[] =>
    names.flatMap((name) => {
      const value = uriExtension.get(name)
      return value === undefined ? [] : [row(name === 'size' ? 'file_size' : name, value)]
    })
  const leftover = [...uriExtension.keys()]
    .filter((name) => !UEB_GROUPS.flat().includes(name))
    .toSorted()
  return [
    row('version', version),
    ...UEB_GROUPS.flatMap((names, index) => [...(index === 0 ? [] : ['']), ...group(names)]),
    ...(leftover.length === 0 ? [] : ['', 'LEFTOVER:', ...group(leftover)]),
    ...(verifyCap === undefined ? [] : [row('verify-cap', verifyCap)]),
    '',
    ' Size of data within the share:',
    row('data', sizes.data),
    row('uri-extension', sizes.uriExtension),
    row('validation', sizes.validation),
    ...(offsets === undefined ? [] : chkOffsetLines(offsets)),
  ]
}

function chkOffsetLines(offsets: Offsets): string[] {
  const lines = [...offsets].map(([name, offset]) =>
    ['share data', 'leases'].includes(name)
      ? row(name, offset)
      : `  ${row(name, inBothBases(offset))}`,
  )
  return ['', ' Section Offsets:', ...lines]
}

function inBothBases(offset: number): string {
  return `${offset}   (0x${offset.toString(16)})`
}

function immutableLeaseLines(leases: readonly LeaseFacts[]): string[] {
  if (leases.length === 0) return [' No leases.']
  return leases.map(
    (lease) => ` Lease #${lease.slot}: owner=${lease.ownerNumber}, expire in ${remaining(lease)}`,
  )
}

function remaining({ expiresInSeconds: seconds }: LeaseFacts): string {
  const whole = `${Math.trunc(seconds)}s`
  if (seconds > DAY) return `${whole} (${Math.floor(seconds / DAY)} days)`
  return seconds > HOUR ? `${whole} (${Math.floor(seconds / HOUR)} hours)` : whole
}

function mutableLines(facts: MutableShareFacts): string[] {
  const { format, contents } = facts
  return [
    '',
    'Mutable slot found:',
    ` share_type: ${format}`,
    ` write_enabler: ${facts.writeEnabler}`,
    ` WE for nodeid: ${facts.nodeId}`,
    ` num_extra_leases: ${facts.extraLeaseCount}`,
    ` container_size: ${facts.containerSize}`,
    ` data_length: ${facts.dataLength}`,
    ...mutableLeaseLines(facts.leases),
    ...(contents === undefined ? [] : ['', ...contentsLines(contents, format)]),
    ...(contents?.offsets === undefined ? [] : mutableOffsetLines(contents.offsets, format)),
  ]
}

function mutableLeaseLines(leases: readonly LeaseFacts[]): string[] {
  if (leases.length === 0) return ['No leases.']
  return leases.flatMap((lease) => [
    '',
    ` Lease #${lease.slot}:`,
    `  ownerid: ${lease.ownerNumber}`,
    `  expires in ${remaining(lease)}`,
    `  renew_secret: ${lease.renewSecret}`,
    `  cancel_secret: ${lease.cancelSecret}`,
    `  secrets are for nodeid: ${lease.nodeId}`,
  ])
}

function contentsLines(
  contents: NonNullable<MutableShareFacts['contents']>,
  format: MutableShareFacts['format'],
): string[] {
  const { shareHashChain: chain, iv, verifyCap } = contents
  // Upstream sorts the numbers as text for one format and as numbers for the other.
  const nodes = format === 'SDMF' ? chain.map(String).toSorted() : chain
  return [
    ` ${format} contents:`,
    `  seqnum: ${contents.sequenceNumber}`,
    `  root_hash: ${contents.rootHash}`,
    ...(iv === undefined ? [] : [`  IV: ${iv}`]),
    `  required_shares: ${contents.requiredShares}`,
    `  total_shares: ${contents.totalShares}`,
    `  segsize: ${contents.segmentSize}`,
    `  datalen: ${contents.dataLength}`,
    `  enc_privkey: ${contents.encryptedPrivateKeySize} bytes`,
    `  pubkey: ${contents.publicKeySize} bytes`,
    `  signature: ${contents.signatureSize} bytes`,
    `  share_hash_chain: ${nodes.join(',')}`,
    `  block_hash_tree: ${contents.blockHashTreeNodes} nodes`,
    ...(verifyCap === undefined ? [] : [`  verify-cap: ${verifyCap}`]),
  ]
}

function mutableOffsetLines(offsets: Offsets, format: MutableShareFacts['format']): string[] {
  const lines = [...offsets].map(([name, offset]) => {
    const margin = ['first lease', 'share data', 'extra leases'].includes(name) ? '' : '  '
    // Upstream sets the labels of one format flush right and those of the other not at all.
    return format === 'SDMF'
      ? `${margin}${row(name, inBothBases(offset))}`
      : `${margin}  ${name}: ${inBothBases(offset)}`
  })
  return ['', ' Section Offsets:', ...lines]
}
