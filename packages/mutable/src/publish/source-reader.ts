import { UploadSourceChangedError } from '@lafs/filesystem-interface'
import type { IMutableUploadable } from '@lafs/filesystem-interface'
import type { OperationOptions } from '@lafs/storage-interface'
import { interruptible } from '@lafs/storage-protocol/waiting'

/** Takes the pieces of an uploadable apart into spans of the sizes that are asked for. */
export interface SourceReader {
  /**
   * Fills `memory` with the next bytes.
   *
   * @throws {@link UploadSourceChangedError} when the source ends before.
   */
  readInto(memory: Uint8Array): Promise<void>
  /** @throws {@link UploadSourceChangedError} when the source has more. */
  end(): Promise<void>
  /** Gives the source up. */
  close(): Promise<void>
}

/** Reads an uploadable from its start, once. */
export function readSource(
  uploadable: IMutableUploadable,
  { signal }: OperationOptions,
): SourceReader {
  const pieces = interruptible(uploadable.read({ ...(signal && { signal }) }), signal)
  let rest: Uint8Array = new Uint8Array()
  let total = 0
  const next = async (): Promise<boolean> => {
    const { done, value } = await pieces.next()
    if (done === true) return false
    rest = value
    total += value.length
    return true
  }
  const changed = (got: string): Error =>
    new UploadSourceChangedError(`expected ${uploadable.size} bytes of contents, got ${got}`)
  return {
    readInto: async (memory) => {
      for (let filled = 0; filled < memory.length;) {
        if (rest.length === 0 && !(await next())) throw changed(`${total}`)
        const part = rest.subarray(0, memory.length - filled)
        memory.set(part, filled)
        filled += part.length
        rest = rest.subarray(part.length)
      }
    },
    end: async () => {
      while (rest.length === 0) if (!(await next())) return
      throw changed('more')
    },
    close: async () => {
      await pieces.return(undefined)
    },
  }
}
