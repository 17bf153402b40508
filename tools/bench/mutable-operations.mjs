// What the benchmark of mutable files and directories does, to either implementation.
import { randomBytes } from 'node:crypto'

const KB = 1000
const MB = 1000 * KB

/**
 * The operations, each with a name and what upstream took (in milliseconds, over GBS on 2 cores) when
 * the aims were set: a tenth of it. `run` gets a store, the state of the operations before it, and the
 * number of the repetition.
 */
export const OPERATIONS = [
  {
    name: 'SDMF create, 1 kB',
    upstreamMs: 240,
    repeat: 15,
    run: async (store, state) => {
      state.sdmf = await store.createFile(randomBytes(KB), 'sdmf')
    },
  },
  {
    name: 'SDMF overwrite, 1 kB',
    upstreamMs: 100,
    repeat: 15,
    run: async (store, state) => {
      state.sdmfContent = randomBytes(KB)
      await store.overwrite(state.sdmf, state.sdmfContent)
    },
  },
  {
    name: 'SDMF read, 1 kB',
    upstreamMs: 47,
    repeat: 15,
    run: async (store, state) => same(await store.read(state.sdmf), state.sdmfContent),
  },
  {
    name: 'MDMF create, 10 MB',
    upstreamMs: 700,
    repeat: 3,
    run: async (store, state) => {
      state.mdmf = await store.createFile(randomBytes(10 * MB), 'mdmf')
    },
  },
  {
    name: 'MDMF overwrite, 10 MB',
    upstreamMs: 550,
    repeat: 3,
    run: async (store, state) => {
      state.mdmfContent = randomBytes(10 * MB)
      await store.overwrite(state.mdmf, state.mdmfContent)
    },
  },
  {
    name: 'MDMF read, 10 MB',
    upstreamMs: 800,
    repeat: 3,
    run: async (store, state) => same(await store.read(state.mdmf), state.mdmfContent),
  },
  {
    name: 'MDMF read, 1 KiB of it',
    upstreamMs: 50,
    repeat: 15,
    run: async (store, state, round) => {
      const offset = round * 600_000
      const piece = await store.readRange(state.mdmf, offset, 1024)
      same(piece, state.mdmfContent.subarray(offset, offset + 1024))
    },
  },
  {
    name: 'MDMF patch, 1 kB of it',
    upstreamMs: 210,
    repeat: 10,
    run: async (store, state, round) => store.patch(state.mdmf, round * 900_000, randomBytes(KB)),
  },
  {
    name: 'mkdir',
    upstreamMs: 300,
    repeat: 15,
    run: async (store, state) => {
      state.directory = await store.createDirectory()
    },
  },
  {
    name: '100 children, one by one',
    upstreamMs: 23_000,
    repeat: 1,
    run: async (store, state) => {
      for (let n = 0; n < 100; n++) await store.addChild(state.directory, `child ${n}`, literal(n))
    },
  },
  {
    name: '100 children at once',
    upstreamMs: 170,
    repeat: 5,
    run: async (store, state, round) => {
      const names = Array.from({ length: 100 }, (_, n) => `round ${round} child ${n}`)
      state.wide = await store.createDirectory()
      return () =>
        store.addChildren(state.wide, new Map(names.map((name, n) => [name, literal(n)])))
    },
  },
  {
    name: 'list 100 children',
    upstreamMs: 70,
    repeat: 15,
    run: async (store, state) => {
      const count = await store.countChildren(state.directory)
      if (count !== 100) throw new Error(`expected 100 children, got ${count}`)
    },
  },
]

/** A LIT cap: nothing to upload. */
function literal(n) {
  return `URI:LIT:${['krugkidfnzsc4', 'orsxg5a', 'mfrgg', 'nbswy3dp'][n % 4]}`
}

function same(found, expected) {
  if (Buffer.compare(Buffer.from(found), Buffer.from(expected)) !== 0)
    throw new Error('the file came back as another')
}

/**
 * What is loaded, connected or compiled once is there before the clock starts, as in a client that has
 * been at work for some seconds.
 */
export async function warmUp(store) {
  const file = await store.createFile(randomBytes(KB), 'sdmf')
  const directory = await store.createDirectory()
  for (let n = 0; n < 60; n++) {
    await store.overwrite(file, randomBytes(KB))
    await store.read(file)
    if (n % 3 === 0) await store.addChild(directory, `child ${n}`, literal(n))
    await store.countChildren(directory)
  }
}
