import { readdirSync, readFileSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { defaultClientConditions, defaultServerConditions } from 'vite'
import type { TestProjectConfiguration } from 'vitest/config'

const root = join(import.meta.dirname, '../..')

/** The folders of every package of the workspace, relative to its root. */
const packageFolders: readonly string[] = ['packages', 'native'].flatMap((room) =>
  readdirSync(join(root, room))
    .map((name) => join(room, name))
    .filter((folder) => existsSync(join(root, folder, 'package.json'))),
)

/** The name that a package folder's package.json gives. */
function packageName(folder: string): string {
  const text = readFileSync(join(root, folder, 'package.json'), 'utf8')
  return (JSON.parse(text) as { name: string }).name
}

/** Resolve workspace packages to their sources, so that tests need no build. */
export const sourceConditions: string[] = ['@lafs/source', ...defaultServerConditions]
export const browserSourceConditions: string[] = ['@lafs/source', ...defaultClientConditions]

/** How long a test may take, in milliseconds, unless it says otherwise: those of a busy machine pass. */
export const testTimeout = 30_000

/** One vitest project a package, named after it. */
export const nodeProjects: TestProjectConfiguration[] = packageFolders.map((folder) => ({
  root: join(root, folder),
  ssr: { resolve: { conditions: sourceConditions } },
  resolve: { conditions: sourceConditions },
  test: {
    name: packageName(folder),
    include: ['test/**/*.test.ts'],
    environment: 'node',
    testTimeout,
    hookTimeout: testTimeout,
  },
}))
