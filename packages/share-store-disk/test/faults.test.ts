import type * as PlainFileSystem from 'node:fs'
import type * as FileSystem from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isStorageError } from '@lafs/storage-interface'
import type { IShareStore, StoredLease } from '@lafs/storage-interface'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createDiskStore } from '../src/index.ts'
import {
  crashIndex,
  crashLease,
  enabler,
  immutableData,
  mutableData,
  patchedVersion,
  patches,
  PATCHED_SIZE,
} from './crash-data.ts'

/** What work on leases calls, some of it here and now. */
const plainCalls = vi.hoisted(
  () =>
    [
      'open',
      'read',
      'fdatasync',
      'fsync',
      'ftruncate',
      'openSync',
      'fstatSync',
      'readSync',
      'readdirSync',
      'writeSync',
      'closeSync',
      'statSync',
      'writev',
      'writevSync',
      'renameSync',
    ] as const,
)

/** Makes one call into the file system fail, and knows which files are open. */
const faults = vi.hoisted(() => ({
  /** How many calls go through before one fails. */
  after: Infinity,
  code: 'EIO',
  /** Which calls count. */
  names: /./,
  hit: undefined as string | undefined,
  open: 0,
  /** The names of the calls, while they are collected. */
  calls: undefined as string[] | undefined,
  check(name: string): void {
    this.calls?.push(name)
    if (!this.names.test(name)) return
    this.after -= 1
    if (this.after !== -1) return
    this.hit = name
    throw Object.assign(new Error(`${name} fails`), { code: this.code })
  },
}))

/** An open file whose calls are counted. */
function watched(handle: object): object {
  return new Proxy(handle, {
    get: (target, property) => {
      const method: unknown = Reflect.get(target, property)
      if (typeof method !== 'function') return method
      return async (...args: unknown[]): Promise<unknown> => {
        // A close that fails has closed all the same.
        if (property === 'close') {
          faults.open -= 1
          await Reflect.apply(method, target, [])
        }
        faults.check(`handle.${String(property)}`)
        return property === 'close' ? undefined : Reflect.apply(method, target, args)
      }
    },
  })
}

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof FileSystem>()
  const wrapped = Object.fromEntries(
    Object.entries(real).map(([name, value]: [string, unknown]) => {
      if (typeof value !== 'function') return [name, value]
      const call = async (...args: unknown[]): Promise<unknown> => {
        faults.check(name)
        const result: unknown = await Reflect.apply(value, undefined, args)
        if (name !== 'open' || typeof result !== 'object' || result === null) return result
        faults.open += 1
        return watched(result)
      }
      return [name, call]
    }),
  )
  return { ...wrapped, default: wrapped }
})

vi.mock('node:fs', async (original) => {
  const plain = await original<typeof PlainFileSystem>()
  const wrapped = plainCalls.map((name) => {
    const call = (target: (...args: unknown[]) => unknown, self: unknown, args: unknown[]) => {
      if (name === 'closeSync') {
        faults.calls?.push(name)
        faults.open -= 1
        return Reflect.apply(target, self, args)
      }
      faults.check(name)
      const done = args.at(-1)
      if (name === 'open' && typeof done === 'function')
        args[args.length - 1] = (error: unknown, fd: unknown): void => {
          if (error === null) faults.open += 1
          Reflect.apply(done, undefined, [error, fd])
        }
      const result = Reflect.apply(target, self, args)
      if (name === 'openSync') faults.open += 1
      return result
    }
    return [name, new Proxy(plain[name], { apply: call })]
  })
  const all = { ...plain, ...(Object.fromEntries(wrapped) as object) }
  return { ...all, default: all }
})

const real = await vi.importActual<typeof FileSystem>('node:fs/promises')
const before = mutableData(1)
const after = mutableData(2)
const file = immutableData(1, 0)
const i = crashIndex('i', 1)
const p = crashIndex('m', 2)
const littleChange = new Map([[0, { writes: patches(2) }]])
const m = crashIndex('m', 1)

function calm(): void {
  Object.assign(faults, { after: Infinity, names: /./, code: 'EIO', hit: undefined })
}

async function putImmutable(store: IShareStore): Promise<void> {
  const incoming = await store.createImmutable(i, 0, file.length, crashLease('a'))
  try {
    await incoming.write(0, [file.subarray(0, 9000), file.subarray(9000)])
  } catch (error) {
    await incoming.discard()
    throw error
  }
  await incoming.commit()
}

