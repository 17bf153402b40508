import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { TemporaryContent } from '../src/temporary-content.ts'

const hello = new TextEncoder().encode('hello')

it('leaves no file behind when it is closed, nor, where files need no name, when the process is killed', async () => {
  const parent = await mkdtemp(join(tmpdir(), 'lafs-test-'))
  try {
    const content = await TemporaryContent.create(parent)
    await content.write(3, hello)
    if (process.platform !== 'win32') expect(await readdir(parent)).toEqual([])
    expect(await content.read(0, 100)).toEqual(new Uint8Array([0, 0, 0, ...hello]))
    await content.resize(4)
    expect(await content.read(3, 100)).toEqual(hello.slice(0, 1))
    await content.close()
    expect(await readdir(parent)).toEqual([])
  } finally {
    await rm(parent, { recursive: true })
  }
})

it('says that a folder for temporary files is not there', async () => {
  const parent = join(tmpdir(), 'lafs-test-that-is-not-there')
  await expect(TemporaryContent.create(parent)).rejects.toMatchObject({ code: 'ENOENT' })
})
