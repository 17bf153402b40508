import type { IRetrieveStatus } from '@lafs/filesystem-interface'
import type { Clock } from '@lafs/storage-protocol/waiting'
import type { MutableFile } from '../file.ts'
import type { VersionInfo } from '../servermap/version-info.ts'

let retrievals = 0

/** How a retrieval goes: what its caller watches, and the retrieval itself writes. */
export class RetrieveStatus implements IRetrieveStatus {
  readonly counter: number = retrievals++
  readonly startedMs: number
  readonly storageIndex: Uint8Array
  readonly size: number
  readonly requiredShares: number
  readonly totalShares: number
  readonly usingHelper = false
  readonly problems: Map<string, unknown[]> = new Map()
  readonly timings: {
    totalMs?: number
    fetchMs?: number
    decodeMs: number
    decryptMs: number
    readonly fetchPerServerMs: Map<string, number[]>
  } = { decodeMs: 0, decryptMs: 0, fetchPerServerMs: new Map() }
  status = 'Retrieving Shares'
  active = true
  progress = 0
  readonly #clock: Clock

  constructor(file: MutableFile, version: VersionInfo) {
    this.#clock = file.context.clock
    this.startedMs = this.#clock.nowMs()
    this.storageIndex = file.storageIndex
    this.size = version.size
    this.requiredShares = version.requiredShares
    this.totalShares = version.totalShares
  }

  addProblem(serverId: string, problem: unknown): void {
    append(this.problems, serverId, problem)
  }

  addFetch(serverId: string, elapsedMs: number): void {
    append(this.timings.fetchPerServerMs, serverId, elapsedMs)
  }

  end(status: 'Finished' | 'Failed' | 'Stopped'): void {
    const totalMs = this.#clock.nowMs() - this.startedMs
    this.timings.totalMs = totalMs
    this.timings.fetchMs = totalMs
    this.status = status
    this.active = false
    if (status === 'Finished') this.progress = 1
  }
}

function append<T>(lists: Map<string, T[]>, key: string, item: T): void {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [item])
  else list.push(item)
}
