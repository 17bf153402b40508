import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type * as files from 'node:fs/promises'
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { claimFolder, runningProcess } from '../src/running-process.ts'

/** What happens once a file has been read. */
let afterReading: (file: unknown) => Promise<unknown> = async () => undefined

vi.mock('node:fs/promises', async (original) => {
  const fs = await original<typeof files>()
  const read = async (...parts: Parameters<typeof fs.readFile>): Promise<unknown> => {
    const content = await fs.readFile(...parts)
    await afterReading(parts[0])
    return content
  }
  return { ...fs, readFile: read }
})

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

  it.each([
    ['', undefined],
    [' that find the record of a process that is gone', '4194304 1700000000.0\n'],
  ])('lets one of many in%s', async (_what, text) => {
    if (text !== undefined) await record(text)
    const claims = await Promise.allSettled(Array.from({ length: 10 }, () => claimFolder(folder)))
    expect(claims.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect(await readdir(folder)).toEqual(['running.process'])
  })

  it('keeps out of the way of one that was quicker to take over', async () => {
    const other = spawn(process.execPath, ['-e', 'process.stdin.resume()'])
    try {
      const theirs = `${other.pid} ${Date.now() / 1000}\n`
      await record('4194304 1700000000.0\n')
      afterReading = async (file) => {
        if (file !== join(folder, 'running.process')) return
        afterReading = async () => undefined
        await record(theirs)
      }
      await expect(claimFolder(folder)).rejects.toThrow(`process ${other.pid} runs from`)
      expect(await readFile(join(folder, 'running.process'), 'utf8')).toBe(theirs)
    } finally {
      other.kill()
    }
  })

  it('goes on where one was killed while it took over', async () => {
    const mark = join(folder, 'running.process.removal')
    await record('4194304 1700000000.0\n')
    await writeFile(mark, '')
    await utimes(mark, 1e9, 1e9)
    const free = await claimFolder(folder)
    expect(await readdir(folder)).toEqual(['running.process'])
    await free()
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
        }, 20_000)
        await record(`${pid} ${Date.now() / 1000}\n`)
        expect(await runningProcess(folder)).toBeUndefined()
      } finally {
        parent.kill()
      }
    },
  )
})
