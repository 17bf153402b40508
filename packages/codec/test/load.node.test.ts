// The policy of choosing a provider: LAFS_CODEC, absent and broken addons.
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { CodecError, type CodecProvider, isCodecError } from '@lafs/codec-interface'
import { describe, expect, it } from 'vitest'
import { jsCodec, loadCodec, loadWasmCodec } from '@lafs/codec'
import { chooseCodec, type CodecLoaders } from '../src/load.ts'
import { addon } from './addon.ts'

const provider = (name: string): CodecProvider => ({ ...jsCodec, name })

function unavailable(code: string, message = 'why'): () => Promise<CodecProvider> {
  const cause = Object.assign(new Error(message), { code })
  return () => Promise.reject(new CodecError('CODEC_UNAVAILABLE', 'not here', { cause }))
}

/** Loaders that all work, but for those given; and the warnings that were shown. */
function loadersWith(changes: Partial<CodecLoaders>): {
  loaders: CodecLoaders
  warnings: string[]
} {
  const warnings: string[] = []
  const loaders = {
    native: () => Promise.resolve(provider('native')),
    wasm: () => Promise.resolve(provider('wasm')),
    js: () => Promise.resolve(provider('js')),
    warn: (message: string) => void warnings.push(message),
    ...changes,
  }
  return { loaders, warnings }
}

describe('choosing a codec', () => {
  it.each(['native', 'wasm', 'js'])('gives %s when asked for it', async (name) => {
    const { loaders } = loadersWith({})
    expect((await chooseCodec(name, loaders)).name).toBe(name)
  })

  it('gives native, then wasm, then js', async () => {
    const noNative = { native: unavailable('NATIVE_ABSENT') }
    const neither = { ...noNative, wasm: unavailable('NO_SIMD') }
    for (const [changes, expected] of [
      [{}, 'native'],
      [noNative, 'wasm'],
      [neither, 'js'],
    ] as const) {
      const { loaders, warnings } = loadersWith(changes)
      expect((await chooseCodec('auto', loaders)).name).toBe(expected)
      expect(warnings).toEqual([])
    }
  })

  it('says nothing of a package that is not installed', async () => {
    const { loaders, warnings } = loadersWith({ native: unavailable('ERR_MODULE_NOT_FOUND') })
    expect((await chooseCodec('auto', loaders)).name).toBe('wasm')
    expect(warnings).toEqual([])
  })

  it('warns of an addon that is broken, with the reason', async () => {
    const { loaders, warnings } = loadersWith({ native: unavailable('NATIVE_BROKEN', 'bad ELF') })
    expect((await chooseCodec('auto', loaders)).name).toBe('wasm')
    expect(warnings).toEqual(['the native codec is broken, a slower one is used: Error: bad ELF'])
  })

  it.each(['native', 'wasm'])('throws when %s is asked for and is not there', async (name) => {
    const { loaders } = loadersWith({ [name]: unavailable('NATIVE_ABSENT') })
    await expect(chooseCodec(name, loaders)).rejects.toMatchObject({ code: 'CODEC_UNAVAILABLE' })
  })

  it.each(['', 'Native', 'gpu', 'constructor', 'warn'])('refuses the name "%s"', async (name) => {
    const { loaders } = loadersWith({})
    await expect(chooseCodec(name, loaders)).rejects.toSatisfy((error) =>
      isCodecError(error, 'CODEC_UNKNOWN_PROVIDER'),
    )
  })
})

describe('loadCodec', () => {
  it('gives one provider of each name', async () => {
    expect(await loadCodec('js')).toBe(jsCodec)
    expect(await loadCodec('wasm')).toBe(await loadCodec('wasm'))
    expect((await loadWasmCodec()).capabilities).toEqual({ threaded: false, kernel: 'simd128' })
  })

  it('gives the addon where it is built', async ({ skip }) => {
    if (addon === undefined) skip('the addon is not built')
    const codec = await loadCodec('auto')
    expect(codec.name).toBe('native')
    expect(codec.capabilities).toEqual({ threaded: true, kernel: addon!.kernel })
  })

  it('follows LAFS_CODEC', async () => {
    const before = process.env['LAFS_CODEC']
    try {
      process.env['LAFS_CODEC'] = 'js'
      expect((await loadCodec()).name).toBe('js')
      process.env['LAFS_CODEC'] = 'abacus'
      await expect(loadCodec()).rejects.toMatchObject({ code: 'CODEC_UNKNOWN_PROVIDER' })
    } finally {
      if (before === undefined) delete process.env['LAFS_CODEC']
      else process.env['LAFS_CODEC'] = before
    }
  })
})

describe('the addon package', () => {
  const native = fileURLToPath(new URL('../../../native/lafs-native/', import.meta.url))

  /** The code that load() throws in a copy of the package that holds these files besides. */
  function codeOfLoad(script: string): string {
    const program = `
      import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
      import { tmpdir } from 'node:os'
      import { join } from 'node:path'
      const folder = mkdtempSync(join(tmpdir(), 'lafs-native-'))
      const native = ${JSON.stringify(native)}
      for (const file of ['index.js', 'package.json']) cpSync(native + file, join(folder, file))
      symlinkSync(native + 'node_modules', join(folder, 'node_modules'))
      ${script}
      const { load } = await import(join(folder, 'index.js'))
      try { load() } catch (error) { console.log(error.code, error.cause.constructor.name) }
      rmSync(folder, { recursive: true })`
    const args = ['--input-type=module', '-e', program]
    return execFileSync(process.execPath, args, { encoding: 'utf8' }).trim()
  }

  it('tells an absent build from a broken one', () => {
    expect(codeOfLoad('')).toBe('NATIVE_ABSENT Error')
    const broken = `
      mkdirSync(join(folder, 'build/Release'), { recursive: true })
      writeFileSync(join(folder, 'build/Release/lafs_native.node'), 'no addon')`
    expect(codeOfLoad(broken)).toBe('NATIVE_BROKEN Error')
  })
})
