import { loadVectors } from '@lafs/vectors'
import { describe, expect, it } from 'vitest'
import { ClientError } from '../src/errors.ts'
import { formatServersYaml, parseServersYaml } from '../src/servers-yaml.ts'

interface RecordedFile {
  readonly text: string
  readonly servers: readonly (readonly [string, Record<string, unknown>])[]
}

const { files } = await loadVectors<{ files: RecordedFile[] }>('client/servers-yaml')

function failure(text: string): ClientError {
  try {
    parseServersYaml(text)
  } catch (error) {
    if (error instanceof ClientError) return error
    throw error
  }
  throw new Error('expected a failure')
}

describe('parseServersYaml', () => {
  it.each(files)('reads what upstream reads: $text', ({ text, servers }) => {
    expect(parseServersYaml(text).map((one) => [one.serverId, one.announcement])).toEqual(servers)
  })

  it.each(['', '# only a comment\n', 'storage:\n'])('finds no servers in %j', (text) => {
    expect(parseServersYaml(text)).toEqual([])
  })

  it('makes text of a nickname that YAML takes for something else', () => {
    const [server] = parseServersYaml('storage: {v0-a: {ann: {nickname: 007}}}')
    expect(server?.announcement.nickname).toBe('7')
  })

  it.each([
    ['CLIENT_SERVERS_YAML_SYNTAX', 'storage: [unclosed pb://secret', undefined],
    ['CLIENT_SERVERS_YAML_SYNTAX', 'a: b: c', undefined],
    ['CLIENT_SERVERS_YAML_SYNTAX', '\tstorage: {}', undefined],
    ['CLIENT_SERVERS_YAML_SYNTAX', 'storage: {v0-a: {ann: {}}, v0-a: {ann: {}}}', undefined],
    ['CLIENT_SERVERS_YAML_SYNTAX', 'a: *nowhere', undefined],
    ['CLIENT_SERVERS_YAML_BAD_SHAPE', '- a list', 'the file'],
    ['CLIENT_SERVERS_YAML_BAD_SHAPE', 'just text', 'the file'],
    ['CLIENT_SERVERS_YAML_BAD_SHAPE', 'storage: [1, 2]', 'storage'],
    ['CLIENT_SERVERS_YAML_BAD_SHAPE', 'storage: {v0-a: text}', 'storage.v0-a'],
    ['CLIENT_SERVERS_YAML_BAD_SHAPE', 'storage: {v0-a: {}}', 'storage.v0-a.ann'],
    ['CLIENT_SERVERS_YAML_BAD_SHAPE', 'storage: {v0-a: {ann: [x]}}', 'storage.v0-a.ann'],
    [
      'CLIENT_SERVERS_YAML_BAD_FIELD',
      'storage: {v0-a: {ann: {anonymous-storage-FURL: 12}}}',
      'anonymous-storage-FURL',
    ],
    [
      'CLIENT_SERVERS_YAML_BAD_FIELD',
      'storage: {v0-a: {ann: {anonymous-storage-NURLs: pb://secret}}}',
      'anonymous-storage-NURLs',
    ],
    [
      'CLIENT_SERVERS_YAML_BAD_FIELD',
      'storage: {v0-a: {ann: {anonymous-storage-NURLs: [1]}}}',
      'anonymous-storage-NURLs',
    ],
    [
      'CLIENT_SERVERS_YAML_BAD_FIELD',
      'storage: {v0-a: {ann: {permutation-seed-base32: [x]}}}',
      'permutation-seed-base32',
    ],
  ])('%s: %s', (code, text, place) => {
    const error = failure(text)
    expect(error.code).toBe(code)
    expect(error.message).toContain(place ?? 'servers.yaml')
    expect(`${error.message} ${String(error.cause)}`).not.toContain('secret')
  })

  it('reads back what formatServersYaml writes', () => {
    const servers = files.flatMap(({ text }) => parseServersYaml(text))
    const unique = [...new Map(servers.map((one) => [one.serverId, one])).values()]
    const sorted = unique.toSorted((a, b) => (a.serverId < b.serverId ? -1 : 1))
    expect(parseServersYaml(formatServersYaml(unique))).toEqual(sorted)
  })
})
