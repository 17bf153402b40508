import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { execPath } from 'node:process'
import { build } from 'vite'
import { expect } from 'vitest'

/**
 * Bundles a script, to be run in a process of its own: Node 20 runs no TypeScript, and tests need no
 * build.
 *
 * @param script - its path.
 * @param folder - where the bundle goes.
 * @returns the path of the bundle.
 */
export async function bundleWorker(script: string, folder: string): Promise<string> {
  await build({
    configFile: false,
    logLevel: 'error',
    ssr: { noExternal: true, resolve: { conditions: ['@lafs/source', 'node'] } },
    build: {
      outDir: folder,
      minify: false,
      target: 'node20',
      ssr: script,
      rolldownOptions: { output: { entryFileNames: 'worker.mjs' } },
    },
  })
  return join(folder, 'worker.mjs')
}

/**
 * Runs a bundled script until it has printed something, and kills it some milliseconds later. Fails
 * where it has complained.
 *
 * @param options.word - what a line must begin with to count as something. Default: anything.
 * @returns the whole lines that it printed.
 */
export async function runAndKill(
  worker: string,
  words: readonly string[],
  { word = '', delayMs }: { readonly word?: string | undefined; readonly delayMs: number },
): Promise<string[]> {
  const child = spawn(execPath, [worker, ...words], { stdio: ['ignore', 'pipe', 'pipe'] })
  let out = ''
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    errors += chunk
  })
  const begun = new Promise<void>((resolve) => {
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      out += chunk
      if (`\n${out}`.includes(`\n${word}`)) resolve()
    })
  })
  const ended = new Promise<void>((resolve) => {
    child.on('close', () => {
      resolve()
    })
  })
  await Promise.race([begun, ended])
  await new Promise((resolve) => {
    setTimeout(resolve, delayMs)
  })
  child.kill('SIGKILL')
  await ended
  expect(errors).toBe('')
  // The last line may be cut.
  return out.split('\n').slice(0, -1)
}
