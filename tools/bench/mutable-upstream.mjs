// Times mutable files and directories through the web API of upstream's client.
import { measure } from './mutable-operations.mjs'

/** @returns the medians of {@link measure}. */
export function measureUpstream(webUrl) {
  const request = async (method, path, body, headers = {}) => {
    const response = await fetch(new URL(path, webUrl), { method, body, headers })
    const data = new Uint8Array(await response.arrayBuffer())
    if (!response.ok) throw new Error(`upstream said ${response.status} to ${method}`)
    return data
  }
  const text = async (...args) => new TextDecoder().decode(await request(...args)).trim()
  const uri = (cap) => `uri/${encodeURIComponent(cap)}`
  return measure({
    createFile: (data, format) => text('PUT', `uri?format=${format}`, data),
    overwrite: (cap, data) => request('PUT', uri(cap), data),
    read: (cap) => request('GET', uri(cap)),
    readRange: (cap, offset, size) =>
      request('GET', uri(cap), undefined, { range: `bytes=${offset}-${offset + size - 1}` }),
    patch: (cap, offset, data) => request('PUT', `${uri(cap)}?offset=${offset}`, data),
    createDirectory: () => text('POST', 'uri?t=mkdir'),
    addChild: (directory, name, cap) =>
      request('PUT', `${uri(directory)}/${encodeURIComponent(name)}?t=uri`, cap),
    addChildren: (directory, caps) => {
      const entries = [...caps].map(([name, cap]) => [name, ['filenode', { ro_uri: cap }]])
      const body = JSON.stringify(Object.fromEntries(entries))
      return request('POST', `${uri(directory)}?t=set_children`, body)
    },
    countChildren: async (directory) => {
      const [, { children }] = JSON.parse(await text('GET', `${uri(directory)}?t=json`))
      return Object.keys(children).length
    },
  })
}
