import type { IFileNode } from '@lafs/filesystem-interface'
import { expect, it } from 'vitest'
import { FileToWrite } from '../src/open-file.ts'
import { OPEN } from '../src/protocol.ts'
import { Transfers } from '../src/transfers.ts'

it('gives nothing of a file that was removed before it was there as a whole', async () => {
  let goOn = (): void => undefined
  const rest = new Promise<void>((resolve) => {
    goOn = resolve
  })
  const version = {
    size: 6,
    async *read() {
      yield new TextEncoder().encode('abc')
      await rest
      yield new TextEncoder().encode('def')
    },
  }
  const node = { bestReadableVersion: async () => version } as unknown as IFileNode
  const file = new FileToWrite({
    node,
    place: undefined,
    metadata: {},
    flags: OPEN.read | OPEN.write,
    temporaryFolder: undefined,
    transfers: new Transfers(),
  })
  const reading = file.read(0, 100)
  file.abandon()
  goOn()
  await expect(reading).rejects.toThrow('the file was removed')
  await expect(file.close()).rejects.toThrow('the file was removed')
})

it.each([
  ['a write far behind its end', (file: FileToWrite) => file.write(2 ** 50, new Uint8Array(1))],
  ['a size beyond every disk', (file: FileToWrite) => file.setAttributes({ size: 2 ** 50 })],
])('does not fill the disk for %s of a file that nobody wants any more', async (_what, work) => {
  const file = new FileToWrite({
    node: undefined,
    place: undefined,
    metadata: {},
    flags: OPEN.write,
    temporaryFolder: undefined,
    transfers: new Transfers(),
  })
  const filling = work(file)
  file.abandon()
  await expect(filling).rejects.toThrow('the file was removed')
  await expect(file.close()).rejects.toThrow('the file was removed')
})
