import { fromBase32, toBase32 } from '@lafs/crypto'
import { FURL_SIZE_MAX, NODE_ID_SIZE, StorageError } from '@lafs/storage-interface'

/** A Foolscap reference. Holds a secret: never to be logged. */
export interface Furl {
  /** The 20 bytes that lease secrets and write enablers derive from, whatever the transport. */
  readonly tubId: Uint8Array
  /** Where the tub may be reached, such as `tcp:example.org:3457`. May be empty. */
  readonly hints: readonly string[]
  /** The secret that names the object within its tub. */
  readonly swissnum: string
}

/**
 * Reads a FURL, `pb://TUBID@HINT,HINT/SWISSNUM`.
 *
 * @throws {@link StorageError} `STORAGE_BAD_ANNOUNCEMENT`; its message never holds the text.
 * @see foolscap.furl.decode_furl
 */
export function parseFurl(text: string): Furl {
  if (text.length > FURL_SIZE_MAX) throw bad(`more than ${FURL_SIZE_MAX} characters`)
  const match = /^pb:\/\/([^@]+)@([^/]*)\/(.+)$/.exec(text)
  if (match === null) throw bad('expected pb://TUBID@HINTS/SWISSNUM, got another form')
  const [, tubId = '', hints = '', swissnum = ''] = match
  const hintList = hints === '' ? [] : hints.split(',')
  if (hintList.includes('')) throw bad('an empty connection hint')
  return { tubId: parseTubId(tubId), hints: hintList, swissnum }
}

/** The text of a FURL. Holds a secret. */
export function formatFurl(furl: Furl): string {
  return `pb://${toBase32(furl.tubId)}@${furl.hints.join(',')}/${furl.swissnum}`
}

function parseTubId(text: string): Uint8Array {
  let tubId: Uint8Array | undefined
  try {
    tubId = fromBase32(text.toLowerCase())
  } catch {
    tubId = undefined
  }
  if (tubId?.length !== NODE_ID_SIZE) throw bad('expected a TubID of 32 base32 characters')
  return tubId
}

function bad(what: string): StorageError {
  return new StorageError('STORAGE_BAD_ANNOUNCEMENT', `FURL: ${what}`)
}
