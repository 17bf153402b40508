// The batch hash against node:crypto: every shape of prefix and message around the 64-byte blocks.
import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { addon } from './addon.ts'

const sha256 = (...pieces: Uint8Array[]): Buffer => {
  const hash = createHash('sha256')
  for (const piece of pieces) hash.update(piece)
  return hash.digest()
}

const bytesOf = (size: number): Uint8Array =>
  Uint8Array.from({ length: size }, (_, i) => i * 7 + size)

describe.skipIf(addon === undefined)('sha256dMany (skipped where the addon is not built)', () => {
  it.each(addon?.hashKernels ?? [])('agrees with node:crypto, with kernel %s', async (kernel) => {
    const messages = [...Array.from({ length: 140 }, (_, size) => size), 1000, 5000, 64 * 1024].map(
      bytesOf,
    )
    const fastest = addon!.hashKernel
    for (const prefixSize of [0, 1, 38, 54, 55, 56, 63, 64, 65, 120, 128, 200]) {
      const prefix = bytesOf(prefixSize)
      addon!.setHashKernel(kernel)
      const digests = await addon!.sha256dMany(prefix, messages)
      const expected = messages.map((message) => sha256(sha256(prefix, message)).toString('hex'))
      expect(digests.map((digest) => Buffer.from(digest).toString('hex'))).toEqual(expected)
    }
    addon!.setHashKernel(fastest)
  })

  it('takes no messages, and one', async () => {
    expect(await addon!.sha256dMany(new Uint8Array(), [])).toEqual([])
    const [digest] = await addon!.sha256dMany(new Uint8Array(), [new Uint8Array()])
    expect(digest).toEqual(new Uint8Array(sha256(sha256())))
  })
})
