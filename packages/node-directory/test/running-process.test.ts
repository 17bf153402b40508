import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { claimFolder, runningProcess } from '../src/running-process.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lafs-test-'))
})
afterEach(() => rm(folder, { recursive: true }))

const record = (text: string): Promise<void> => writeFile(join(folder, 'running.process'), text)

describe('claimFolder', () => {
  it('writes the process and when it began, lets nobody else in, and cleans up', async () => {
    const free = await claimFolder(folder)
    const text = await readFile(join(folder, 'running.process'), 'utf8')
    expect(text).toMatch(new RegExp(`^${process.pid} \\d{10,}\\.\\d\\d\\n$`))
    const began = Date.now() / 1000 - process.uptime()
    expect(Math.abs(Number(text.split(' ')[1]) - began)).toBeLessThan(60)
    expect(await runningProcess(folder)).toBe(process.pid)
    await expect(claimFolder(folder)).rejects.toMatchObject({ code: 'NODEDIR_IN_USE' })
    await free()
    expect(await readdir(folder)).toEqual([])
    expect(await runningProcess(folder)).toBeUndefined()
  })

  it('lets one of many in', async () => {
    const claims = await Promise.allSettled(Array.from({ length: 10 }, () => claimFolder(folder)))
    expect(claims.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect(await readdir(folder)).toEqual(['running.process'])
  })

  it.each([
    ['of a process that is gone', '4194304 1700000000.0\n'],
    ['of another process that had the number of this one', `${process.pid} 1700000000.0\n`],
    ['that is garbage', 'garbage'],
    ['that is empty', ''],
    ['with a number too many', '1 2 3'],
  ])('takes over from a record %s', async (_what, text) => {
    await record(text)
    expect(await runningProcess(folder)).toBeUndefined()
    const free = await claimFolder(folder)
    expect(await runningProcess(folder)).toBe(process.pid)
    await free()
  })

  it('knows another process by its number and when it began', async () => {
    const child = spawn(process.execPath, ['-e', 'process.stdin.resume()'])
    try {
      const now = Date.now() / 1000
      await record(`${child.pid} ${now}\n`)
      expect(await runningProcess(folder)).toBe(child.pid)
      await expect(claimFolder(folder)).rejects.toThrow(`process ${child.pid} runs from`)
      await record(`${child.pid}\n`)
      expect(await runningProcess(folder)).toBe(child.pid)
      if (process.platform === 'linux') {
        await record(`${child.pid} ${now - 3600}\n`)
        expect(await runningProcess(folder)).toBeUndefined()
      }
    } finally {
      child.kill()
    }
  })

  it.runIf(process.platform === 'linux')(
    'takes no process for running that has ended, where the system says so as Linux does',
    async () => {
      // The shell becomes a program that never asks what has become of its child.
      const parent = spawn('sh', ['-c', 'sleep 0.2 & echo $!; exec sleep 60'])
      try {
        const [output] = (await once(parent.stdout, 'data')) as [Uint8Array]
        const pid = new TextDecoder().decode(output).trim()
        await vi.waitFor(async () => {
          expect(await readFile(`/proc/${pid}/stat`, 'utf8')).toMatch(/\) Z /)
        }, 5000)
        await record(`${pid} ${Date.now() / 1000}\n`)
        expect(await runningProcess(folder)).toBeUndefined()
      } finally {
        parent.kill()
      }
    },
  )
})
