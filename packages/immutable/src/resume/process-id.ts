import { readFile } from 'node:fs/promises'
import process from 'node:process'

/** Names a process so that a later one with the same number is not taken for it. */
export interface ProcessId {
  readonly pid: number
  /** When it was started, in the units of its system; empty where that cannot be told. */
  readonly started: string
}

/** This process. */
export async function describeProcess(): Promise<ProcessId> {
  return { pid: process.pid, started: (await startOf(process.pid)) ?? '' }
}

/** Whether a process still runs. In doubt it does. */
export async function isRunning({ pid, started }: ProcessId): Promise<boolean> {
  if (!Number.isInteger(pid) || pid <= 0) return false
  try {
    process.kill(pid, 0)
  } catch (error) {
    // Not ours to send signals to, but there.
    if (!(error instanceof Error && 'code' in error && error.code === 'EPERM')) return false
  }
  const now = await startOf(pid)
  return now === undefined || started === '' || now === started
}

/** Linux tells, with the boot that the count of its ticks belongs to. */
async function startOf(pid: number): Promise<string | undefined> {
  try {
    const status = await readFile(`/proc/${pid}/stat`, 'utf8')
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8')
    // The second field is the name in parentheses, which may hold anything; the 22nd is the start.
    const ticks = status.slice(status.lastIndexOf(')') + 2).split(' ')[19]
    return ticks === undefined ? undefined : `${boot.trim()}/${ticks}`
  } catch {
    return undefined
  }
}
