import type {
  IDownloadStatus,
  IPublishStatus,
  IRetrieveStatus,
  IServermapUpdaterStatus,
  IUploadStatus,
} from '@lafs/filesystem-interface'
import { describe, expect, it } from 'vitest'
import { createHistory } from '../src/history.ts'
import type { History } from '../src/history.ts'

// How many operations of each kind upstream's history keeps.

interface Fake {
  counter: number
  size: number | undefined
  active: boolean
}

function fake(counter: number, size: number | undefined = 700, active = false): Fake {
  return { counter, size, active }
}

const KINDS: readonly [
  name: string,
  max: number,
  add: (history: History, status: Fake) => void,
  recent: (history: History) => readonly { counter: number }[],
  all: (history: History) => readonly { counter: number }[],
][] = [
  [
    'uploads',
    10,
    (history, status) => history.addUpload(status as unknown as IUploadStatus),
    (history) => history.listRecentUploads(),
    (history) => history.listAllUploads(),
  ],
  [
    'downloads',
    10,
    (history, status) => history.addDownload(status as unknown as IDownloadStatus),
    (history) => history.listRecentDownloads(),
    (history) => history.listAllDownloads(),
  ],
  [
    'servermap updates',
    20,
    (history, status) => history.addServermapUpdate(status as unknown as IServermapUpdaterStatus),
    (history) => history.listRecentServermapUpdates(),
    (history) => history.listAllServermapUpdates(),
  ],
  [
    'publishes',
    20,
    (history, status) => history.addPublish(status as unknown as IPublishStatus),
    (history) => history.listRecentPublishes(),
    (history) => history.listAllPublishes(),
  ],
  [
    'retrieves',
    40,
    (history, status) => history.addRetrieve(status as unknown as IRetrieveStatus),
    (history) => history.listRecentRetrieves(),
    (history) => history.listAllRetrieves(),
  ],
]

describe.each(KINDS)('the history of %s', (_, max, add, recent, all) => {
  it(`remembers the last ${max}, oldest first`, () => {
    const history = createHistory()
    for (let counter = 0; counter < max + 3; counter++) add(history, fake(counter))
    const counters = recent(history).map(({ counter }) => counter)
    expect(counters).toEqual(Array.from({ length: max }, (__, at) => at + 3))
    expect(all(history).map(({ counter }) => counter)).toEqual(counters)
  })

  it('remembers older ones as long as they are under way', () => {
    const history = createHistory()
    const first = fake(0, 700, true)
    add(history, first)
    for (let counter = 1; counter < max + 2; counter++) add(history, fake(counter))
    expect(recent(history)).not.toContain(first)
    expect(all(history)).toContain(first)
    first.active = false
    add(history, fake(max + 2))
    expect(all(history)).not.toContain(first)
  })
})

it('lists those under way', () => {
  const history = createHistory()
  const upload = fake(1, 700, true)
  const download = fake(1, 700, true)
  history.addUpload(fake(0) as unknown as IUploadStatus)
  history.addUpload(upload as unknown as IUploadStatus)
  history.addDownload(download as unknown as IDownloadStatus)
  expect(history.listActiveUploads()).toEqual([upload])
  download.active = false
  expect(history.listActiveDownloads()).toEqual([])
})

describe('what is counted', () => {
  it('is nothing at first', () => {
    expect(createHistory().counters()).toEqual(new Map())
  })

  it('is operations and bytes, by upstream’s names', () => {
    const history = createHistory()
    history.addUpload(fake(0, 100) as unknown as IUploadStatus)
    history.addUpload(fake(1, 11) as unknown as IUploadStatus)
    history.addDownload(fake(0, 1000) as unknown as IDownloadStatus)
    history.addRead?.(5)
    history.addRead?.(6)
    history.addServermapUpdate(fake(0, 3) as unknown as IServermapUpdaterStatus)
    history.addPublish(fake(0, 200) as unknown as IPublishStatus)
    history.addRetrieve(fake(0, 300) as unknown as IRetrieveStatus)
    expect(Object.fromEntries(history.counters())).toEqual({
      'uploader.files_uploaded': 2,
      'uploader.bytes_uploaded': 111,
      'downloader.files_downloaded': 2,
      'downloader.bytes_downloaded': 11,
      'mutable.files_published': 1,
      'mutable.bytes_published': 200,
      'mutable.files_retrieved': 1,
      'mutable.bytes_retrieved': 300,
    })
    // What fits into its cap is counted, but is no operation that anybody could watch.
    expect(history.listAllUploads()).toEqual([fake(0, 100)])
  })

  it('adds the bytes of what began without a size once that is known', () => {
    const history = createHistory()
    const sized: Fake = { counter: 0, size: undefined, active: true }
    const failed: Fake = { counter: 1, size: undefined, active: true }
    history.addUpload(sized as unknown as IUploadStatus)
    history.addUpload(failed as unknown as IUploadStatus)
    expect(history.counters().get('uploader.bytes_uploaded')).toBe(0)
    sized.size = 42
    sized.active = false
    failed.active = false
    expect(history.counters().get('uploader.bytes_uploaded')).toBe(42)
    failed.size = 1
    expect(history.counters().get('uploader.bytes_uploaded')).toBe(42)
  })
})
