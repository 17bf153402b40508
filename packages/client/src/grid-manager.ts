import {
  defaultCrypto,
  EncodingError,
  fromBase32,
  stringFromVerifyingKey,
  verifyingKeyFromString,
} from '@lafs/crypto'
import type { CryptoProvider } from '@lafs/crypto'
import type { ServerDescription } from './announcement.ts'

/** A grid manager's word on a storage server, as it stands in announcements and files. */
export interface SignedCertificate {
  /** JSON with the fields of {@link ServerCertificate}; its bytes in UTF-8 are what is signed. */
  readonly certificate: string
  /** Base32 of an Ed25519 signature. */
  readonly signature: string
}

/** What a grid manager says of a storage server. */
export interface ServerCertificate {
  /** `pub-v0-…` */
  readonly publicKey: string
  /** As it stands: a date and a time in ISO 8601. */
  readonly expires: string
  /** Milliseconds since 1970. */
  readonly expiresMs: number
}

/** A date and a time with its zone, as Python's isoformat writes them. */
const ISO_TIME =
  /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.(?:\d{3}|\d{6}))?)?(?:Z|[+-]\d{2}:\d{2})$/

/**
 * What a certificate says, if this grid manager has signed it. Whether it has expired is for the caller.
 *
 * @param value - anything, such as a part of an announcement.
 * @returns undefined for anything but a certificate of version 1 with a good signature.
 * @see allmydata.grid_manager.validate_grid_manager_certificate
 */
export function readServerCertificate(
  value: unknown,
  managerPublicKey: Uint8Array,
  crypto: CryptoProvider = defaultCrypto,
): ServerCertificate | undefined {
  if (!isSignedCertificate(value)) return undefined
  const message = new TextEncoder().encode(value.certificate)
  const signature = signatureBytes(value.signature)
  if (signature === undefined) return undefined
  if (!crypto.ed25519Verify(managerPublicKey, signature, message)) return undefined
  return parseCertificate(value.certificate)
}

/** Whether a value has the shape of a {@link SignedCertificate}. */
export function isSignedCertificate(value: unknown): value is SignedCertificate {
  if (typeof value !== 'object' || value === null) return false
  const { certificate, signature } = value as Partial<SignedCertificate>
  return typeof certificate === 'string' && typeof signature === 'string'
}

/**
 * Whether shares may go to a server now: without grid managers always; with some while one of them has
 * signed a certificate for the server's key that has not expired. Signatures are looked at once.
 *
 * @param managerPublicKeys - 32 bytes each.
 * @param now - milliseconds since 1970.
 * @see allmydata.grid_manager.create_grid_manager_verifier
 */
export function uploadGate(
  { serverId, announcement }: ServerDescription,
  managerPublicKeys: readonly Uint8Array[],
  now: () => number,
  crypto: CryptoProvider = defaultCrypto,
): () => boolean {
  if (managerPublicKeys.length === 0) return () => true
  const field = announcement['grid-manager-certificates']
  const alleged: readonly unknown[] = Array.isArray(field) ? field : []
  const certificates = alleged
    .flatMap((value) => managerPublicKeys.map((key) => readServerCertificate(value, key, crypto)))
    .filter((certificate) => certificate !== undefined)
    .filter(({ publicKey }) => publicKey === `pub-${serverId}`)
  return () => certificates.some(({ expiresMs }) => expiresMs > now())
}

function parseCertificate(text: string): ServerCertificate | undefined {
  let fields: unknown
  try {
    fields = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof fields !== 'object' || fields === null) return undefined
  const { version, expires, public_key: publicKey } = fields as Readonly<Record<string, unknown>>
  if (version !== 1 || typeof expires !== 'string' || !ISO_TIME.test(expires)) return undefined
  const expiresMs = Date.parse(expires.replace(' ', 'T'))
  if (Number.isNaN(expiresMs) || typeof publicKey !== 'string' || !isPublicKey(publicKey)) {
    return undefined
  }
  return { publicKey, expires, expiresMs }
}

function isPublicKey(text: string): boolean {
  try {
    return stringFromVerifyingKey(verifyingKeyFromString(text)) === text
  } catch (error) {
    if (error instanceof EncodingError) return false
    throw error
  }
}

function signatureBytes(text: string): Uint8Array | undefined {
  try {
    const bytes = fromBase32(text)
    return bytes.length === 64 ? bytes : undefined
  } catch (error) {
    if (error instanceof EncodingError) return undefined
    throw error
  }
}
