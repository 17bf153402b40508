import type { Client, MutableFormat } from '@lafs/client'
import { isMutableFileNode } from '@lafs/filesystem-interface'
import type { IMutableFileNode } from '@lafs/filesystem-interface'
import { MDMF_VERSION, SDMF_VERSION } from '@lafs/storage-interface'
import type { UpstreamClient } from './upstream-node.ts'

/** The versions that the formats of mutable files stand for. */
export const mutableVersions: Readonly<Record<MutableFormat, number>> = {
  SDMF: SDMF_VERSION,
  MDMF: MDMF_VERSION,
}

/** What a client of either kind does with mutable files. */
export interface MutableFiles {
  /** @param privateKey - DER of PKCS #8; a fresh key where it is not given. @returns the cap that writes. */
  create(format: MutableFormat, data: Uint8Array, privateKey?: Uint8Array): Promise<string>
  overwrite(cap: string, data: Uint8Array): Promise<void>
  /** Writes the data at an offset of a file that is not empty. */
  update(cap: string, offset: number, data: Uint8Array): Promise<void>
  read(cap: string): Promise<Uint8Array>
  readRange(cap: string, offset: number, size: number): Promise<Uint8Array>
}

/** Mutable files through a client of ours. */
export function ownFiles(client: Client): MutableFiles {
  return {
    create: async (format, data, privateKey) => {
      const version = mutableVersions[format]
      return (await client.createMutableFile(data, { version, privateKey })).uri
    },
    overwrite: async (cap, data) => {
      await mutableNode(client, cap).overwrite(data)
    },
    update: async (cap, offset, data) => {
      const version = await mutableNode(client, cap).bestMutableVersion()
      await version.update(data, offset)
    },
    read: (cap) => mutableNode(client, cap).downloadBestVersion(),
    readRange: async (cap, offset, size) => {
      const version = await mutableNode(client, cap).bestReadableVersion()
      return joined(version.read({ offset, size }))
    },
  }
}

/** Mutable files through upstream's web API. */
export function upstreamFiles(client: UpstreamClient): MutableFiles {
  const put = (path: string, data: Uint8Array): Promise<Uint8Array> =>
    client.web(path, { method: 'PUT', body: data.slice() })
  return {
    create: async (format, data, privateKey) => {
      const key = privateKey === undefined ? '' : `&private-key=${base64Url(privateKey)}`
      return new TextDecoder().decode(await put(`uri?format=${format}${key}`, data))
    },
    overwrite: async (cap, data) => {
      await put(`uri/${encodeURIComponent(cap)}`, data)
    },
    update: async (cap, offset, data) => {
      await put(`uri/${encodeURIComponent(cap)}?offset=${offset}`, data)
    },
    read: (cap) => client.get(cap),
    readRange: (cap, offset, size) =>
      client.web(`uri/${encodeURIComponent(cap)}`, {
        headers: { range: `bytes=${offset}-${offset + size - 1}` },
      }),
  }
}

/**
 * Has upstream verify every bit of every share of a mutable file or directory.
 *
 * @returns what it found wrong, in words; empty for a healthy file.
 */
export async function verifiedByUpstream(client: UpstreamClient, cap: string): Promise<string[]> {
  const path = `uri/${encodeURIComponent(cap)}?t=check&verify=true&output=JSON`
  const text = new TextDecoder().decode(await client.web(path, { method: 'POST' }))
  const { summary, results }: JsonCheck = JSON.parse(text)
  if (results.healthy && results['list-corrupt-shares'].length === 0) return []
  return [summary, ...results['list-corrupt-shares'].map((share) => `corrupt: ${share.join(' ')}`)]
}

interface JsonCheck {
  readonly summary: string
  readonly results: {
    readonly healthy: boolean
    readonly 'list-corrupt-shares': readonly (readonly unknown[])[]
  }
}

/** The node of a mutable file's cap. */
export function mutableNode(client: Client, cap: string): IMutableFileNode {
  const node = client.createNodeFromUri(cap)
  if (!isMutableFileNode(node)) throw new Error(`expected a mutable file, got ${node.kind}`)
  return node
}

async function joined(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const piece of pieces) parts.push(piece)
  return new Uint8Array(await new Blob(parts.map((part) => part.slice())).arrayBuffer())
}

/** Upstream wants base64 for URLs, with its padding. */
function base64Url(data: Uint8Array): string {
  return btoa(String.fromCharCode(...data))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
}
