import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** One command line and what upstream made of it. */
export interface RecordedStep {
  readonly words: readonly string[]
  readonly status: number
  readonly stdout?: string
  readonly stderr?: string
  readonly usage?: string
  readonly exception?: string
}

/** Files by their path below some folder; a path that ends with a slash is a folder's. */
export type Files = Readonly<Record<string, string | Uint8Array>>

/** Writes files, and makes the folders that they need. */
export async function writeFiles(folder: string, files: Files): Promise<void> {
  await mkdir(folder, { recursive: true })
  for (const [name, content] of Object.entries(files)) {
    await mkdir(name.endsWith('/') ? join(folder, name) : dirname(join(folder, name)), {
      recursive: true,
    })
    if (!name.endsWith('/')) await writeFile(join(folder, name), content)
  }
}
