// The addon keeps what it borrows alive, and keeps nothing for longer.
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { addon } from './addon.ts'

const run = (script: string): string =>
  execFileSync(process.execPath, ['--expose-gc', '--input-type=module', '-e', script], {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    encoding: 'utf8',
  })

describe.skipIf(addon === undefined)('memory of the addon (skipped where it is not built)', () => {
  it('keeps buffers alive that nobody else refers to', () => {
    const output = run(`
      import { load } from './index.js'
      const addon = load()
      const size = 300_000
      const start = (seed) => addon.fecEncode(1, 2, [new Uint8Array(size).fill(seed)], [1])
      const running = Array.from({ length: 64 }, (_, seed) => start(seed))
      for (let i = 0; i < 5; i++) { gc(); new Uint8Array(size).fill(255) }
      const results = (await Promise.all(running)).map(([block]) => block)
      console.log(results.every((block, seed) => block.every((byte) => byte === seed)))
    `)
    expect(output).toBe('true\n')
  })

  it('lets go of all buffers', () => {
    const output = run(`
      import { load } from './index.js'
      const addon = load()
      const blocks = [new Uint8Array(100_000), new Uint8Array(100_000)]
      const round = async () => {
        for (let i = 0; i < 300; i++) {
          await addon.fecEncode(2, 4, blocks, [2, 3])
          await addon.sha256dMany(blocks[0], blocks)
          await addon.aesCtr?.(new Uint8Array(16), new Uint8Array(16), new Uint8Array(100_000), 0)
          try { addon.fecEncode(2, 4, blocks, [2, 9]) } catch {}
        }
        for (let i = 0; i < 3; i++) { gc(); await new Promise(setImmediate) }
        return process.memoryUsage().external
      }
      const before = await round()
      const after = await round()
      console.log(after - before)
    `)
    expect(Number(output)).toBeLessThan(1_000_000)
  })

  it('loads in a worker thread beside the main one', () => {
    const output = run(`
      import { Worker } from 'node:worker_threads'
      import { load } from './index.js'
      load()
      const code = "import('" + new URL('index.js', 'file://' + process.cwd() + '/').href + "')" +
        ".then(async ({ load }) => console.log((await load().fecEncode(1, 2, [new Uint8Array([7])], [1]))[0][0]))"
      const worker = new Worker(code, { eval: true })
      await new Promise((resolve, reject) => worker.on('exit', resolve).on('error', reject))
    `)
    expect(output).toBe('7\n')
  })
})
