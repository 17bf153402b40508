import type { IUploadable, IUploadResults } from '@lafs/filesystem-interface'
import type { OperationOptions } from '@lafs/storage-interface'
import { uploadImmutable } from '../upload.ts'
import type { UploadOptions } from '../upload.ts'

/** What a stream is uploaded with and how. */
export interface UploadStreamOptions extends Omit<UploadOptions, 'journal'> {
  /**
   * Reads a stream to its end and keeps it somewhere, with a random key: for a stream that too few
   * servers can take as it comes. The uploadable is closed after use.
   */
  readonly putAside: (
    stream: AsyncIterable<Uint8Array>,
    options: OperationOptions,
  ) => Promise<IUploadable>
}

/**
 * Stores a stream of unknown size as an immutable file with a random key.
 *
 * @throws as {@link uploadImmutable}; what the stream throws.
 */
export async function uploadStream(
  stream: AsyncIterable<Uint8Array>,
  options: UploadStreamOptions,
): Promise<IUploadResults> {
  const { signal, putAside } = options
  const uploadable = await putAside(stream, signal === undefined ? {} : { signal })
  try {
    return await uploadImmutable(uploadable, options)
  } finally {
    await uploadable.close()
  }
}
