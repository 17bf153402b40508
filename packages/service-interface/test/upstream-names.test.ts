import { describe, expect, it } from 'vitest'
import { loadVectors } from '@lafs/vectors'
import { changedMembers, changedNames } from './changed.ts'
import { allMembers, declarations } from './contract-source.ts'

interface Entry {
  readonly name: string
  readonly kind: 'interface' | 'remote' | 'error' | 'class' | 'constant'
  readonly bases?: readonly string[]
  readonly methods?: readonly string[]
  readonly attributes?: readonly string[]
}

const editions = ['1.9.2', '1.20']
const recorded = new Map<string, readonly Entry[]>()
for (const edition of editions) {
  const { names } = await loadVectors<{ names: Entry[] }>(`interfaces/${edition}`)
  recorded.set(edition, names)
}
const entries = [...recorded.values()].flat()

const exported = declarations([
  'codec-interface',
  'storage-interface',
  'filesystem-interface',
  'service-interface',
])

const camelCase = (name: string) =>
  name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())

/** The names that a method may have here: itself in camelCase, or as a noun. */
const counterparts = (method: string) => [
  camelCase(method),
  camelCase(method.replace(/^(?:get|is|list)_/, '')),
]

/** Where an entry of upstream is declared here. */
const declarationFor = (name: string) => exported.get(changedNames[name]?.to ?? name)

describe.each(editions)('the interfaces of Tahoe-LAFS %s', (edition) => {
  const names = recorded.get(edition) ?? []

  it('are recorded', () => {
    expect(names.length).toBeGreaterThan(90)
    expect(names.filter(({ kind }) => kind === 'class')).toEqual([])
  })

  it.each(names.filter(({ name }) => !(name in changedNames)))('export $name', ({ name, kind }) => {
    const declaration = exported.get(name)
    expect(declaration, `${name} is exported by no contract package`).toBeDefined()
    expect(declaration?.kind === 'class').toBe(kind === 'error')
  })

  it('have a counterpart for each member, or a reason why not', () => {
    const missing = names.flatMap(({ name, methods = [], attributes = [] }) => {
      if (name in changedNames) return []
      const members = allMembers(name, exported)
      return [...methods, ...attributes]
        .filter((member) => !(`${name}.${member}` in changedMembers))
        .filter((member) => !counterparts(member).some((counterpart) => members.has(counterpart)))
        .map((member) => `${name}.${member}`)
    })
    expect(missing).toEqual([])
  })

  it('extend what they extended', () => {
    const broken = names.flatMap(({ name, bases = [] }) => {
      const declaration = exported.get(name)
      const ours = bases.filter((base) => exported.has(base) && declaration !== undefined)
      return ours.filter((base) => !ancestors(name).has(base)).map((base) => `${name}: ${base}`)
    })
    expect(broken).toEqual([])
  })
})

/** Everything that a declaration extends, itself included. */
function ancestors(name: string): Set<string> {
  const bases = exported.get(name)?.bases ?? []
  return new Set([name, ...bases.flatMap((base) => [...ancestors(base)])])
}

describe('the tables of changes', () => {
  it.each(Object.entries(changedNames))('say of %s what stands for it', (name, { to, why }) => {
    expect(entries.some((entry) => entry.name === name)).toBe(true)
    expect(exported.has(name), `${name} needs no line`).toBe(false)
    expect(to === undefined || exported.has(to), `${to} is not exported`).toBe(true)
    expect(why).not.toBe('')
  })

  it.each(Object.entries(changedMembers))('say of %s what stands for it', (key, { to, why }) => {
    const [name = '', member = ''] = key.split('.')
    const known = entries.filter((entry) => entry.name === name)
    const upstreams = known.flatMap((entry) => [
      ...(entry.methods ?? []),
      ...(entry.attributes ?? []),
    ])
    const ours = allMembers(name, exported)
    expect(upstreams).toContain(member)
    expect(counterparts(member).filter((counterpart) => ours.has(counterpart))).toEqual([])
    expect(to === undefined || ours.has(to), `${name} has no ${to}`).toBe(true)
    expect(why).not.toBe('')
  })
})

describe('the doc comment of each mirrored name', () => {
  const mirrored = entries.filter(({ kind }) => kind !== 'constant').map(({ name }) => name)

  it.each([...new Set(mirrored)])('of %s says what it is and where it comes from', (name) => {
    const declaration = declarationFor(name)
    expect(declaration?.doc).toMatch(name in changedNames ? /\w/ : /\w[^]*@see\s[^]*\ballmydata\./)
  })

  it('is there for everything that is exported', () => {
    const bare = [...exported.values()].filter(({ doc }) => doc === '').map(({ name }) => name)
    expect(bare).toEqual([])
  })
})
