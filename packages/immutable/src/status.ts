import type {
  IUploadResults,
  IUploadStatus,
  UploadProgress,
} from '@lafs/filesystem-interface'

let uploads = 0

/** How an upload goes: what its caller watches, and the upload itself writes. */
export class UploadStatus implements IUploadStatus {
  readonly counter: number = uploads++
  readonly startedMs: number
  readonly usingHelper = false
  storageIndex: Uint8Array | undefined
  size: number | undefined
  status = 'Not started'
  active = true
  progress: UploadProgress = { chk: 0, ciphertext: 1, encodeAndPush: 0 }
  results: IUploadResults | undefined

  constructor(startedMs: number) {
    this.startedMs = startedMs
  }
}
