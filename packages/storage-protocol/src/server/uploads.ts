import { timingSafeCompare } from '@lafs/crypto'
import type { ServedBucketWriter } from '@lafs/storage-interface'
import { HttpError } from './responses.ts'

/** One share that is being uploaded. */
interface Upload {
  readonly writer: ServedBucketWriter
  readonly secret: Uint8Array
  closing: Promise<void> | undefined
}

/** The shares that are being uploaded, each with the secret of the client that began it. */
export interface Uploads {
  /** Remembers an upload until its writer has ended. */
  add(key: string, writer: ServedBucketWriter, secret: Uint8Array): void
  /** @throws HttpError 404 when there is no such upload, 401 when the secret is another one. */
  writer(key: string, secret: Uint8Array): ServedBucketWriter
  /** Commits an upload, once, however many ask. */
  close(key: string, writer: ServedBucketWriter): Promise<void>
}

export function createUploads(): Uploads {
  const uploads = new Map<string, Upload>()
  return {
    add(key, writer, secret) {
      const upload: Upload = { writer, secret, closing: undefined }
      uploads.set(key, upload)
      const forget = (): void => {
        if (uploads.get(key) === upload) uploads.delete(key)
      }
      if (writer.ended.aborted) forget()
      else writer.ended.addEventListener('abort', forget, { once: true })
    },
    writer(key, secret) {
      const upload = uploads.get(key)
      if (upload === undefined) throw new HttpError(404)
      if (!timingSafeCompare(upload.secret, secret)) throw new HttpError(401)
      return upload.writer
    },
    async close(key, writer) {
      const upload = uploads.get(key)
      // An upload that has gone meanwhile was completed by another request.
      if (upload?.writer !== writer) return
      upload.closing ??= writer.close()
      await upload.closing
    },
  }
}
