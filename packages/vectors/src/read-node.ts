import { readFile } from 'node:fs/promises'

/** Reads a file whose path is relative to this module. */
export async function read(path: string): Promise<Uint8Array> {
  return new Uint8Array(await readFile(new URL(path, import.meta.url)))
}
