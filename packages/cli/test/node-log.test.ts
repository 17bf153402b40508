import { Writable } from 'node:stream'
import { expect, it } from 'vitest'
import { nodeLog } from '../src/node-log.ts'

it('tells without secrets and controls', () => {
  let told = ''
  const stdout = new Writable({
    write: (piece, _encoding, done) => {
      told += String(piece)
      done()
    },
  })
  nodeLog({ stdout, now: () => 0 })('got URI:CHK:secret \u001B[31m')
  expect(told).toBe('1970-01-01 00:00:00.000Z got [cap] \\x1b[31m\n')
})

it('keeps no more than so much for somebody who does not read, and goes on when they do', async () => {
  let read: (() => void) | undefined
  let told = ''
  const stdout = new Writable({
    write: (piece, _encoding, done) => {
      told += String(piece)
      if (read === undefined) read = done
      else done()
    },
  })
  const log = nodeLog({ stdout, now: () => 0 })
  for (let count = 0; count < 3000; count++) log('x'.repeat(1000))
  expect(stdout.writableLength).toBeGreaterThan(1_000_000)
  expect(stdout.writableLength).toBeLessThan(1_100_000)
  read?.()
  await expect.poll(() => stdout.writableLength).toBe(0)
  log('the last')
  expect(told).toMatch(/the last\n$/)
})
