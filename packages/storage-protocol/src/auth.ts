/** The kinds of secret that a request may carry, each named as on the wire. */
export type SecretKind =
  | 'lease-renew-secret'
  | 'lease-cancel-secret'
  | 'upload-secret'
  | 'write-enabler'

const SECRET_KINDS: readonly SecretKind[] = [
  'lease-renew-secret',
  'lease-cancel-secret',
  'upload-secret',
  'write-enabler',
]
const LEASE_SECRET_SIZE = 32

/** The header of the secrets. It stands once a secret: upstream does not split one at commas. */
export const SECRETS_HEADER = 'x-tahoe-authorization'

/** The `Authorization` header of every request. Never to be logged. */
export function formatAuthorization(swissnum: string): string {
  return `Tahoe-LAFS ${toBase64(new TextEncoder().encode(swissnum))}`
}

/** The value of one {@link SECRETS_HEADER}. Never to be logged. */
export function formatSecret(kind: SecretKind, secret: Uint8Array): string {
  return `${kind} ${toBase64(secret)}`
}

/** The secrets of a request, or why they cannot be used (nothing secret in it). */
export type ParsedSecrets =
  | { readonly secrets: ReadonlyMap<SecretKind, Uint8Array>; readonly problem?: undefined }
  | { readonly secrets?: undefined; readonly problem: string }

/**
 * Reads the secrets of a request, which must be exactly those that its route needs.
 *
 * @param header - every value of {@link SECRETS_HEADER}, joined by commas.
 */
export function parseSecrets(
  header: string | null,
  required: readonly SecretKind[],
): ParsedSecrets {
  const secrets = new Map<SecretKind, Uint8Array>()
  for (const value of header === null ? [] : header.split(',')) {
    const [name, base64 = ''] = value.trim().split(' ', 2)
    const kind = SECRET_KINDS.find((known) => known === name)
    if (kind === undefined) return { problem: 'a secret of an unknown kind' }
    const secret = fromBase64(base64)
    if (secret === undefined || secret.length === 0) return { problem: `${kind}: not base64` }
    if (kind.startsWith('lease-') && secret.length !== LEASE_SECRET_SIZE) {
      return { problem: `${kind}: expected ${LEASE_SECRET_SIZE} bytes, got ${secret.length}` }
    }
    secrets.set(kind, secret)
  }
  if (secrets.size !== required.length || required.some((kind) => !secrets.has(kind))) {
    return {
      problem: `expected the secrets [${required.join(', ')}], got [${[...secrets.keys()].join(', ')}]`,
    }
  }
  return { secrets }
}

/** Padded base64 of the standard alphabet. */
function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
}

function fromBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0))
}