const large = new Uint8Array(100_000).fill(7)

function putWhole(store: IShareStore): Promise<void> {
  const shares = new Map([
    [0, [file.subarray(0, 9000), file.subarray(9000)]],
    [1, [large]],
  ])
  return store.storeImmutable(i, shares, crashLease('a'))
}

/** Unless an earlier attempt has put it. */
async function putLeased(store: IShareStore): Promise<void> {
  if (!(await store.shares(i)).has(0)) await putImmutable(store)
}

const isOneOf =
  (...names: readonly string[]) =>
  (lease: StoredLease): boolean =>
    names.some((who) => lease.cancelSecretMatches(crashLease(who).cancelSecret))

function putSlot(store: IShareStore, data: Uint8Array): Promise<void> {
  const change = { writes: [{ offset: 0, data }], newLength: data.length }
  const changes = new Map([0, 1].map((n) => [n, change]))
  return store.writeSlot(m, enabler, changes, crashLease('b'), Infinity)
}

function wholeChange(
  version: number,
): Map<number, { writes: { offset: number; data: Uint8Array }[] }> {
  const data = new Uint8Array(PATCHED_SIZE)
  for (const { offset, data: span } of patches(version)) data.set(span, offset)
  return new Map([[0, { writes: [{ offset: 0, data }] }]])
}

/** What stands where a share would: its bytes, or nothing. */
async function look(
  store: IShareStore,
  index: Uint8Array,
  n: number,
): Promise<Uint8Array | undefined> {
  if (!(await store.shares(index)).has(n)) return undefined
  const share = await store.open(index, n)
  const data = await share.read(0, share.length)
  await share.close()
  return data
}

const name = (data: Uint8Array | undefined, known: Record<string, Uint8Array>): string => {
  if (data === undefined) return 'absent'
  const found = Object.entries(known).find(([, bytes]) => Buffer.compare(bytes, data) === 0)
  return found?.[0] ?? 'rubbish'
}

const scenarios: readonly (readonly [
  string,
  (store: IShareStore) => Promise<void>,
  (store: IShareStore) => Promise<string>,
  RegExp,
])[] = [
  [
    'an immutable upload',
    putImmutable,
    async (store) => name(await look(store, i, 0), { whole: file }),
    /^(absent|whole)$/,
  ],
  [
    'shares that are stored whole',
    putWhole,
    async (store) => {
      const states = [0, 1].map(async (n) => name(await look(store, i, n), { file, large }))
      return (await Promise.all(states)).join('+')
    },
    /^(absent\+absent|file\+large)$/,
  ],
  [
    'a slot write',
    (store) => putSlot(store, after),
    async (store) => {
      const states = [0, 1].map(async (n) => name(await look(store, m, n), { before, after }))
      return (await Promise.all(states)).join('+')
    },
    /^(before|after)\+(before|after)$/,
  ],
  [
    'a slot write that deletes a share',
    (store) => {
      const change = { writes: [{ offset: 0, data: after }], newLength: after.length }
      const changes = new Map([
        [0, { writes: [], newLength: 0 }],
        [2, change],
      ])
      return store.writeSlot(m, enabler, changes, crashLease('b'), Infinity)
    },
    async (store) => {
      const states = [0, 2].map(async (n) => name(await look(store, m, n), { before, after }))
      return (await Promise.all(states)).join('+')
    },
    /^(before\+absent|before\+after|absent\+after)$/,
  ],
  [
    'a write of all of a large share',
    (store) => store.writeSlot(p, enabler, wholeChange(2), crashLease('c'), Infinity),
    async (store) => {
      const version = patchedVersion((await look(store, p, 0)) ?? new Uint8Array(4))
      return `${version} ${(await store.leases(p, 0)).length}`
    },
    /^(1 1|2 2)$/,
  ],
  [
    'a write of a little of a large share',
    (store) => store.writeSlot(p, enabler, littleChange, crashLease('b'), Infinity),
    async (store) => String(patchedVersion((await look(store, p, 0)) ?? new Uint8Array(4))),
    /^[12]$/,
  ],
  [
    'a lease on a mutable share',
    async (store) => {
      for (const who of ['c', 'd', 'e', 'f', 'g']) await store.addLease(m, 0, crashLease(who), 999)
    },
    async (store) => {
      const count = (await store.leases(m, 0)).length
      return `${name(await look(store, m, 0), { before })} ${count}`
    },
    /^before [1-6]$/,
  ],
  [
    'a lease on an immutable share',
    async (store) => {
      await putLeased(store)
      for (const who of ['c', 'd', 'e']) await store.addLease(i, 0, crashLease(who), 999)
    },
    async (store) => {
      const data = name(await look(store, i, 0), { whole: file })
      return data === 'absent' ? data : `${data} ${(await store.leases(i, 0)).length}`
    },
    /^(absent|whole [1-4])$/,
  ],
  [
    'leases that go from an immutable share',
    async (store) => {
      await putLeased(store)
      for (const who of ['c', 'd', 'e']) await store.addLease(i, 0, crashLease(who), 999)
      const isOld = isOneOf('c', 'e')
      await store.removeLeases(i, 0, isOld)
      await store.removeLeases(i, 0, () => true)
    },
    async (store) => name(await look(store, i, 0), { whole: file }),
    /^(absent|whole)$/,
  ],
  [
    'leases that go from a mutable share',
    async (store) => {
      await store.addLease(m, 0, crashLease('c'), 999)
      await store.removeLeases(m, 0, isOneOf('c'))
    },
    async (store) => name(await look(store, m, 0), { before }),
    /^before$/,
  ],
  [
    'a deletion',
    (store) => store.delete(m, 0),
    async (store) => name(await look(store, m, 0), { before }),
    /^(absent|before)$/,
  ],
]

