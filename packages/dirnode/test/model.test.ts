import type { IDirectoryNode, Overwrite } from '@lafs/filesystem-interface'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MemoryGrid } from './doubles.ts'

/** A directory as a plain table: the cap and the note beside each name. */
type Model = Map<string, { readonly cap: string; readonly note: string | undefined }>

const caps = [
  'URI:LIT:onxw2zjaorsxq5a',
  `URI:CHK:${'a'.repeat(26)}:${'a'.repeat(52)}:3:10:1234`,
  `URI:SSK:${'b'.repeat(25)}a:${'a'.repeat(52)}`,
  `URI:DIR2:${'c'.repeat(25)}a:${'a'.repeat(52)}`,
  'imm.x-future:1',
]

const name = fc.constantFrom('a', 'b', 'c', '\u00c5', 'A\u030a', '\ud83d\ude00', '\uffee')
const cap = fc.constantFrom(...caps)
const overwrite = fc.constantFrom<Overwrite>(true, false, 'only-files')

const command = fc.oneof(
  fc.record({
    kind: fc.constant('set' as const),
    name,
    cap,
    overwrite,
    note: fc.option(fc.string()),
  }),
  fc.record({ kind: fc.constant('delete' as const), name, mustExist: fc.boolean() }),
  fc.record({ kind: fc.constant('note' as const), name, note: fc.string() }),
  fc.record({ kind: fc.constant('rename' as const), name, to: name, overwrite }),
  fc.record({
    kind: fc.constant('many' as const),
    entries: fc.array(fc.tuple(name, cap), { maxLength: 4 }),
  }),
)

type Command = typeof command extends fc.Arbitrary<infer T> ? T : never

/** Applies a command to a model; gives the code of the error, and then the model is as it was. */
function apply(model: Model, step: Command): string | undefined {
  const isDirectory = (entry: { cap: string } | undefined): boolean =>
    entry?.cap.startsWith('URI:DIR2:') === true
  const taken = (key: string, mode: Overwrite): boolean =>
    model.has(key) && (mode === false || (mode === 'only-files' && isDirectory(model.get(key))))
  const key = 'name' in step ? step.name.normalize('NFC') : ''
  const there = model.get(key)
  switch (step.kind) {
    case 'set':
      if (taken(key, step.overwrite)) return 'DIRECTORY_EXISTING_CHILD'
      model.set(key, { cap: step.cap, note: step.note ?? there?.note })
      return undefined
    case 'delete':
      if (!model.delete(key) && step.mustExist) return 'DIRECTORY_NO_SUCH_CHILD'
      return undefined
    case 'note':
      if (there === undefined) return 'DIRECTORY_NO_SUCH_CHILD'
      model.set(key, { ...there, note: step.note })
      return undefined
    case 'rename': {
      const to = step.to.normalize('NFC')
      if (key === to) return undefined
      if (there === undefined) return 'DIRECTORY_NO_SUCH_CHILD'
      if (taken(to, step.overwrite)) return 'DIRECTORY_EXISTING_CHILD'
      model.delete(key)
      model.set(to, there)
      return undefined
    }
    case 'many':
      for (const [each, text] of step.entries) {
        const normalized = each.normalize('NFC')
        model.set(normalized, { cap: text, note: model.get(normalized)?.note })
      }
      return undefined
  }
}

async function run(directory: IDirectoryNode, step: Command): Promise<string | undefined> {
  try {
    switch (step.kind) {
      case 'set': {
        const metadata = step.note === null ? undefined : { note: step.note }
        await directory.setUri(step.name, step.cap, undefined, {
          overwrite: step.overwrite,
          metadata,
        })
        break
      }
      case 'delete':
        await directory.delete(step.name, { mustExist: step.mustExist })
        break
      case 'note':
        await directory.setMetadataFor(step.name, { note: step.note })
        break
      case 'rename':
        await directory.moveChildTo(step.name, directory, {
          newChildName: step.to,
          overwrite: step.overwrite,
        })
        break
      case 'many':
        await directory.setChildren(
          new Map(step.entries.map(([each, text]) => [each, { writeUri: text }])),
        )
        break
    }
  } catch (error) {
    if (error instanceof Error && 'code' in error) return String(error.code)
    throw error
  }
  return undefined
}

async function listing(directory: IDirectoryNode): Promise<Model> {
  return new Map(
    [...(await directory.list())]
      .map(
        ([key, { node, metadata }]) =>
          [key, { cap: node.uri ?? '', note: metadata['note'] as string | undefined }] as const,
      )
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  )
}

function sorted(model: Model): Model {
  return new Map([...model].toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

/** What happens at the write of a step: nothing, another writer's step first, or a lost answer. */
const meeting = fc.oneof(
  { weight: 3, arbitrary: fc.constant(undefined) },
  { weight: 1, arbitrary: fc.constant('lost-answer' as const) },
  { weight: 2, arbitrary: command },
)

describe('a directory', () => {
  it('is what a table would be, whoever comes between', async () => {
    const steps = fc.array(fc.tuple(command, meeting), { maxLength: 15 })
    await fc.assert(
      fc.asyncProperty(steps, async (sequence) => {
        const grid = new MemoryGrid()
        const directory = await grid.createNewMutableDirectory()
        const model: Model = new Map()
        for (const [step, other] of sequence) {
          grid.nowMs += 1000
          if (typeof other === 'object') {
            // What the other writer makes of the directory, to be put there between read and write.
            const before = [...grid.slots]
            const outcome = await run(directory, other)
            const contents = [...grid.slots][0]?.[1].contents ?? new Uint8Array()
            grid.slots.clear()
            for (const [index, slot] of before) grid.slots.set(index, slot)
            let met = false
            grid.interfere = (_file, attempt) => {
              met ||= attempt === 0
              return attempt === 0 ? { kind: 'other-writer', contents } : undefined
            }
            const alone = new Map(model)
            const together = new Map(model)
            const theirs = apply(together, other)
            expect(outcome).toBe(theirs)
            const expectedAlone = apply(alone, step)
            const expectedTogether = apply(together, step)
            const result = await run(directory, step)
            grid.interfere = () => undefined
            expect(result).toBe(
              met ? expectedTogetherUnless(step, expectedTogether) : expectedAlone,
            )
            model.clear()
            for (const [key, entry] of met ? together : alone) model.set(key, entry)
          } else {
            grid.interfere = (_file, attempt) =>
              other === 'lost-answer' && attempt === 0 ? { kind: 'lost-answer' } : undefined
            const expected = apply(model, step)
            expect(await run(directory, step)).toBe(expected)
            grid.interfere = () => undefined
          }
          expect(await listing(directory)).toEqual(sorted(model))
        }
      }),
      { seed: 42, numRuns: 150 },
    )
  })
})

/** A second try takes it for its own work when the child to delete has gone meanwhile. */
function expectedTogetherUnless(step: Command, expected: string | undefined): string | undefined {
  return step.kind === 'delete' ? undefined : expected
}
