import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { testShareStore } from '@lafs/conformance/share-store'
import { createDiskStore } from '../src/index.ts'

testShareStore({
  name: 'disk',
  capabilities: { persistent: true, knowsSpace: true },
  create: async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lafs-share-store-disk-'))
    const store = await createDiskStore({ folder })
    return {
      store,
      reopen: async () => {
        await store.close()
        return createDiskStore({ folder })
      },
      [Symbol.asyncDispose]: async () => {
        await store.close()
        const left = await readdir(join(folder, 'shares', 'incoming'))
        if (left.length > 0) throw new Error(`left in incoming: ${left.join()}`)
        await rm(folder, { recursive: true })
      },
    }
  },
})
