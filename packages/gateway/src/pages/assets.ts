import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { GatewayRequest, GatewayResponse } from '../exchange.ts'

const TYPES = {
  'app.css': 'text/css; charset=utf-8',
  'app.js': 'text/javascript; charset=utf-8',
  'icon.svg': 'image/svg+xml',
} as const

type AssetName = keyof typeof TYPES

interface Asset {
  readonly body: Uint8Array
  readonly etag: string
}

const loaded = new Map<AssetName, Asset>()

/** A file that the pages are made with, of `/assets/NAME`; undefined where there is none of that name. */
export function asset(request: GatewayRequest, name: string): GatewayResponse | undefined {
  if (!Object.hasOwn(TYPES, name)) return undefined
  const known = name as AssetName
  const { body, etag } = load(known)
  const headers = [
    ['content-type', TYPES[known]],
    ['content-security-policy', "default-src 'none'"],
    ['cache-control', 'no-cache'],
    ['etag', etag],
  ] as const
  const fresh = request.headers.get('if-none-match') === etag
  return fresh ? { status: 304, headers, body: new Uint8Array() } : { status: 200, headers, body }
}

function load(name: AssetName): Asset {
  const known = loaded.get(name)
  if (known !== undefined) return known
  const body = new Uint8Array(readFileSync(new URL(`../../assets/${name}`, import.meta.url)))
  const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`
  loaded.set(name, { body, etag })
  return { body, etag }
}
