import { rsaPrivateKeyFromPem } from '@lafs/crypto'
import { toHex } from '@lafs/vectors'
import { describe, expect, it } from 'vitest'
import { rsaVectors } from './rsa-suite.ts'

const [first] = rsaVectors.pems
if (first === undefined) throw new Error('no PEM files recorded')
const good = first.pem
const body = good.split('\n').slice(1, -2).join('\n')

function pem(label: string, content: string): string {
  return `-----BEGIN ${label}-----\n${content}\n-----END ${label}-----\n`
}

const bad: [string, string, string][] = [
  ['nothing', '', 'got none'],
  ['a key without its lines', body, 'got none'],
  ['a public key', pem('PUBLIC KEY', body), 'got "PUBLIC KEY"'],
  ['an encrypted key', pem('ENCRYPTED PRIVATE KEY', body), 'got "ENCRYPTED PRIVATE KEY"'],
  [
    'an encrypted key of the old kind',
    pem('RSA PRIVATE KEY', `Proc-Type: 4,ENCRYPTED\nDEK-Info: AES\n\n${body}`),
    'got "RSA PRIVATE KEY"',
  ],
  ['a header', pem('RSA PRIVATE KEY', `Comment: none\n\n${body}`), 'encrypted keys are not read'],
  ['a key for OpenSSH', pem('OPENSSH PRIVATE KEY', body), 'got "OPENSSH PRIVATE KEY"'],
  ['a key on a curve', pem('EC PRIVATE KEY', body), 'got "EC PRIVATE KEY"'],
  ['another end', good.replace('END PRIVATE', 'END RSA PRIVATE'), 'got "PRIVATE KEY"'],
  ['no end', good.replace('END', 'XXX'), 'got "PRIVATE KEY"'],
  ['no base64', pem('PRIVATE KEY', '!!!!'), 'base64'],
  ['base64 of nothing', pem('PRIVATE KEY', ''), 'more bytes'],
  ['a key of the other kind', pem('RSA PRIVATE KEY', body), 'INTEGER'],
  ['half a key', pem('PRIVATE KEY', body.slice(0, 800)), 'lengths'],
]

describe('PEM', () => {
  it.each(rsaVectors.pems)(
    'gives the DER that upstream makes of $name',
    ({ pem: text, privateDer }) => {
      expect(toHex(rsaPrivateKeyFromPem(text))).toBe(privateDer)
      expect(toHex(rsaPrivateKeyFromPem(text.replaceAll('\n', '\r\n')))).toBe(privateDer)
      expect(toHex(rsaPrivateKeyFromPem(`# a key\n\n${text}\nend`))).toBe(privateDer)
    },
  )

  it.each(bad)('refuses %s', (_, text, message) => {
    expect(() => rsaPrivateKeyFromPem(text)).toThrow(
      expect.objectContaining({
        code: 'ENCODING_BAD_KEY',
        message: expect.stringContaining(message),
      }),
    )
  })

  it('takes a long text without a key quickly', () => {
    const text = '-----BEGIN PRIVATE KEY-----'.repeat(20_000)
    expect(() => rsaPrivateKeyFromPem(text)).toThrow('RSA key')
  })
})
