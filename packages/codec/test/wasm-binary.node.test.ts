// The committed WebAssembly module is what its script makes of the C source.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const committed = readFileSync(new URL('../src/wasm-binary.ts', import.meta.url), 'utf8')
const script = fileURLToPath(new URL('../wasm/build.mjs', import.meta.url))
const wanted = /with clang (\d+)/.exec(committed)?.[1]

/** Why the module cannot be made again here, if so. */
function whyNot(): string | undefined {
  try {
    const clang = process.env['CLANG'] ?? 'clang'
    const said = execFileSync(clang, ['--version'], { encoding: 'utf8' })
    const version = /clang version (\d+)/.exec(said)?.[1]
    if (version !== wanted) return `made with clang ${wanted}, here is clang ${version}`
    execFileSync('wasm-ld', ['--version'])
    return undefined
  } catch (error) {
    return `clang and wasm-ld are needed: ${String(error)}`
  }
}

const binary = (text: string): string | undefined => /'([A-Za-z0-9+/=]+)'/.exec(text)?.[1]

it('is what wasm/build.mjs makes', ({ skip }) => {
  const reason = whyNot()
  if (reason !== undefined && process.env['LAFS_REQUIRE_CLANG'] !== '1') {
    console.warn(`The WebAssembly module is not made again: ${reason}`)
    skip(reason)
  }
  expect(reason).toBeUndefined()
  const made = execFileSync(process.execPath, [script, '--print'], { encoding: 'utf8' })
  expect(binary(made)).toBe(binary(committed))
})
