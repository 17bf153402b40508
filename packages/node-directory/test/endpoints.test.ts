import { describe, expect, it } from 'vitest'
import { parseEndpoint } from '../src/endpoints.ts'

describe('parseEndpoint', () => {
  it.each([
    ['3456', 'tcp', 3456, undefined],
    ['0', 'tcp', 0, undefined],
    ['tcp:3456', 'tcp', 3456, undefined],
    ['tcp:port=3456', 'tcp', 3456, undefined],
    ['tcp:3456:interface=127.0.0.1', 'tcp', 3456, '127.0.0.1'],
    ['tcp:interface=127.0.0.1:port=3456:backlog=50', 'tcp', 3456, '127.0.0.1'],
    ['tcp:3456:interface=', 'tcp', 3456, undefined],
    [String.raw`tcp6:3456:interface=\:\:1`, 'tcp6', 3456, '::1'],
    ['ssl:3456:privateKey=a.pem', 'ssl', undefined, undefined],
    ['unix:/run/lafs/web', 'unix', undefined, undefined],
    ['systemd:domain=INET:index=0', 'systemd', undefined, undefined],
  ])('reads %j', (text, kind, port, host) => {
    expect(parseEndpoint(text)).toEqual({ kind, port, host })
  })

  it.each([
    '',
    ':',
    'tcp',
    'tcp:',
    'web',
    'tcp:web',
    'tcp:-1',
    'tcp:65536',
    'tcp:123456',
    'tcp:1.5',
    'TCP:3456',
    '127.0.0.1:3456',
    String.raw`tcp\:3456`,
  ])('refuses %j', (text) => {
    expect(parseEndpoint(text)).toBeUndefined()
  })
})
