import { describe, expect, it } from 'vitest'
import { formatFurl, formatNurl, parseFurl, parseNurl } from '../src/index.ts'

const hash = 'JIj6ezHkdSBlHhrnezAgIC_mrVQHy4KAFyL-8ZNPGPM'
const swissnum = 'cgz2kdhfhm7chc2hhm3gjnrcvn3wnz5t'
const tub = 'lan3n5fxsref3kkmxfhvqlzoa7vtmfv6'

describe('NURLs', () => {
  it.each([
    [
      `pb://${hash}@example.org:3457/${swissnum}#v=1`,
      { scheme: 'pb', host: 'example.org', port: 3457 },
    ],
    [`pb://${hash}@127.0.0.1:1/${swissnum}#v=1`, { scheme: 'pb', host: '127.0.0.1', port: 1 }],
    [
      `pb://${hash}@[2001:db8::1]:65535/${swissnum}#v=1`,
      { scheme: 'pb', host: '2001:db8::1', port: 65535 },
    ],
    [
      `pb+tor://${hash}@abc.onion:80/${swissnum}#v=1`,
      { scheme: 'pb+tor', host: 'abc.onion', port: 80 },
    ],
    [
      `pb+i2p://${hash}@abc.i2p:80/${swissnum}#v=1`,
      { scheme: 'pb+i2p', host: 'abc.i2p', port: 80 },
    ],
  ])('%s', (text, expected) => {
    const nurl = parseNurl(text)
    expect(nurl).toEqual({ ...expected, spkiHash: hash, swissnum })
    expect(formatNurl(nurl)).toBe(text)
  })

  it('need no port', () => {
    expect(parseNurl(`pb://${hash}@example.org/${swissnum}#v=1`).port).toBe(443)
  })

  it.each([
    ['nothing', ''],
    ['a FURL', `pb://${tub}@tcp:127.0.0.1:47701/${swissnum}`],
    ['no version', `pb://${hash}@example.org:3457/${swissnum}`],
    ['another version', `pb://${hash}@example.org:3457/${swissnum}#v=2`],
    ['another scheme', `https://${hash}@example.org:3457/${swissnum}#v=1`],
    ['a short hash', `pb://${hash.slice(1)}@example.org:3457/${swissnum}#v=1`],
    ['a hash with bits left over', `pb://${hash.slice(0, -1)}N@example.org:3457/${swissnum}#v=1`],
    ['a padded hash', `pb://${hash}=@example.org:3457/${swissnum}#v=1`],
    ['a hash of base64', `pb://${hash.replace('_', '/')}@example.org:3457/${swissnum}#v=1`],
    ['no host', `pb://${hash}@:3457/${swissnum}#v=1`],
    ['port 0', `pb://${hash}@example.org:0/${swissnum}#v=1`],
    ['port 65536', `pb://${hash}@example.org:65536/${swissnum}#v=1`],
    ['an empty port', `pb://${hash}@example.org:/${swissnum}#v=1`],
    ['a port in words', `pb://${hash}@example.org:http/${swissnum}#v=1`],
    ['IPv6 without brackets', `pb://${hash}@2001:db8::1:80/${swissnum}#v=1`],
    ['no swissnum', `pb://${hash}@example.org:3457/#v=1`],
    ['two segments', `pb://${hash}@example.org:3457/${swissnum}/x#v=1`],
    ['a stray percent sign', `pb://${hash}@example.org:3457/${swissnum}%#v=1`],
    ['too long', `pb://${hash}@example.org:3457/${'a'.repeat(1000)}#v=1`],
  ])('refuses %s and keeps it to itself', (_, text) => {
    const error = failure(() => parseNurl(text))
    expect(error).toMatchObject({ code: 'STORAGE_BAD_ANNOUNCEMENT' })
    expect(String(error)).not.toContain(swissnum)
  })
})

describe('FURLs', () => {
  it.each([
    [`pb://${tub}@tcp:127.0.0.1:47701/${swissnum}`, ['tcp:127.0.0.1:47701']],
    [`pb://${tub}@tcp:a:1,tor:b.onion:2/${swissnum}`, ['tcp:a:1', 'tor:b.onion:2']],
    [`pb://${tub}@/${swissnum}`, []],
  ])('%s', (text, hints) => {
    const furl = parseFurl(text)
    expect(furl).toMatchObject({ hints, swissnum })
    expect(furl.tubId).toHaveLength(20)
    expect(formatFurl(furl)).toBe(text)
  })

  it.each([
    ['nothing', ''],
    ['no TubID', `pb://@tcp:a:1/${swissnum}`],
    ['a short TubID', `pb://${tub.slice(1)}@tcp:a:1/${swissnum}`],
    ['a long TubID', `pb://${tub}aaaaaaaa@tcp:a:1/${swissnum}`],
    ['a TubID that is not base32', `pb://${tub.replace('l', '1')}@tcp:a:1/${swissnum}`],
    ['an empty hint', `pb://${tub}@tcp:a:1,/${swissnum}`],
    ['no swissnum', `pb://${tub}@tcp:a:1/`],
    ['another scheme', `https://${tub}@tcp:a:1/${swissnum}`],
    ['too long', `pb://${tub}@tcp:a:1/${'a'.repeat(1000)}`],
  ])('refuses %s and keeps it to itself', (_, text) => {
    const error = failure(() => parseFurl(text))
    expect(error).toMatchObject({ code: 'STORAGE_BAD_ANNOUNCEMENT' })
    expect(String(error)).not.toContain(swissnum)
  })
})

function failure(operation: () => unknown): unknown {
  try {
    operation()
  } catch (error) {
    return error
  }
  throw new Error('expected an error')
}
