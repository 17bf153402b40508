import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fromHex, loadVectors } from '@lafs/vectors'
import { LEASE_DURATION_SECONDS } from '@lafs/storage-interface'
import type { Lease } from '@lafs/storage-interface'
import { describe, expect, it } from 'vitest'
import { createDiskStore } from '../src/index.ts'

interface LeaseFields {
  readonly time: number
  readonly renewSecret: string
  readonly cancelSecret: string
}
interface UploadStep extends LeaseFields {
  readonly do: 'upload'
  readonly share: number
  readonly data: string
}
interface AddLeaseStep extends LeaseFields {
  readonly do: 'addLease'
}
interface WriteStep extends LeaseFields {
  readonly do: 'write'
  readonly writeEnabler: string
  readonly shares: readonly {
    readonly share: number
    readonly writes: readonly { readonly offset: number; readonly data: string }[]
    readonly newLength: number | null
  }[]
}
type Step = (UploadStep | AddLeaseStep | WriteStep) & {
  readonly sha256: Readonly<Record<string, string>>
}
interface Case {
  readonly name: string
  readonly storageIndex: string
  readonly nodeId: string
  readonly path: string
  readonly initial: Readonly<Record<string, string>>
  readonly steps: readonly Step[]
  readonly files: Readonly<Record<string, string>>
  readonly leases: Readonly<Record<string, readonly (readonly [number, number])[]>>
}

const { cases: immutable } = await loadVectors<{ cases: Case[] }>('containers/immutable')
const { cases: mutable } = await loadVectors<{ cases: Case[] }>('containers/mutable')
const cases = [...immutable, ...mutable]

function leaseOf(step: LeaseFields, ownerNumber: number): Lease {
  return {
    ownerNumber,
    renewSecret: fromHex(step.renewSecret),
    cancelSecret: fromHex(step.cancelSecret),
    expiresAtSeconds: step.time + LEASE_DURATION_SECONDS,
  }
}

type Store = Awaited<ReturnType<typeof createDiskStore>>

/** Does to a store what the storage server would do for a step. */
async function take(store: Store, storageIndex: Uint8Array, step: Step): Promise<void> {
  const stored = [...(await store.shares(storageIndex)).keys()]
  switch (step.do) {
    case 'upload': {
      const lease = leaseOf(step, 0)
      for (const n of stored) await store.addLease(storageIndex, n, lease, Infinity)
      const data = fromHex(step.data)
      const incoming = await store.createImmutable(storageIndex, step.share, data.length, lease)
      await incoming.write(0, [data])
      await incoming.commit()
      break
    }
    case 'addLease':
      for (const n of stored) await store.addLease(storageIndex, n, leaseOf(step, 1), Infinity)
      break
    case 'write': {
      const changes = step.shares.map(({ share, writes, newLength }) => {
        const bytes = writes.map(({ offset, data }) => ({ offset, data: fromHex(data) }))
        return [share, { writes: bytes, newLength: newLength ?? undefined }] as const
      })
      const enabler = fromHex(step.writeEnabler)
      await store.writeSlot(storageIndex, enabler, new Map(changes), leaseOf(step, 1), Infinity)
    }
  }
}

async function filesIn(folder: string): Promise<Record<string, Uint8Array>> {
  const names = await readdir(folder).catch(() => [])
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name))])),
  )
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const mapValues = <A, B>(
  record: Readonly<Record<string, A>>,
  f: (value: A) => B,
): Record<string, B> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, f(value)]))

async function withFolder(task: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'lafs-containers-'))
  try {
    await task(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function lay(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, bytes] of Object.entries(files)) {
    await mkdir(folder, { recursive: true })
    await writeFile(join(folder, name), fromHex(bytes))
  }
}

describe('the same operations make the same files as upstream', () => {
  it.each(cases)('$name', async ({ storageIndex, nodeId, path, initial, steps, files }) => {
    await withFolder(async (folder) => {
      await lay(join(folder, path), initial)
      const store = await createDiskStore({ folder, nodeId: fromHex(nodeId) })
      for (const step of steps) {
        await take(store, fromHex(storageIndex), step)
        const made = await filesIn(join(folder, path))
        expect(mapValues(made, sha256)).toEqual(step.sha256)
      }
      expect(mapValues(await filesIn(join(folder, path)), hex)).toEqual(files)
      expect(await readdir(join(folder, 'shares', 'incoming'))).toEqual([])
      await store.close()
    })
  })
})

describe('the files of upstream are read', () => {
  it.each(cases)('$name', async ({ storageIndex, path, files, leases }) => {
    await withFolder(async (folder) => {
      await lay(join(folder, path), files)
      const store = await createDiskStore({ folder })
      const index = fromHex(storageIndex)
      const found = await store.shares(index)
      expect([...found.keys()].map(String).toSorted()).toEqual(Object.keys(files).toSorted())
      for (const [n, kind] of found) {
        const bytes = fromHex(files[n] ?? '')
        const data =
          kind === 'mutable'
            ? bytes.subarray(468, 468 + Number(new DataView(bytes.buffer).getBigUint64(84)))
            : bytes.subarray(12, bytes.length - 72 * new DataView(bytes.buffer).getUint32(8))
        const share = await store.open(index, n)
        expect(share.kind).toBe(kind)
        expect(hex(await share.read(0, 1e9))).toBe(hex(data))
        await share.close()
        const expected = (leases[n] ?? []).map(([ownerNumber, expiresAtSeconds]) => ({
          ownerNumber,
          expiresAtSeconds,
        }))
        expect(await store.leases(index, n)).toMatchObject(expected)
      }
      const indexes = []
      for await (const each of store.storageIndexes()) indexes.push(hex(each))
      expect(indexes).toEqual(Object.keys(files).length > 0 ? [storageIndex] : [])
      await store.close()
    })
  })
})
