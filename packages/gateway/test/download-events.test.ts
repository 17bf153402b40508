import type { DownloadEvents, IDownloadStatus } from '@lafs/filesystem-interface'
import { serverOf } from '@lafs/testing'
import type { IServer, IStorageServer } from '@lafs/storage-interface'
import { expect, it } from 'vitest'
import { downloadEventsJson } from '../src/download-events.ts'

// The same events were given to upstream's DownloadStatus, and rendered by upstream's _EventJson.

const A = 'v0-aaaaaaaaaaaaaaaa'
const B = 'v0-bbbbbbbbbbbbbbbb'

const EVENTS: DownloadEvents = {
  reads: [
    { ...over(100_000), offset: 0, size: 5000, bytesReturned: 4096, decryptMs: 250, pausedMs: 500 },
    {
      ...over(102_500, 103_000),
      offset: 10,
      size: 20,
      bytesReturned: 0,
      decryptMs: 0,
      pausedMs: 0,
    },
    { ...over(103_500), offset: 30, size: 40, bytesReturned: 0, decryptMs: 0, pausedMs: 0 },
  ],
  segments: [
    {
      ...over(100_500, 102_000),
      segmentIndex: 0,
      activeMs: 100_750,
      success: true,
      decodeMs: 125,
      segmentOffset: 0,
      segmentSize: 4096,
    },
    { ...over(100_750), segmentIndex: 1, ...unknownSegment(undefined) },
    { ...over(104_000, 104_500), segmentIndex: 0, ...unknownSegment(false) },
  ],
  shareQueries: [
    { ...over(100_250, 100_500), serverId: A, success: true, shareNumbers: [0, 3] },
    { ...over(100_250, 100_750), serverId: B, success: false, shareNumbers: undefined },
  ],
  blockRequests: [
    { ...over(101_000, 101_250), ...block(A, 0, 0, 512), success: true, responseSize: 512 },
    { ...over(101_000, 101_750), ...block(A, 3, 0, 512), success: false, responseSize: undefined },
    { ...over(101_500), ...block(B, 1, 36, 100), success: undefined, responseSize: undefined },
    { ...over(101_500, 101_750), ...block(A, 0, 512, 512), success: true, responseSize: 512 },
    { ...over(102_000), ...block(A, 0, 1024, 5), success: undefined, responseSize: undefined },
  ],
}

function over(
  startMs: number,
  finishMs?: number,
): { startMs: number; finishMs: number | undefined } {
  return { startMs, finishMs }
}

function unknownSegment<Success>(success: Success) {
  return {
    activeMs: undefined,
    success,
    decodeMs: undefined,
    segmentOffset: undefined,
    segmentSize: undefined,
  }
}

function block(serverId: string, shareNumber: number, offset: number, size: number) {
  return { serverId, shareNumber, offset, size }
}

function json(events: DownloadEvents | undefined): object {
  const servers = [A, B].map((id): IServer => ({
    ...serverOf({} as IStorageServer, 0),
    serverId: id,
    longName: id,
    name: id.slice(0, 11),
  }))
  const status = { events } as unknown as IDownloadStatus
  return downloadEventsJson(status, { knownServers: () => servers })
}

it('is what upstream makes of the same events', () => {
  expect(json(EVENTS)).toEqual(EXPECTED)
})

it('is empty where nobody has kept the events', () => {
  expect(json(undefined)).toEqual({
    misc: [],
    read: [],
    segment: [],
    dyhb: [],
    block: [],
    block_rownums: [],
    server_info: {},
    num_serverids: 0,
    serverids: {},
    bounds: { min: null, max: null },
  })
})

const EXPECTED: unknown = JSON.parse(
  `{"misc": [], "read": [{"start": 0, "length": 5000, "start_time": 100.0, "finish_time": null, "bytes_returned": 4096, "decrypt_time": 0.25, "paused_time": 0.5, "row": 0}, {"start": 10, "length": 20, "start_time": 102.5, "finish_time": 103.0, "bytes_returned": 0, "decrypt_time": 0, "paused_time": 0, "row": 1}, {"start": 30, "length": 40, "start_time": 103.5, "finish_time": null, "bytes_returned": 0, "decrypt_time": 0, "paused_time": 0, "row": 1}], "segment": [{"segment_number": 0, "start_time": 100.5, "active_time": 100.75, "finish_time": 102.0, "success": true, "decode_time": 0.125, "segment_start": 0, "segment_length": 4096, "row": 0}, {"segment_number": 1, "start_time": 100.75, "active_time": null, "finish_time": null, "success": null, "decode_time": null, "segment_start": null, "segment_length": null, "row": 1}, {"segment_number": 0, "start_time": 104.0, "active_time": null, "finish_time": 104.5, "success": false, "decode_time": null, "segment_start": null, "segment_length": null, "row": 0}], "dyhb": [{"start_time": 100.25, "success": true, "response_shnums": [0, 3], "finish_time": 100.5, "serverid": "v0-aaaaaaaaaaaaaaaa", "row": 0}, {"start_time": 100.25, "success": false, "response_shnums": null, "finish_time": 100.75, "serverid": "v0-bbbbbbbbbbbbbbbb", "row": 1}], "block": [{"shnum": 0, "start": 0, "length": 512, "start_time": 101.0, "finish_time": 101.25, "success": true, "response_length": 512, "serverid": "v0-aaaaaaaaaaaaaaaa", "row": [0, 0]}, {"shnum": 3, "start": 0, "length": 512, "start_time": 101.0, "finish_time": 101.75, "success": false, "response_length": null, "serverid": "v0-aaaaaaaaaaaaaaaa", "row": [0, 1]}, {"shnum": 1, "start": 36, "length": 100, "start_time": 101.5, "finish_time": null, "success": null, "response_length": null, "serverid": "v0-bbbbbbbbbbbbbbbb", "row": [1, 0]}, {"shnum": 0, "start": 512, "length": 512, "start_time": 101.5, "finish_time": 101.75, "success": true, "response_length": 512, "serverid": "v0-aaaaaaaaaaaaaaaa", "row": [0, 0]}, {"shnum": 0, "start": 1024, "length": 5, "start_time": 102.0, "finish_time": null, "success": null, "response_length": null, "serverid": "v0-aaaaaaaaaaaaaaaa", "row": [0, 0]}], "block_rownums": [2, 1], "server_info": {"v0-aaaaaaaaaaaaaaaa": {"num": 0, "color": "#ac8df4", "short": "v0-aaaaaaaa"}, "v0-bbbbbbbbbbbbbbbb": {"num": 1, "color": "#dec4d4", "short": "v0-bbbbbbbb"}}, "num_serverids": 2, "serverids": {"0": "v0-aaaaaaaa", "1": "v0-bbbbbbbb"}, "bounds": {"min": 100.0, "max": 104.5}}`,
)
