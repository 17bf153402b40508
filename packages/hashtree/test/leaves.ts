import { portableCrypto } from '@lafs/crypto/portable'

/** The shape of the vectors `hashtree/trees`. */
export interface TreeVectors {
  trees: {
    leaves: string[]
    nodes: string[]
    needed: { leaf: number; needed: number[]; withLeaf: number[] }[]
  }[]
  roots: { leafCount: number; root: string }[]
  scenarios: {
    leafCount: number
    steps: {
      hashes: [number, string][]
      leaves: [number, string][]
      verdict: string
      known: number[]
    }[]
  }[]
}

/** The leaves of the vectors' `roots`. */
export function numberedLeaves(count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, index) =>
    portableCrypto.sha256(new TextEncoder().encode(`0:leaf ${index}`)),
  )
}
