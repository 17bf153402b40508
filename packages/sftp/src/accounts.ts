import { DirectoryCap, parseCap } from '@lafs/uri'
import ssh2 from 'ssh2'
import type { ParsedKey } from 'ssh2'
import { SftpError } from './errors.ts'

/** Who may log in: by which key, and to which directory. */
export interface Account {
  readonly name: string
  readonly publicKey: ParsedKey
  /** The text of the directory's cap: a secret. */
  readonly rootCap: string
}

/**
 * Reads an accounts file: lines `NAME KEY-TYPE KEY [COMMENT] CAP`; empty ones and those that begin with `#`
 * are nothing. One name may stand in several lines, each with another key.
 *
 * @throws {@link SftpError} `SFTP_BAD_ACCOUNT`, naming the line.
 * @see Tahoe-LAFS docs/frontends/FTP-and-SFTP.rst; allmydata.frontends.auth.load_account_file
 */
export function parseAccounts(text: string): Account[] {
  return text
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\n|\r/)
    .flatMap((line, index) => {
      const words = line.trim().split(/\s+/)
      return words[0] === '' || words[0]?.startsWith('#') === true
        ? []
        : [parseAccount(words, index + 1)]
    })
}

function parseAccount(words: readonly string[], line: number): Account {
  const bad = (expected: string): SftpError =>
    new SftpError('SFTP_BAD_ACCOUNT', `accounts file line ${line}: expected ${expected}`)
  const [name = '', type = '', ...rest] = words
  const rootCap = rest.at(-1)
  if (rootCap === undefined || rest.length < 2) throw bad('"NAME KEY-TYPE KEY CAP"')
  if (!/^(ssh|ecdsa)-/.test(type)) {
    throw bad('the type of a public key, such as ssh-ed25519; there are no passwords')
  }
  const publicKey = ssh2.utils.parseKey(`${type} ${rest.slice(0, -1).join(' ')}`)
  if (publicKey instanceof Error || publicKey.isPrivateKey()) throw bad('a public key of OpenSSH')
  if (!(parseCap(rootCap) instanceof DirectoryCap)) throw bad('the cap of a directory at the end')
  return { name, publicKey, rootCap }
}

/** The account that a name and the bytes of a public key belong to; undefined where there is none. */
export function findAccount(
  accounts: readonly Account[],
  name: string,
  publicKey: Uint8Array,
): Account | undefined {
  return accounts.find(
    (account) => account.name === name && account.publicKey.getPublicSSH().equals(publicKey),
  )
}
