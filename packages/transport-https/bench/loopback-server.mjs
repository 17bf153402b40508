// The server's process of loopback.mjs: a server that stores nothing, so that the transport is what counts.
import { httpsTransport } from '../dist/index.js'

const block = new Uint8Array(1 << 20).fill(7)
const ended = new AbortController().signal
const writer = {
  allocatedSize: 2 ** 40,
  requiredRanges: () => [{ begin: 0, end: 1 }],
  ended,
  write: async () => {},
  close: async () => {},
  abort: async () => {},
}
const version = {
  maximumImmutableShareSize: 2 ** 40,
  maximumMutableShareSize: 2 ** 40,
  availableSpace: 2 ** 40,
  applicationVersion: 'bench',
}
const reader = {
  length: 2 ** 40,
  read: async (_, length) => (length === block.length ? block : block.subarray(0, length)),
  close: async () => {},
}
const listener = await httpsTransport().serve({
  getVersion: async () => version,
  allocateBuckets: async (_, { shareNumbers }) => ({
    alreadyGot: new Set(),
    writers: new Map([...shareNumbers].map((shareNumber) => [shareNumber, writer])),
  }),
  listShares: async () => new Set([0]),
  openShare: async () => reader,
})
process.on('message', () => process.send(process.cpuUsage()))
process.send(listener.announcement)
