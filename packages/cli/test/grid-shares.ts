import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { LocalGrid } from '@lafs/node-directory'
import { toBase32 } from '@lafs/crypto'
import { parseCap } from '@lafs/uri'

/** A share in the storage folder of one server. */
export interface ShareOnDisk {
  readonly shareNumber: number
  /** The place of the server in the grid. */
  readonly server: number
  readonly file: string
}

/** The folder of the shares of an object on each server. */
export function shareFolders(grid: LocalGrid, cap: string): string[] {
  const name = toBase32(parseCap(cap).storageIndex ?? new Uint8Array())
  return grid.servers.map(({ folder = '' }) =>
    join(folder, 'storage', 'shares', name.slice(0, 2), name),
  )
}

/** The files of the shares of an object, by rising number. */
export async function sharesOnDisk(grid: LocalGrid, cap: string): Promise<ShareOnDisk[]> {
  const found: ShareOnDisk[] = []
  for (const [server, folder] of shareFolders(grid, cap).entries()) {
    for (const name of await readdir(folder).catch(() => [])) {
      found.push({ shareNumber: Number(name), server, file: join(folder, name) })
    }
  }
  return found.toSorted((a, b) => a.shareNumber - b.shareNumber)
}

/** Flips the lowest bit of a byte of a file. */
export async function flipBit(file: string, offset: number): Promise<void> {
  const data = await readFile(file)
  data[offset] = (data[offset] ?? 0) ^ 1
  await writeFile(file, data)
}
