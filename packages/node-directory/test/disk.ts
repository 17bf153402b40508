import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'

/** What all open files inherit from: to watch, or to have fail, what hands them to the disk. */
export async function disk(): Promise<FileHandle> {
  await using handle = await open(tmpdir())
  return Object.getPrototypeOf(handle) as FileHandle
}
