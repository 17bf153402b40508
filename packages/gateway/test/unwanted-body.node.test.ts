import { PassThrough } from 'node:stream'
import type { IncomingMessage } from 'node:http'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { passUnwanted } from '../src/unwanted-body.ts'

const MIB = 1024 * 1024

/** A body that comes from this process. */
function body(): { stream: PassThrough; request: IncomingMessage } {
  const stream = new PassThrough()
  return { stream, request: stream as unknown as IncomingMessage }
}

it('waits for all of a body, up to its bound', async () => {
  const { stream, request } = body()
  let passed = false
  const waiting = passUnwanted(request, MIB).then(() => (passed = true))
  stream.write(new Uint8Array(MIB))
  for (let count = 0; count < 20; count++) await turn()
  expect(passed).toBe(false)
  stream.end()
  await waiting
})

it('waits for no more than its bound, and lets pass what comes then', async () => {
  const { stream, request } = body()
  const waiting = passUnwanted(request, MIB)
  stream.write(new Uint8Array(MIB))
  stream.write(new Uint8Array(1))
  await waiting
  for (let count = 0; count < 8; count++) {
    await new Promise((resolve) => {
      stream.write(new Uint8Array(MIB), resolve)
    })
  }
})

it('waits for nobody who has gone', async () => {
  const { stream, request } = body()
  const waiting = passUnwanted(request, MIB)
  stream.write(new Uint8Array(10))
  stream.destroy()
  await waiting
})
