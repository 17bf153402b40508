import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from 'node:crypto'
import { toBase32 } from '@lafs/crypto'

/** What makes a server the same server tomorrow. Holds secrets: to be stored where no other may read. */
export interface HttpsIdentity {
  readonly privateKeyPem: string
  readonly certificatePem: string
  /** The secret that lets clients in. */
  readonly swissnum: string
  /** 20 bytes that clients derive lease secrets and write enablers from: it must never change. */
  readonly tubId: Uint8Array
}

const SWISSNUM_SIZE = 20

/** Makes a new identity: a P-256 key, a certificate that it signs itself, a TubID and a swissnum. */
export function createHttpsIdentity(): HttpsIdentity {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const certificate = selfSignedCertificate(privateKey)
  return {
    privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    certificatePem: pem('CERTIFICATE', certificate),
    swissnum: toBase32(randomBytes(SWISSNUM_SIZE)),
    tubId: tubIdOf(certificate),
  }
}

/**
 * The identity of a server whose key and certificate are there already, such as a Foolscap tub's
 * `node.pem`.
 *
 * @throws Error of node:crypto when a text is no key, no certificate, or they do not belong together.
 */
export function httpsIdentityFromPem(options: {
  readonly privateKeyPem: string
  readonly certificatePem: string
  readonly swissnum: string
}): HttpsIdentity {
  const certificate = new X509Certificate(options.certificatePem)
  if (!certificate.checkPrivateKey(createPrivateKey(options.privateKeyPem))) {
    throw new Error('the private key is not that of the certificate')
  }
  return { ...options, tubId: tubIdOf(certificate.raw) }
}

/**
 * The pin of a certificate: base64url of the SHA-256 of its SubjectPublicKeyInfo.
 *
 * @see RFC 7469, section 2.4; allmydata.storage.http_common.get_spki_hash
 */
export function spkiHashOf(certificate: X509Certificate): string {
  const spki = certificate.publicKey.export({ type: 'spki', format: 'der' })
  return createHash('sha256').update(spki).digest('base64url')
}

/** A TubID is the SHA-1 of the certificate. @see foolscap.crypto */
function tubIdOf(certificateDer: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha1').update(certificateDer).digest())
}

// DER: each value is tag, length, content.
function der(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const size = contents.reduce((sum, content) => sum + content.length, 0)
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 255]
  const value = new Uint8Array(1 + length.length + size)
  value.set([tag, ...length])
  let offset = 1 + length.length
  for (const content of contents) {
    value.set(content, offset)
    offset += content.length
  }
  return value
}

const SEQUENCE = 0x30
const ascii = new TextEncoder()
/** AlgorithmIdentifier of ecdsa-with-SHA256, 1.2.840.10045.4.3.2. */
const ECDSA_WITH_SHA256 = der(
  SEQUENCE,
  der(0x06, Uint8Array.of(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02)),
)
/** Name with one commonName (2.5.4.3): nobody reads it. */
const NAME = der(
  SEQUENCE,
  der(
    0x31,
    der(SEQUENCE, der(0x06, Uint8Array.of(0x55, 0x04, 0x03)), der(0x0c, ascii.encode('lafs'))),
  ),
)
/** Ever: the pin is all that clients check. RFC 5280, 4.1.2.5: years past 2049 as GeneralizedTime. */
const VALIDITY = der(
  SEQUENCE,
  der(0x17, ascii.encode('200101000000Z')),
  der(0x18, ascii.encode('99991231235959Z')),
)

/** An X.509 version 1 certificate (no extensions) in DER, RFC 5280 section 4.1. */
function selfSignedCertificate(privateKey: KeyObject): Uint8Array {
  const spki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' })
  const serialNumber = randomBytes(16)
  // A positive INTEGER without a leading zero byte.
  serialNumber[0] = ((serialNumber[0] ?? 0) & 0x7f) | 0x40
  const tbsCertificate = der(
    SEQUENCE,
    der(0x02, serialNumber),
    ECDSA_WITH_SHA256,
    NAME,
    VALIDITY,
    NAME,
    spki,
  )
  const signature = sign('sha256', tbsCertificate, privateKey)
  return der(SEQUENCE, tbsCertificate, ECDSA_WITH_SHA256, der(0x03, Uint8Array.of(0), signature))
}

function pem(label: string, bytes: Uint8Array): string {
  const base64 = btoa(String.fromCharCode(...bytes))
  const lines = base64.match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}
