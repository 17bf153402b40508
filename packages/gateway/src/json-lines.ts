import type { DeepCheckLine, FailureLine, ManifestLine, StatsLine } from '@lafs/checker'
import type { GatewayResponse } from './exchange.ts'
import { pythonJson } from './python-json.ts'

/** Bytes from which on lines are not held back any more. */
const BATCH_SIZE = 64 * 1024

const encoder = new TextEncoder()

/**
 * What comes of a walk, a line of JSON each, as it goes on. After the last line there is one more,
 * which is no JSON, where something could not be read: clients of upstream, whose walk ends there,
 * look for it.
 *
 * @see allmydata.web.directory.ManifestStreamer
 */
export function jsonLines(
  lines: AsyncIterable<ManifestLine | DeepCheckLine | FailureLine | StatsLine>,
): GatewayResponse {
  return {
    status: 200,
    headers: [['content-type', 'text/plain;charset=utf-8']],
    body: batches(withErrorLine(lines)),
  }
}

async function* withErrorLine(
  lines: AsyncIterable<ManifestLine | DeepCheckLine | FailureLine | StatsLine>,
): AsyncGenerator<string> {
  let failures = 0
  let first: FailureLine | undefined
  for await (const line of lines) {
    if (line.type === 'failure') {
      failures++
      first ??= line
    }
    yield `${pythonJson(line)}\n`
  }
  if (first === undefined) return
  const others = failures === 1 ? '' : `; ${failures} in all could not be read or checked`
  const message = first.message.replaceAll(/\s+/g, ' ')
  yield `ERROR: ${first.error}(${message}) at ${pythonJson(first.path.join('/'))}${others}\n`
}

/** Puts lines together that come in one turn of the event loop. */
async function* batches(lines: AsyncGenerator<string>): AsyncGenerator<Uint8Array> {
  const ask = (): Promise<IteratorResult<string>> => {
    const line = lines.next()
    // What goes wrong is heard of when its turn comes, unless the reader has left before.
    line.catch(() => {})
    return line
  }
  try {
    let next = ask()
    for (let item = await next; item.done !== true; item = await next) {
      let text = item.value
      const turn = new Promise<undefined>((resolve) => setImmediate(resolve, undefined))
      next = ask()
      while (text.length < BATCH_SIZE) {
        const more = await Promise.race([next, turn])
        if (more === undefined || more.done === true) break
        text += more.value
        next = ask()
      }
      yield encoder.encode(text)
    }
  } finally {
    await lines.return(undefined)
  }
}
