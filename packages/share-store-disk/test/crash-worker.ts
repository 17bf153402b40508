// Writes to a disk store until it is killed. Each line that it prints is a write that has settled:
// `i <file> <share>` for an immutable share, `m <file> <version>` for a mutable one, `l <file>`.
import { argv, stdout } from 'node:process'
import { createDiskStore } from '../src/index.ts'
import {
  crashIndex,
  crashLease,
  enabler,
  immutableData,
  mutableData,
  patches,
  PATCHED_SIZE,
} from './crash-data.ts'

const [, , folder = '', start = '0'] = argv
const store = await createDiskStore({ folder })

async function immutables(): Promise<never> {
  for (let file = Number(start); ; file += 2) {
    const storageIndex = crashIndex('i', file)
    if (file % 4 === 0) await wholeShares(file, storageIndex)
    else await uploads(file, storageIndex)
    for (const who of ['b', 'c', 'd', 'e', 'f'])
      await store.addLease(storageIndex, 0, crashLease(who), Infinity)
    stdout.write(`l ${file}\n`)
  }
}

async function wholeShares(file: number, storageIndex: Uint8Array): Promise<void> {
  const shares = new Map([0, 1].map((share) => [share, [immutableData(file, share)]]))
  await store.storeImmutable(storageIndex, shares, crashLease('a'))
  for (const share of [0, 1]) stdout.write(`i ${file} ${share}\n`)
}

async function uploads(file: number, storageIndex: Uint8Array): Promise<void> {
  await Promise.all(
    [0, 1].map(async (share) => {
      const data = immutableData(file, share)
      const incoming = await store.createImmutable(
        storageIndex,
        share,
        data.length,
        crashLease('a'),
      )
      const half = data.length >> 1
      await incoming.write(half, [data.subarray(half)])
      await incoming.write(0, [data.subarray(0, half)])
      await incoming.commit()
      stdout.write(`i ${file} ${share}\n`)
    }),
  )
}

async function slots(): Promise<never> {
  for (let version = Number(start); ; version += 1) {
    for (const file of [0, 1]) {
      const data = mutableData(version)
      const change = { writes: [{ offset: 0, data }], newLength: data.length }
      const changes = new Map([0, 1].map((share) => [share, change]))
      const lease = crashLease('abcdefgh'.charAt(version % 8))
      await store.writeSlot(crashIndex('m', file), enabler, changes, lease, Infinity)
      stdout.write(`m ${file} ${version}\n`)
    }
  }
}

async function patched(): Promise<never> {
  const index = crashIndex('m', 2)
  const lease = crashLease('p')
  if ((await store.shares(index)).size === 0) {
    const whole = new Uint8Array(PATCHED_SIZE)
    for (const { offset, data } of patches(0)) whole.set(data, offset)
    const change = { writes: [{ offset: 0, data: whole }] }
    await store.writeSlot(index, enabler, new Map([[0, change]]), lease, Infinity)
  }
  for (let version = Number(start); ; version += 1) {
    const change = { writes: patches(version) }
    await store.writeSlot(index, enabler, new Map([[0, change]]), lease, Infinity)
    stdout.write(`p 2 ${version}\n`)
  }
}

await Promise.all([immutables(), slots(), patched()])
