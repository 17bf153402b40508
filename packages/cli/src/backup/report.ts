import { quoteOutput } from '../quote.ts'
import type { BackupCounts } from './run.ts'
import type { BackupTarget, SkipReason } from './scan.ts'

const WARNINGS: Readonly<Record<SkipReason, (kind: string, path: string) => string>> = {
  'permission-denied': (kind, path) => `WARNING: permission denied on ${kind} ${path}`,
  undecodable: (kind, path) =>
    `WARNING: could not list ${kind} ${path} due to a filename encoding error`,
  symlink: (_kind, path) => `WARNING: cannot backup symlink ${path}`,
  special: (_kind, path) => `WARNING: cannot backup special ${path}`,
  'same-name': (kind, path) =>
    `WARNING: cannot backup ${kind} ${path}: on the grid its name is that of its neighbour`,
}

/** What is said of something that is not backed up. */
export function warning(target: BackupTarget, why: SkipReason): string {
  const isDirectory = target.kind === 'skipped' ? target.isDirectory : target.kind === 'directory'
  return WARNINGS[why](isDirectory ? 'directory' : 'file', quoteOutput(target.path))
}

/** What is said at the end. @see allmydata.scripts.tahoe_backup.BackupComplete.report */
export function summary(counts: BackupCounts, elapsedMs: number, verbosity: 0 | 1 | 2): string {
  const lines = [` backup done, elapsed time: ${clockTime(elapsedMs)}`]
  if (verbosity >= 2) {
    lines.unshift(
      ` ${counts.filesChecked} files checked, ${counts.directoriesChecked} directories checked`,
    )
  }
  if (verbosity >= 1) {
    lines.unshift(
      ` ${counts.filesUploaded} files uploaded (${counts.filesReused} reused), ${counts.filesSkipped} files skipped, ${counts.directoriesCreated} directories created (${counts.directoriesReused} reused), ${counts.directoriesSkipped} directories skipped`,
    )
  }
  return lines.join('\n')
}

/** How far a backup is. @see allmydata.scripts.tahoe_backup.BackupProgress.report */
export function paceLine(done: number, total: number, elapsedMs: number): string {
  const { hours, minutes, seconds } = partsOf(elapsedMs)
  return `Backing up ${done}/${total}... ${hours}h ${minutes}m ${seconds}s elapsed...`
}

/** Such as `0:02:13`, after a day `1 day, 0:02:13`. */
function clockTime(elapsedMs: number): string {
  const { hours, minutes, seconds } = partsOf(elapsedMs)
  const days = Math.floor(hours / 24)
  const prefix = days === 0 ? '' : days === 1 ? '1 day, ' : `${days} days, `
  return `${prefix}${hours % 24}:${String(minutes).padStart(2, '0')}:${String(seconds).padStart(2, '0')}`
}

function partsOf(elapsedMs: number): { hours: number; minutes: number; seconds: number } {
  const whole = Math.max(0, Math.floor(elapsedMs / 1000))
  return {
    hours: Math.floor(whole / 3600),
    minutes: Math.floor(whole / 60) % 60,
    seconds: whole % 60,
  }
}
