import { readFile, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { NodeDirectoryError } from './errors.ts'
import { createWhole, hasSystemCode, readIfThere } from './files.ts'

/** The content of `running.process`. */
interface ProcessRecord {
  readonly pid: number
  /** When that process began: seconds since 1970. Undefined where the file does not say. */
  readonly startedSeconds: number | undefined
}

/** How far two readings of when one process began may be apart: clocks are corrected. */
const CLOCK_SLACK_SECONDS = 60

/** How long the removal of a record may take; one that takes longer has been killed. */
const REMOVAL_MS = 5000
const REMOVAL_POLL_MS = 20

/** What this process runs itself: a file with its number may be left from one before it. */
const claimedHere = new Set<string>()
/** And what it is about to run. */
const claimingHere = new Set<string>()

/**
 * Makes this process the one that runs from a node directory: its number and when it began go into
 * `running.process`, as upstream's do.
 *
 * @returns what gives the directory up again.
 * @throws {@link NodeDirectoryError} `NODEDIR_IN_USE`.
 * @see allmydata.util.pid.check_pid_process
 */
export async function claimFolder(folder: string): Promise<() => Promise<void>> {
  const file = join(folder, 'running.process')
  if (claimingHere.has(file)) throw inUse(process.pid, folder, file)
  claimingHere.add(file)
  try {
    const status = await processStatus(process.pid)
    const started = status?.startedSeconds ?? Date.now() / 1000 - process.uptime()
    const record = `${process.pid} ${started.toFixed(2)}\n`
    while (!(await createWhole(file, record, 0o644))) {
      const pid = await runningProcess(folder)
      if (pid !== undefined) throw inUse(pid, folder, file)
      await removeLeftRecord(folder, file)
    }
    claimedHere.add(file)
  } finally {
    claimingHere.delete(file)
  }
  return async () => {
    claimedHere.delete(file)
    await unlink(file).catch(() => undefined)
  }
}

function inUse(pid: number, folder: string, file: string): NodeDirectoryError {
  return new NodeDirectoryError(
    'NODEDIR_IN_USE',
    `process ${pid} runs from ${folder} already (if it does not, remove ${file})`,
  )
}

/**
 * Removes the record of a process that is gone, unless somebody else is at it. Who does so keeps a file beside it
 * meanwhile: without that, one who has found the old record would remove the new one of another.
 */
async function removeLeftRecord(folder: string, file: string): Promise<void> {
  const mark = `${file}.removal`
  if (await createWhole(mark, '', 0o644)) {
    try {
      const isThere = (await readIfThere(file)) !== undefined
      if (isThere && (await runningProcess(folder)) === undefined) await unlink(file)
    } finally {
      await unlink(mark)
    }
    return
  }
  const since = await stat(mark).catch(() => undefined)
  if (since === undefined) return
  if (Math.abs(Date.now() - since.mtimeMs) < REMOVAL_MS) await delay(REMOVAL_POLL_MS)
  else await unlink(mark).catch(() => undefined)
}

/**
 * The process that runs from a node directory, be it ours or upstream's.
 *
 * @returns its number; undefined where none does, whatever a file that was left says.
 */
export async function runningProcess(folder: string): Promise<number | undefined> {
  const file = join(folder, 'running.process')
  const record = parseRecord((await readIfThere(file)) ?? '')
  if (record === undefined || !isRunning(record.pid)) return undefined
  // In a container every process has the number of the one before it.
  if (record.pid === process.pid) return claimedHere.has(file) ? record.pid : undefined
  const status = await processStatus(record.pid)
  // A process that has ended keeps its number until its parent has taken note.
  if (status?.state === 'Z') return undefined
  if (status === undefined || record.startedSeconds === undefined) return record.pid
  return Math.abs(status.startedSeconds - record.startedSeconds) <= CLOCK_SLACK_SECONDS
    ? record.pid
    : undefined
}

function parseRecord(text: string): ProcessRecord | undefined {
  const [, pid, started] = /^\s*([1-9]\d*)(?:\s+(\d+(?:\.\d*)?))?\s*$/.exec(text) ?? []
  if (pid === undefined) return undefined
  return { pid: Number(pid), startedSeconds: started === undefined ? undefined : Number(started) }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return hasSystemCode(error, 'EPERM')
  }
}

/**
 * How a process is, as a letter, and when it began, in seconds since 1970, where the system says it as Linux does.
 *
 * @see proc(5): the 3rd and the 22nd field of /proc/PID/stat, which is in hundredths of a second since the start
 */
async function processStatus(
  pid: number,
): Promise<{ readonly state: string; readonly startedSeconds: number } | undefined> {
  try {
    const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ').at(-1)?.split(' ')
    const bootSeconds = /^btime (\d+)$/m.exec(await readFile('/proc/stat', 'utf8'))?.[1]
    const startedSeconds = Number(bootSeconds) + Number(fields?.[19]) / 100
    return Number.isFinite(startedSeconds)
      ? { state: fields?.[0] ?? '', startedSeconds }
      : undefined
  } catch {
    return undefined
  }
}
