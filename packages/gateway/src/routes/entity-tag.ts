import { toBase32 } from '@lafs/crypto'
import type { IFilesystemNode } from '@lafs/filesystem-interface'
import type { GatewayRequest } from '../exchange.ts'

/** The entity tag of what is said of an immutable node; undefined for what may change, and for LIT. */
export function nodeTag(node: IFilesystemNode, t: string): string | undefined {
  const { mutable, storageIndex, kind } = node
  if (mutable || storageIndex === undefined) return undefined
  return `"${kind === 'directory' ? 'DIR:' : ''}${toBase32(storageIndex)}-${t}"`
}

/** Whether whoever asks has what this tag stands for. Tags without quotes are taken too. */
export function isFresh({ headers }: GatewayRequest, tag: string): boolean {
  const known = headers.get('if-none-match')
  if (known === undefined) return false
  const bare = tag.slice(1, -1)
  return known.split(/[\s,]+/).some((one) => {
    const given = one.replace(/^W\//, '')
    return given === '*' || given === tag || given === bare
  })
}
