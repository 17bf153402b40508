import { loadVectors } from '@lafs/vectors'
import { describe, expect, it } from 'vitest'
import { isNodeDirectoryError } from '../src/errors.ts'
import { parseTahoeCfg, tahoeCfgOption } from '../src/tahoe-cfg.ts'

interface RecordedFile {
  readonly text: string
  readonly options?: readonly (readonly [string, string, string | null])[]
  readonly error?: string
}

const { files } = await loadVectors<{ files: RecordedFile[] }>('client/tahoe-cfg')

function valueOrNull(text: string, section: string, option: string): string | null | undefined {
  try {
    return tahoeCfgOption(parseTahoeCfg(text), section, option)
  } catch (error) {
    if (isNodeDirectoryError(error, 'NODEDIR_BAD_CONFIG')) return null
    throw error
  }
}

describe('parseTahoeCfg', () => {
  it.each(files.filter((file) => file.options !== undefined))(
    'reads what upstream reads: $text',
    ({ text, options = [] }) => {
      const ours = options.map(([section, option]) => [
        section,
        option,
        valueOrNull(text, section, option),
      ])
      expect(ours).toEqual(options)
      const names = [...parseTahoeCfg(text)].flatMap(([section, { options: values }]) =>
        [...values.keys()].map((option) => [section, option]),
      )
      expect(names).toEqual(options.map(([section, option]) => [section, option]))
    },
  )

  it.each(files.filter((file) => file.error !== undefined))(
    'refuses what upstream refuses ($error): $text',
    ({ text }) => {
      let caught: unknown
      try {
        parseTahoeCfg(text)
      } catch (error) {
        caught = error
      }
      expect(isNodeDirectoryError(caught, 'NODEDIR_BAD_CONFIG')).toBe(true)
    },
  )

  it('has nothing to say of what is not there', () => {
    const cfg = parseTahoeCfg('[client]\na = 1\n')
    expect(tahoeCfgOption(cfg, 'client', 'b')).toBeUndefined()
    expect(tahoeCfgOption(cfg, 'node', 'a')).toBeUndefined()
  })
})
