// What the benchmark of checks does, to either implementation.
import { randomBytes } from 'node:crypto'

const KB = 1000
const MB = 1000 * KB
const FILE_COUNT = 200

/** A directory of files, made once. */
async function tree(store, state) {
  if (state.tree !== undefined) return state.tree
  const caps = new Map()
  for (let n = 0; n < FILE_COUNT; n++) {
    caps.set(`file ${n}`, await store.upload(randomBytes(10 * KB)))
  }
  state.tree = await store.createDirectory(caps)
  return state.tree
}

function deepCheck(options) {
  return async (store, state) => {
    const root = await tree(store, state)
    return async () => {
      const healthy = await store.deepCheck(root, options)
      // The directory itself is one of them.
      if (healthy !== FILE_COUNT + 1) throw new Error(`${healthy} objects are healthy`)
    }
  }
}

function check(name, options) {
  return async (store, state) => {
    if (!(await store.check(state[name], options))) throw new Error('the file is not healthy')
  }
}

/**
 * The operations, each with a name and what upstream took (in milliseconds, over GBS on 2 cores) when
 * the aims were set: a tenth of it. See {@link measure}.
 */
export const CHECK_OPERATIONS = [
  {
    name: 'check, 10 kB',
    upstreamMs: 24,
    repeat: 300,
    run: async (store, state, round) => {
      state.small ??= await store.upload(randomBytes(10 * KB))
      return () => check('small', {})(store, state, round)
    },
  },
  {
    name: 'verify, 100 MB',
    upstreamMs: 4200,
    repeat: 3,
    run: async (store, state, round) => {
      state.large ??= await store.upload(randomBytes(100 * MB))
      return () => check('large', { verify: true })(store, state, round)
    },
  },
  { name: 'deep-check, 200 files', upstreamMs: 4900, repeat: 3, run: deepCheck({}) },
  { name: '  with verify', upstreamMs: 33_000, repeat: 3, run: deepCheck({ verify: true }) },
  { name: '  with add-lease', upstreamMs: 9500, repeat: 3, run: deepCheck({ addLease: true }) },
]

/**
 * What is loaded, connected or compiled once is there before the clock starts, as in a client that has
 * been at work for some seconds.
 */
export async function warmUpChecks(store) {
  const file = await store.upload(randomBytes(10 * KB))
  for (let n = 0; n < 1000; n++) await store.check(file, {})
}
