// Times operations through the web API of upstream's client.
import { measure } from './measure.mjs'
import { CHECK_OPERATIONS, warmUpChecks } from './check-operations.mjs'
import { OPERATIONS, warmUp } from './mutable-operations.mjs'

/** Sends requests to the web API. */
function caller(webUrl) {
  const request = async (method, path, body, headers = {}) => {
    const response = await fetch(new URL(path, webUrl), { method, body, headers })
    const data = new Uint8Array(await response.arrayBuffer())
    if (!response.ok) throw new Error(`upstream said ${response.status} to ${method}`)
    return data
  }
  const text = async (...args) => new TextDecoder().decode(await request(...args)).trim()
  const uri = (cap) => `uri/${encodeURIComponent(cap)}`
  return { request, text, uri }
}

/** Times mutable files and directories. @returns the medians of {@link measure}. */
export async function measureMutable(webUrl) {
  const { request, text, uri } = caller(webUrl)
  const store = {
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
  }
  await warmUp(store)
  return measure(store, OPERATIONS)
}

/** Times checks. @returns the medians of {@link measure}. */
export async function measureChecks(webUrl) {
  const { text, uri } = caller(webUrl)
  const query = ({ verify = false, addLease = false }) =>
    `${verify ? '&verify=true' : ''}${addLease ? '&add-lease=true' : ''}`
  const store = {
    upload: (data) => text('PUT', 'uri', data),
    createDirectory: (caps) => {
      const entries = [...caps].map(([name, cap]) => [name, ['filenode', { ro_uri: cap }]])
      const body = JSON.stringify(Object.fromEntries(entries))
      return text('POST', 'uri?t=mkdir-with-children', body)
    },
    check: async (cap, options) => {
      const path = `${uri(cap)}?t=check&output=JSON${query(options)}`
      return JSON.parse(await text('POST', path)).results.healthy
    },
    deepCheck: async (cap, options) => {
      const lines = await text('POST', `${uri(cap)}?t=stream-deep-check${query(options)}`)
      const entries = lines.split('\n').map((line) => JSON.parse(line))
      return entries.filter((entry) => entry['check-results']?.results.healthy).length
    },
  }
  await warmUpChecks(store)
  return measure(store, CHECK_OPERATIONS)
}
