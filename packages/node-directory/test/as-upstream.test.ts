import { loadVectors } from '@lafs/vectors'
import { describe, expect, it } from 'vitest'
import { checkTahoeCfg } from '../src/known-options.ts'
import { nodeConfig } from '../src/node-config.ts'
import type { NodeConfig } from '../src/node-config.ts'
import { parseTahoeCfg } from '../src/tahoe-cfg.ts'

interface Recorded {
  readonly text: string
  readonly facts?: {
    readonly nickname: string
    readonly 'web.port': string | null
    readonly tub: readonly [port: string, location: string] | null
    readonly storage: boolean
    readonly anonymous: boolean
    readonly readonly: boolean
  }
  readonly error?: string
}

const { known, cases, sizes } = await loadVectors<{
  known: [string, string[]][]
  cases: Recorded[]
  sizes: [string, number | null][]
}>('node-directory/node-config')

/** The port that upstream found free. */
const FREE_PORT = 12345

function configOf(text: string): NodeConfig {
  const cfg = parseTahoeCfg(text)
  checkTahoeCfg(cfg)
  return nodeConfig(cfg, '/node')
}

describe('checkTahoeCfg', () => {
  it.each(known)('knows what upstream knows in [%s], and nothing else', (section, options) => {
    const all = options.map((option) => `${option} = 1\n`).join('')
    expect(() => checkTahoeCfg(parseTahoeCfg(`[${section}]\n${all}`))).not.toThrow()
    const wrong = (): void => checkTahoeCfg(parseTahoeCfg(`[${section}]\nwrong = 1\n`))
    expect(wrong).toThrow(`in [${section}], which has ${options.join(', ')}`)
  })
})

describe('nodeConfig', () => {
  it.each(cases.filter(({ facts }) => facts !== undefined))(
    'reads what upstream reads: $text',
    ({ text, facts }) => {
      const config = configOf(text)
      const { storage } = config
      expect(config.nickname).toBe(facts?.nickname)
      expect(config.web === undefined).toBe((facts?.['web.port'] ?? '') === '')
      expect(storage !== undefined).toBe(facts?.storage)
      if (storage === undefined) return
      expect(storage.anonymous).toBe(facts?.anonymous)
      expect(storage.readonly).toBe(facts?.readonly)
      const [port = '', location = ''] = facts?.tub ?? []
      const ports = port.split(',').map((one) => Number(/^tcp:(\d+)/.exec(one)?.[1]))
      expect(storage.tub.listen?.map((one) => one.port) ?? [FREE_PORT]).toEqual(ports)
      const own = `tcp:192.0.2.1:${ports[0]}`
      const locations = storage.tub.locations.map((one) => (one === 'AUTO' ? own : one))
      expect(locations.join()).toBe(location)
    },
  )

  it.each(cases.filter(({ error }) => error !== undefined))(
    'refuses what upstream refuses ($error): $text',
    ({ text, error }) => {
      const code = error === 'UnknownConfigError' ? 'NODEDIR_UNKNOWN_OPTION' : 'NODEDIR_BAD_CONFIG'
      expect(() => configOf(text)).toThrow(expect.objectContaining({ code }))
    },
  )

  it.each(sizes)('reads %j as a size as upstream does', (text, bytes) => {
    const read = (): unknown =>
      configOf(`[storage]\nreserved_space = ${text}\n`).storage?.reservedSpace
    // No number here counts the bytes of an exabyte one by one.
    if (bytes === null || !Number.isSafeInteger(bytes)) expect(read).toThrow('a size such as 1G')
    else expect(read()).toBe(bytes)
  })
})
