import { createMemoryStore } from '@lafs/share-store-memory'
import { loadVectors } from '@lafs/vectors'
import type { ShareKind } from '@lafs/storage-interface'
import { describe, expect, it } from 'vitest'
import { advisoryName, advisoryText, listAdvisories, parseAdvisory } from '../src/advisory.ts'

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

  it.each(cases)(
    'are read back: $name',
    ({ microseconds, kind, storageIndex, share, reason, name, text }) => {
      const time = new Date(Math.floor(microseconds / 1000))
      const expected = { name, time, kind, storageIndex, shareNumber: share, reason }
      expect(parseAdvisory(name, text)).toEqual(expected)
    },
  )

  it('are listed by time, with files that are none', async () => {
    const store = createMemoryStore()
    const text = advisoryText('mutable', 'aeaqcaibaeaqcaibaeaqcaibae', 7, 'bad\n\nvery')
    await store.saveAdvisory('notes.txt', 'remember the milk')
    await store.saveAdvisory('2026-01-02T030405--aeaqcaibaeaqcaibaeaqcaibae-7', text)
    await store.saveAdvisory('2025-01-02T030405--x', text.replace('mutable', 'weird'))
    const found = []
    for await (const advisory of listAdvisories(store)) found.push(advisory)
    const none = {
      kind: undefined,
      storageIndex: undefined,
      shareNumber: undefined,
      reason: undefined,
    }
    expect(found).toEqual([
      { ...none, name: '2025-01-02T030405--x', time: new Date('2025-01-02T03:04:05Z') },
      {
        name: '2026-01-02T030405--aeaqcaibaeaqcaibaeaqcaibae-7',
        time: new Date('2026-01-02T03:04:05Z'),
        kind: 'mutable',
        storageIndex: 'aeaqcaibaeaqcaibaeaqcaibae',
        shareNumber: 7,
        reason: 'bad\n\nvery',
      },
      { ...none, name: 'notes.txt', time: undefined },
    ])
  })
})