describe('when one call into the file system fails', () => {
  let folder: string
  beforeEach(async () => {
    folder = await real.mkdtemp(join(tmpdir(), 'lafs-faults-'))
  })
  afterEach(async () => {
    calm()
    await real.rm(folder, { recursive: true, force: true })
  })

  it.each(scenarios)('shares are absent or whole after %s', async (_, run, state, allowed) => {
    const seen = new Set<string>()
    let last
    for (let step = 0; ; step += 1) {
      const at = join(folder, String(step))
      calm()
      const store = await createDiskStore({ folder: at })
      await putSlot(store, before)
      await store.writeSlot(p, enabler, wholeChange(1), crashLease('b'), Infinity)
      faults.after = step
      const outcome = await run(store).then(
        () => 'done',
        () => 'failed',
      )
      const { hit } = faults
      calm()
      await store.close()
      expect([faults.open, hit]).toEqual([0, hit])

      const again = await createDiskStore({ folder: at })
      const left = [
        ...(await real.readdir(join(at, 'shares', 'incoming'))),
        ...(await real.readdir(join(at, 'journal'))),
      ]
      const found = await state(again)
      expect([left, found]).toEqual([[], expect.stringMatching(allowed)])
      await run(again)
      await again.close()
      expect(faults.open).toBe(0)
      last = { hit, outcome }
      if (hit === undefined) break
      seen.add(hit)
    }
    expect(last).toEqual({ hit: undefined, outcome: 'done' })
    expect(seen.size).toBeGreaterThan(2)
  })

  it('drops all that was prepared, and says why, where some of it cannot be removed', async () => {
    calm()
    const store = await createDiskStore({ folder })
    const good = { writes: [{ offset: 0, data: before }] }
    const bad = { writes: [{ offset: 2 ** 60, data: before }] }
    const changes = new Map([good, good, bad].map((change, n) => [n, change]))
    // Of the copies, that of the third share is removed first.
    Object.assign(faults, { after: 1, names: /^rm$/ })
    const writing = store.writeSlot(m, enabler, changes, crashLease('b'), Infinity)
    await expect(writing).rejects.toMatchObject({ code: 'STORAGE_DATA_TOO_LARGE' })
    expect(faults.hit).toBe('rm')
    calm()
    expect(await real.readdir(join(folder, 'shares', 'incoming'))).toEqual(['copy-1'])
    await store.close()
  })

  it.each(['ENOSPC', 'EDQUOT', 'EFBIG', 'EROFS'])(
    'a disk without room (%s) is named so',
    async (code) => {
      const writers = [putImmutable, putWhole, (store: IShareStore) => putSlot(store, after)]
      let refusals = 0
      for (const run of writers) {
        for (let step = 0; ; step += 1) {
          calm()
          const store = await createDiskStore({ folder })
          await putSlot(store, before)
          Object.assign(faults, {
            after: step,
            code,
            names: /writev|copyFile|mkdir|sync|writeFile/,
          })
          const error: unknown = await run(store).then(
            () => undefined,
            (reason: unknown) => reason,
          )
          const { hit } = faults
          calm()
          expect([hit, await real.readdir(join(folder, 'shares', 'incoming'))]).toEqual([hit, []])
          for (const n of [0, 1]) await store.delete(i, n)
          await store.close()
          if (hit === undefined) break
          refusals += 1
          expect([hit, isStorageError(error, 'STORAGE_NO_SPACE')]).toEqual([hit, true])
        }
      }
      expect(refusals).toBeGreaterThan(8)
    },
  )
})

