/**
 * What both sides offer, best first: AES-128-GCM is the fastest with AES instructions, which nearly
 * everything has. The last line is for peers that speak TLS 1.2 only.
 */
export const CIPHERS: string = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'ECDHE+AESGCM',
  'ECDHE+CHACHA20',
].join(':')

export const MIN_VERSION = 'TLSv1.2'

/** How much a socket takes before it says that it is full. */
export const HIGH_WATER_MARK: number = 1024 * 1024
