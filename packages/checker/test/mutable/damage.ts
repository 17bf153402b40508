import { blockSpan, numberOfSegments, parseMutableHeader } from '@lafs/storage-protocol/layout'
import type { MutableSection, MutableShareHeader } from '@lafs/storage-protocol/layout'

/** What is done to the bytes of one field of a share. */
export type Damage = 'flip the last bit' | 'flip the first bit' | 'zero' | 'truncate'

/** Every {@link Damage}. */
export const DAMAGES: readonly Damage[] = [
  'flip the last bit',
  'flip the first bit',
  'zero',
  'truncate',
]

/** Every field of a mutable share, by name, in the order in which they stand. */
export function fieldsOf(share: Uint8Array): Map<string, MutableSection> {
  const header = parseMutableHeader(share)
  const fields = new Map<string, MutableSection>()
  let at = 0
  const add = (name: string, size: number): void => {
    fields.set(name, { offset: at, end: at + size })
    at += size
  }
  add('version', 1)
  add('sequence number', 8)
  add('root hash', 32)
  if (header.salt !== undefined) add('salt', 16)
  add('k', 1)
  add('N', 1)
  add('segment size', 8)
  add('data length', 8)
  if (header.version === 0) {
    for (const name of ['signature', 'share hash chain', 'block hash tree', 'share data']) {
      add(`offset of ${name}`, 4)
    }
    add('offset of private key', 8)
    add('end of share', 8)
  } else {
    for (const name of ['private key', 'share hash chain', 'signature', 'public key']) {
      add(`offset of ${name}`, 8)
    }
    add('end of public key', 8)
    add('offset of share data', 8)
    add('offset of block hash tree', 8)
    add('end of share', 8)
  }
  for (const [name, section] of sectionsOf(header)) fields.set(name, section)
  return fields
}

function sectionsOf(header: MutableShareHeader): [string, MutableSection][] {
  const { sections } = header
  const tree = sections.blockHashTree
  const chain = sections.shareHashChain
  const parts: [string, MutableSection][] = [
    ['public key', sections.verificationKey],
    ['signature', sections.signature],
    ['first number of the share hash chain', { offset: chain.offset, end: chain.offset + 2 }],
    ['first hash of the share hash chain', { offset: chain.offset + 2, end: chain.offset + 34 }],
    ['last hash of the share hash chain', { offset: chain.end - 32, end: chain.end }],
    ['root of the block hash tree', { offset: tree.offset, end: tree.offset + 32 }],
    ['last node of the block hash tree', { offset: tree.end - 32, end: tree.end }],
    ['private key', sections.encryptedPrivateKey],
  ]
  const last = numberOfSegments(header) - 1
  for (const [name, segment] of [
    ['first', 0],
    ['last', last],
  ] as const) {
    if (last < 0) continue
    const { offset, saltLength, length } = blockSpan(header, segment)
    const block = offset + saltLength
    if (saltLength > 0) parts.push([`salt of the ${name} block`, { offset, end: block }])
    parts.push([`${name} block`, { offset: block, end: block + length }])
  }
  return parts
}

/** A share with one of its fields damaged; undefined where that changes nothing. */
export function damaged(
  share: Uint8Array,
  { offset, end }: MutableSection,
  damage: Damage,
): Uint8Array | undefined {
  if (damage === 'truncate') return share.slice(0, Math.floor((offset + end) / 2))
  const copy = share.slice()
  if (damage === 'zero') copy.fill(0, offset, end)
  else if (damage === 'flip the last bit') copy[end - 1] = (copy[end - 1] ?? 0) ^ 1
  else copy[offset] = (copy[offset] ?? 0) ^ 0x80
  return copy.every((byte, index) => byte === share[index]) ? undefined : copy
}
