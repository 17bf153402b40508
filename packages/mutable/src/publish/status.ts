import type { IMutableFileServerMap, IPublishStatus } from '@lafs/filesystem-interface'

let publications = 0

type Timings = {
  -readonly [Name in keyof IPublishStatus['timings']]: IPublishStatus['timings'][Name]
}

/** How a publication goes: what its caller watches, and the publication itself writes. */
export class PublishStatus implements IPublishStatus {
  readonly counter: number = publications++
  readonly startedMs: number
  readonly storageIndex: Uint8Array
  readonly usingHelper = false
  readonly servermap: IMutableFileServerMap
  readonly requiredShares: number
  readonly totalShares: number
  readonly size: number
  status = 'Started'
  active = true
  progress = 0
  readonly problems: Map<string, unknown[]> = new Map()
  readonly timings: Timings & { sendPerServerMs: Map<string, number[]> } = {
    encryptMs: 0,
    encodeMs: 0,
    sendPerServerMs: new Map(),
  }

  constructor(
    startedMs: number,
    file: {
      readonly storageIndex: Uint8Array
      readonly servermap: IMutableFileServerMap
      readonly requiredShares: number
      readonly totalShares: number
      readonly size: number
    },
  ) {
    this.startedMs = startedMs
    this.storageIndex = file.storageIndex
    this.servermap = file.servermap
    this.requiredShares = file.requiredShares
    this.totalShares = file.totalShares
    this.size = file.size
  }

  /** A server took this long to answer a write. */
  sent(serverId: string, elapsedMs: number): void {
    const { sendPerServerMs } = this.timings
    sendPerServerMs.set(serverId, [...(sendPerServerMs.get(serverId) ?? []), elapsedMs])
  }

  /** A server did something wrong. */
  addProblem(serverId: string, problem: unknown): void {
    this.problems.set(serverId, [...(this.problems.get(serverId) ?? []), problem])
  }

  /** The publication is over, for good or ill. */
  finish(status: string, nowMs: number): void {
    this.timings.totalMs = nowMs - this.startedMs
    this.status = status
    this.active = false
  }
}