describe('calls into the file system', () => {
  let folder: string
  let store: IShareStore
  beforeEach(async () => {
    folder = await real.mkdtemp(join(tmpdir(), 'lafs-calls-'))
    calm()
    store = await createDiskStore({ folder })
    await putImmutable(store)
    await store.writeSlot(p, enabler, wholeChange(1), crashLease('b'), Infinity)
  })
  afterEach(async () => {
    await store.close()
    await real.rm(folder, { recursive: true, force: true })
  })

  async function callsOf(run: () => Promise<unknown>): Promise<string> {
    faults.calls = []
    await run()
    const { calls } = faults
    faults.calls = undefined
    return calls.join(' ')
  }

  it('are few where a lease is renewed or added, and none of them copies the share', async () => {
    const renewed = { ...crashLease('a'), expiresAtSeconds: 2e9 }
    expect(await callsOf(() => store.addLease(i, 0, renewed, 0))).toBe(
      'open fstatSync read read writeSync closeSync',
    )
    expect(await callsOf(() => store.addLease(i, 0, crashLease('z'), 999))).toBe(
      'open fstatSync read read writeSync fdatasync writeSync closeSync',
    )
    expect(await callsOf(() => store.addLease(p, 0, crashLease('z'), 0))).toBe(
      'open fstatSync read read writeSync closeSync',
    )
  })

  it('put the names of new folders on the disk', async () => {
    const fresh = join(folder, 'new')
    const syncs = async (): Promise<number> => {
      const calls = await callsOf(async () => (await createDiskStore({ folder: fresh })).close())
      return calls.split(' ').filter((call) => call === 'fsync').length
    }
    // The one above it, the one of the shares, and itself twice: the journal gets its folder last.
    expect(await syncs()).toBe(4)
    // The folder of what is on its way is made anew.
    expect(await syncs()).toBe(1)
  })

  it('are few where a share is stored whole: half of them for the disk', async () => {
    const put = (n: number): Promise<void> =>
      store.storeImmutable(crashIndex('i', 5), new Map([[n, [file]]]), crashLease('a'))
    const sync = 'openSync fsync closeSync'
    // Three folders get a new name: that of the share, and two above it.
    expect((await callsOf(() => put(0))).split(' ').toSorted()).toEqual(
      `openSync writevSync fdatasync closeSync mkdir renameSync ${sync} ${sync} ${sync}`
        .split(' ')
        .toSorted(),
    )
    expect((await callsOf(() => put(1))).split(' ').toSorted()).toEqual(
      `openSync writevSync fdatasync closeSync mkdir renameSync ${sync}`.split(' ').toSorted(),
    )
  })

  it('are none for threads where a very small share is read after it was listed', async () => {
    const index = crashIndex('i', 5)
    const read = (): Promise<string> => callsOf(async () => (await store.open(index, 0)).close())
    for (const [size, second] of [
      [16_000, 'openSync fstatSync readSync closeSync'],
      [17_000, 'open handle.stat handle.read handle.close'],
    ] as const) {
      await store.storeImmutable(index, new Map([[0, [file.subarray(0, size)]]]), crashLease('a'))
      await store.close()
      store = await createDiskStore({ folder })
      expect(await callsOf(() => store.shares(index))).toBe('readdir open handle.read handle.close')
      expect(await read()).toBe(second)
      await store.delete(index, 0)
    }
  })

  it('are none for threads where stock is taken: seven for a bucket of one small share', async () => {
    expect(await callsOf(() => store.inspect(p))).toBe(
      'readdirSync openSync fstatSync readSync readSync closeSync statSync',
    )
  })
})
