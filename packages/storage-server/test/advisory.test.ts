import { loadVectors } from '@lafs/vectors'
import type { ShareKind } from '@lafs/storage-interface'
import { describe, expect, it } from 'vitest'
import { advisoryName, advisoryText } from '../src/advisory.ts'

interface Case {
  readonly microseconds: number
  readonly kind: ShareKind
  readonly storageIndex: string
  readonly share: number
  readonly reason: string
  readonly name: string
  readonly text: string
}

const { cases } = await loadVectors<{ cases: Case[] }>('containers/advisories')

describe('advisories', () => {
  it.each(cases)(
    'are those of upstream: $name',
    ({ microseconds, kind, storageIndex, share, reason, name, text }) => {
      expect(advisoryName(microseconds, storageIndex, share)).toBe(name)
      expect(advisoryText(kind, storageIndex, share, reason)).toBe(text)
    },
  )
})
