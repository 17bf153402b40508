import { mkdtemp, open, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FilePool, type PooledFile } from '../src/file-pool.ts'
import { readUpTo, writeAll } from '../src/files.ts'

let folder: string
let pool: FilePool
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lafs-file-pool-'))
  pool = new FilePool(2)
})
afterEach(async () => {
  await pool.close()
  await rm(folder, { recursive: true })
})

async function add(name: string, content = name): Promise<PooledFile> {
  const path = join(folder, name)
  await writeFile(path, content)
  return pool.add(path, await open(path, 'r+'), 'r+')
}
const content = (file: PooledFile): Promise<string> =>
  file.use(async (handle) => new TextDecoder().decode(await readUpTo(handle, 0, 100)))

describe('a pool of two open files', () => {
  it('opens again what it closed', async () => {
    const files = [await add('a'), await add('b'), await add('c'), await add('d')]
    // The first two were closed; a second release of a closed file says so.
    expect(files.map((file) => file.release())).toEqual([false, false, true, true])
    for (const file of [...files, ...files]) expect(await content(file)).toBe(file.path.slice(-1))
  })

  it('closes no file that is in use', async () => {
    const files = [await add('a'), await add('b')]
    await Promise.all(
      files.map((file) =>
        file.use(async (handle) => {
          await content(await add('c'))
          await content(await add('d'))
          await writeAll(handle, 0, [new TextEncoder().encode('x')])
        }),
      ),
    )
    expect(await Promise.all(files.map(content))).toEqual(['x', 'x'])
  })

  it('keeps those open whose names go', async () => {
    const old = await add('a', 'old')
    await content(await add('b'))
    await content(await add('c'))
    await pool.detach(old.path)
    await writeFile(join(folder, 'new'), 'new')
    await rename(join(folder, 'new'), old.path)
    await content(await add('d'))
    await content(await add('e'))
    expect(await content(old)).toBe('old')
  })

  it('uses nothing that was closed', async () => {
    const file = await add('a')
    const use = content(file)
    await file.close()
    await file.close()
    expect(await use).toBe('a')
    await expect(content(file)).rejects.toThrow('closed')
  })

  it('tries again after it could not open', async () => {
    const file = await add('a')
    await content(await add('b'))
    await content(await add('c'))
    await rename(file.path, `${file.path}.away`)
    await expect(content(file)).rejects.toThrow('ENOENT')
    await rename(`${file.path}.away`, file.path)
    expect(await content(file)).toBe('a')
  })
})
