import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLocalGrid } from '@lafs/node-directory'
import type { LocalGrid } from '@lafs/node-directory'
import { afterAll, beforeAll } from 'vitest'
import { usePublishedKeys } from '@lafs/testing/published-keys'

/** Where the tests of a file run. */
export interface Place {
  /** A folder for them. */
  readonly root: string
  readonly grid: LocalGrid
}

/** A grid and a folder for the tests of the file that calls this. They are there while tests run. */
export function useLocalGrid(options: Parameters<typeof createLocalGrid>[0]): Place {
  let root: string
  let grid: LocalGrid
  beforeAll(async () => {
    await usePublishedKeys()
    root = await mkdtemp(join(tmpdir(), 'lafs-test-'))
    grid = await createLocalGrid(options)
  })
  afterAll(async () => {
    await grid.close()
    await rm(root, { recursive: true, force: true })
  })
  return {
    get root() {
      return root
    },
    get grid() {
      return grid
    },
  }
}
