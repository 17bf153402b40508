import { createCheckable } from '@lafs/checker'
import { expect, it } from 'vitest'
import { createGrid, encodeFile, same, sharesOn, spread } from './grid.ts'
import type { TestServer } from './grid.ts'

it('repairs a large file with a few segments of it in memory', async () => {
  const file = await encodeFile(40_000_000, { segmentSize: 131_072, required: 2, total: 3 })
  const grid = await createGrid(3)
  const shares = new Map([...file.shares].filter(([share]) => share < 2))
  await spread(grid, { cap: file.cap, shares })
  let read = 0
  let open = (): void => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  for (const server of grid.servers) {
    server.onRead = (bytes) => {
      read += bytes.length
      return bytes
    }
    // What is read while nothing can be written must pile up nowhere.
    server.before = (name) => (name === 'writer.write' ? opened : undefined)
  }
  const repairing = createCheckable(file.cap, grid.context).checkAndRepair()
  for (let before = -1, still = 0; still < 50;) {
    await new Promise((resolve) => setTimeout(resolve, 2))
    still = read === before && read > 0 ? still + 1 : 0
    before = read
  }
  expect(read).toBeLessThan(12_000_000)
  open()
  expect(await repairing).toMatchObject({ repairSuccessful: true })
  const made = await sharesOn(grid.servers[2] as TestServer, file.cap.storageIndex)
  expect(same(made.get(2), file.shares.get(2))).toBe(true)
})
