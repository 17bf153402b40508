import type { IServermapUpdaterStatus, ServermapMode } from '@lafs/filesystem-interface'
import type { IServer } from '@lafs/storage-interface'
import type { MutableFile } from '../file.ts'
import type { ServerMap } from './server-map.ts'

let updates = 0

/** How an update of a servermap goes: what its caller watches, and the update itself writes. */
export class ServermapUpdaterStatus implements IServermapUpdaterStatus {
  readonly counter: number = updates++
  readonly startedMs: number
  readonly storageIndex: Uint8Array
  readonly size = undefined
  readonly usingHelper = false
  readonly mode: ServermapMode
  readonly servermap: ServerMap
  readonly problems: Map<string, unknown[]> = new Map()
  readonly timings: {
    totalMs?: number
    cumulativeVerifyMs: number
    readonly perServerMs: Map<string, number[]>
  } = { cumulativeVerifyMs: 0, perServerMs: new Map() }
  status = 'Not started'
  active = true
  progress = 0
  finishedMs: number | undefined
  privateKeyFrom: string | undefined

  constructor(file: MutableFile, servermap: ServerMap, mode: ServermapMode) {
    this.startedMs = file.context.clock.nowMs()
    this.storageIndex = file.storageIndex
    this.servermap = servermap
    this.mode = mode
  }

  /** Notes what a server did wrong. */
  addProblem({ serverId }: IServer, problem: unknown): void {
    this.problems.set(serverId, [...(this.problems.get(serverId) ?? []), problem])
  }

  /** Notes how long a server took to answer. */
  addAnswer({ serverId }: IServer, elapsedMs: number): void {
    const { perServerMs } = this.timings
    perServerMs.set(serverId, [...(perServerMs.get(serverId) ?? []), elapsedMs])
  }

  /** The update is over, for good or ill. */
  finish(status: 'Finished' | 'Stopped', nowMs: number): void {
    this.finishedMs = nowMs
    this.timings.totalMs = nowMs - this.startedMs
    this.status = status
    this.active = false
    if (status === 'Finished') this.progress = 1
  }
}
