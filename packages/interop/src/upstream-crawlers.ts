import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { upstreamFolder } from './upstream.ts'

/** Which leases of a storage folder upstream's server lets expire. */
export interface UpstreamExpiration {
  readonly enabled: boolean
  /** Seconds after which a lease ends. */
  readonly overrideLeaseDuration: number
}

/** How the crawlers of upstream's server run. */
export interface UpstreamCrawl {
  /** What its clock says all the time: seconds since 1970. */
  readonly nowSeconds: number
  readonly expiration: UpstreamExpiration
  /** After how many slices, each of one bucket or prefix, they stop. Default: at the end of the cycle. */
  readonly slices?: number
}

const SCRIPT = `
import json, sys
from types import SimpleNamespace

from allmydata.storage import crawler, expirer, lease
from allmydata.storage.server import StorageServer

folder, options = sys.argv[1], json.loads(sys.argv[2])
time = SimpleNamespace(time=lambda: options["nowSeconds"])
for module in (crawler, expirer, lease):
    module.time = time
server = StorageServer(
    folder, bytes(20), expiration_enabled=options["expiration"]["enabled"], expiration_mode="age",
    expiration_override_lease_duration=options["expiration"]["overrideLeaseDuration"])
for one in (server.lease_checker, server.bucket_counter):
    slices = options.get("slices")
    one.cpu_slice = 1e9 if slices is None else 0
    for _ in range(slices or 1):
        try:
            one.start_current_prefix(time.time())
            break
        except crawler.TimeSliceExceeded:
            pass
    one.save_state()
`

/**
 * Runs the crawlers of upstream's storage server over a folder, in a process of their own.
 *
 * @throws with what upstream says where it fails.
 */
export async function runUpstreamCrawlers(storage: string, crawl: UpstreamCrawl): Promise<void> {
  const python = join(upstreamFolder, 'bin/python')
  const child = spawn(python, ['-c', SCRIPT, storage, JSON.stringify(crawl)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
  await once(child, 'close')
  if (child.exitCode !== 0) throw new Error(`the crawlers of upstream failed: ${said}`)
}
