import { describe, expect, it } from 'vitest'
import { findAccount, parseAccounts } from '../src/accounts.ts'
import { isSftpError } from '../src/errors.ts'

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGNvvp+Ff3uHMEScZN2w5Ev1nnCLYn1CmXPBrnlNyBhd'
const OTHER = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPRCHEpfBhzLrfXSBbiR1Wt0RTx4sbHHfmV9WkHwl3/a'
const CAP =
  'URI:DIR2:ovjy4yhylqlfoqg2vcze36dhde:4d4f47qko2xm5g7osgo2yyidi5m4muyo2vjjy53q4vjju2u55mfa'

describe('parseAccounts', () => {
  it('reads names, keys with and without comments, and caps', () => {
    const text = `\uFEFF# a comment\r\n\r\n carol ${KEY} ${CAP}\r\nalice\t${KEY} one comment ${CAP}\n`
    expect(parseAccounts(text).map(({ name, rootCap }) => [name, rootCap])).toEqual([
      ['carol', CAP],
      ['alice', CAP],
    ])
  })

  it('tells accounts apart by name and key', () => {
    const accounts = parseAccounts(
      `carol ${KEY} ${CAP}\ncarol ${OTHER} ${CAP}\ndave ${OTHER} ${CAP}`,
    )
    const [first, second] = accounts.map(({ publicKey }) => publicKey.getPublicSSH())
    if (first === undefined || second === undefined) throw new Error('expected two keys')
    expect(findAccount(accounts, 'carol', first)).toBe(accounts[0])
    expect(findAccount(accounts, 'carol', second)).toBe(accounts[1])
    expect(findAccount(accounts, 'dave', first)).toBeUndefined()
    expect(findAccount(accounts, '', first)).toBeUndefined()
    expect(findAccount(accounts, 'carol', new Uint8Array())).toBeUndefined()
  })

  it.each([
    ['a name alone', 'carol'],
    ['a password', `carol hunter2 ${CAP}`],
    ['no cap', `carol ${KEY}`],
    ['no key', `carol ssh-ed25519 ${CAP}`],
    ['a key that is cut off', `carol ${KEY.slice(0, 40)} ${CAP}`],
    ['a key of another type than it says', `carol ${KEY.replace('ssh-ed25519', 'ssh-rsa')} ${CAP}`],
    ['a cap that is cut off', `carol ${KEY} ${CAP.slice(0, 30)}`],
    ['the cap of a file', `carol ${KEY} URI:LIT:`],
  ])('refuses %s, with its line and nothing of it', (_what, line) => {
    let caught: unknown
    try {
      parseAccounts(`# first\n${line}\n`)
    } catch (error) {
      caught = error
    }
    if (!isSftpError(caught, 'SFTP_BAD_ACCOUNT')) throw new Error('expected SFTP_BAD_ACCOUNT')
    expect(caught.message).toContain('line 2')
    expect(caught.message).not.toMatch(/URI|AAAA|hunter2/)
  })
})
