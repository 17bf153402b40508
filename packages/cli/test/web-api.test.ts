import dns from 'node:dns'
import { once } from 'node:events'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { claimFolder } from '@lafs/node-directory'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { runningNodeUrl } from '../src/running-node.ts'
import {
  ask,
  askText,
  capTarget,
  gatewayWebApi,
  httpWebApi,
  linesOf,
  textOf,
} from '../src/web-api.ts'
import type { WebApi } from '../src/web-api.ts'
import { webApiError } from '../src/web-error.ts'
import { runHere } from './in-process.ts'

const { signal } = new AbortController()
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

async function* pieces(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) {
    await sleep(0)
    yield bytes(text)
  }
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void

let server: Server
let url: string
let answer: Answer = () => undefined
let connections = 0
beforeAll(async () => {
  server = createServer((request, response) => answer(request, response))
  server.on('connection', () => connections++)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

/** Tells what came, and answers with it. */
const echo: Answer = (request, response) => {
  let body = ''
  request.on('data', (piece) => (body += String(piece)))
  request.on('end', () => {
    const { method, url: target, headers } = request
    const { accept, 'content-length': length, 'transfer-encoding': coding, 'x-own': own } = headers
    response.setHeader('x-answer', 'yes')
    response.end(JSON.stringify([method, target, accept, length ?? coding, own, body]))
  })
}

const inProcess: WebApi = gatewayWebApi(
  {
    handle: async ({ method, target, headers, body }) => {
      let text = ''
      try {
        for await (const piece of body) text += new TextDecoder().decode(piece)
      } catch {
        return { status: 500, headers: [], body: bytes('something went wrong') }
      }
      const [accept, length] = [headers.get('accept'), headers.get('content-length') ?? 'chunked']
      const told = JSON.stringify([method, target, accept, length, headers.get('x-own'), text])
      return { status: 200, headers: [['X-Answer', 'yes']], body: bytes(told) }
    },
  },
  () => Promise.resolve(),
)

const opened: WebApi[] = []
function overHttp(address = url): WebApi {
  const api = httpWebApi(address)
  opened.push(api)
  return api
}
afterEach(async () => {
  for (const api of opened.splice(0)) await api[Symbol.asyncDispose]()
})

const ACCEPT = 'text/plain, application/octet-stream'

describe.each([
  ['over HTTP', () => overHttp()],
  ['in this process', () => inProcess],
])('a web API %s', (_where, open) => {
  it.each([
    ['nothing', undefined, '0', ''],
    ['bytes', bytes('some'), '4', 'some'],
    ['a stream', pieces('a', 'b'), 'chunked', 'ab'],
  ])('passes on a request with %s', async (_what, body, length, text) => {
    answer = echo
    const request = { signal, headers: { 'x-own': '1' }, body }
    const response = await open().request('PUT', '/uri/a%2Fb/../%2E?t=x', request)
    expect(response.status).toBe(200)
    expect(response.headers.get('x-answer')).toBe('yes')
    const got: unknown = JSON.parse(await textOf(response))
    expect(got).toEqual(['PUT', '/uri/a%2Fb/../%2E?t=x', ACCEPT, length, '1', text])
  })

  it.each([
    ['fails', new Error('no more')],
    ['the system cannot read', Object.assign(new Error('EIO'), { code: 'EIO', syscall: 'read' })],
  ])('fails with the reason of a source that %s', async (_how, reason) => {
    answer = (request) => request.resume()
    const body = (async function* () {
      yield bytes('a')
      await sleep(0)
      throw reason
    })()
    await expect(open().request('PUT', '/', { signal, body })).rejects.toBe(reason)
  })

  it('ends with the reason of its signal', async () => {
    const reason = new Error('enough')
    const request = { signal: AbortSignal.abort(reason) }
    await expect(open().request('GET', '/', request)).rejects.toBe(reason)
  })
})

describe('a web API in this process', () => {
  it('leaves when it is told to, whatever the gateway still does', async () => {
    const controller = new AbortController()
    const stuck = { handle: () => new Promise<never>(() => undefined) }
    const api = gatewayWebApi(stuck, () => Promise.resolve())
    const answered = api.request('POST', '/', { signal: controller.signal })
    const reason = new Error('enough')
    controller.abort(reason)
    await expect(answered).rejects.toBe(reason)
  })
})

describe('a web API over HTTP', () => {
  it('uses a connection again', async () => {
    answer = echo
    const api = overHttp(`${url}/`)
    const before = connections
    for (let count = 0; count < 3; count++) await askText(api, 'GET', '/', { signal })
    expect(connections - before).toBe(1)
  })

  it('asks again when a kept connection ends just then', async () => {
    let count = 0
    answer = (request, response) => {
      // The answer promises a connection that is gone.
      if (++count === 2) request.socket.destroy()
      else response.end(`answer ${count}`)
    }
    const api = overHttp()
    expect(await askText(api, 'GET', '/', { signal })).toBe('answer 1')
    expect(await askText(api, 'GET', '/', { signal })).toBe('answer 3')
  })

  it.each([
    ['short', 10],
    ['long', 10_000_000],
  ])('sends a %s body again when a kept connection ended just before', async (_what, size) => {
    let kept: Socket | undefined
    answer = (request, response) => {
      kept = request.socket
      let count = 0
      request.on('data', (piece: Uint8Array) => (count += piece.length))
      request.on('end', () => response.end(`${count} bytes`))
    }
    const api = overHttp()
    await askText(api, 'PUT', '/', { signal })
    kept?.destroy()
    const body = new Uint8Array(size)
    expect(await askText(api, 'PUT', '/', { signal, body })).toBe(`${size} bytes`)
  })

  it('takes an answer that comes before the whole request has gone', async () => {
    let returned = false
    const body = (async function* () {
      try {
        for (;;) {
          yield new Uint8Array(100_000)
          await sleep(0)
        }
      } finally {
        returned = true
      }
    })()
    answer = (request, response) => {
      request.resume()
      response.writeHead(413).end('too much')
    }
    const response = await overHttp().request('PUT', '/', { signal, body })
    expect([response.status, await textOf(response)]).toEqual([413, 'too much'])
    await expect.poll(() => returned).toBe(true)
  })

  it('says when an answer is cut short', async () => {
    answer = (_request, response) => {
      response.writeHead(200, { 'content-length': '100' }).write('half', () => response.destroy())
    }
    const response = await overHttp().request('GET', '/', { signal })
    await expect(textOf(response)).rejects.toMatchObject({ code: 'CLI_CUT_SHORT' })
  })

  it('says why an answer of this process is cut short', async () => {
    const cause = Object.assign(new Error('2 of 3 shares'), { code: 'DOWNLOAD_NOT_ENOUGH_SHARES' })
    const body = (async function* () {
      yield* pieces('half')
      throw cause
    })()
    const api = gatewayWebApi(
      { handle: () => Promise.resolve({ status: 200, headers: [], body }) },
      () => Promise.resolve(),
    )
    const response = await api.request('GET', '/', { signal })
    await expect(textOf(response)).rejects.toBe(cause)
  })

  it('says when the answer is no HTTP', async () => {
    answer = (request) => request.socket.end('nonsense\r\n\r\n')
    await expect(overHttp().request('GET', '/', { signal })).rejects.toMatchObject({
      code: 'CLI_BAD_ANSWER',
      message: expect.stringMatching(/^expected HTTP from the gateway at http:/),
    })
  })

  it('says when nobody answers', async () => {
    const gone = createServer()
    await new Promise<void>((resolve) => gone.listen(0, '127.0.0.1', resolve))
    const { port } = gone.address() as AddressInfo
    gone.close()
    await once(gone, 'close')
    const api = overHttp(`http://127.0.0.1:${port}/secret`)
    await expect(api.request('GET', '/', { signal })).rejects.toMatchObject({
      code: 'CLI_NO_GATEWAY',
      message: expect.stringMatching(
        `^no answer from the gateway at http://127.0.0.1:${port}: .*$`,
      ),
    })
  })

  it.each(['', '127.0.0.1:3456', 'ftp://127.0.0.1/', 'nonsense'])(
    'refuses the address %j',
    (text) => {
      expect(() => httpWebApi(text)).toThrow(expect.objectContaining({ code: 'CLI_USAGE' }))
    },
  )
})

describe('linesOf', () => {
  it('puts together what comes in pieces', async () => {
    const [half, rest] = [bytes('é').slice(0, 1), bytes('é').slice(1)]
    const body = (async function* () {
      await sleep(0)
      yield bytes('a\nb')
      yield half
      yield rest
      yield bytes('\n\nc')
    })()
    const lines: string[] = []
    for await (const line of linesOf({ status: 200, headers: new Map(), body })) lines.push(line)
    expect(lines).toEqual(['a', 'bé', '', 'c'])
  })
})

describe('capTarget', () => {
  it.each([
    [{ root: 'URI:LIT:', path: '' }, {}, '/uri/URI%3ALIT%3A'],
    [
      { root: 'URI:DIR2:a:b', path: 'a b/../ü?#' },
      {},
      '/uri/URI%3ADIR2%3Aa%3Ab/a%20b/../%C3%BC%3F%23',
    ],
    [{ root: 'x', path: 'a/' }, { t: 'json', no: undefined, r: 'a&b' }, '/uri/x/a/?t=json&r=a%26b'],
  ])('escapes %j', (place, query, target) => {
    expect(capTarget(place, query)).toBe(target)
  })
})

describe('webApiError', () => {
  it.each([
    [404, 'No such child: x', 'CLI_NO_SUCH_FILE', 'No such child: x'],
    [
      410,
      'NoSharesError: no shares could be found. …\n\nThe full error message is:\nno shares (need 3)',
      'DOWNLOAD_NO_SHARES',
      'no shares (need 3)',
    ],
    [
      410,
      'UnableToFetchCriticalDownloadDataError: something does not fit.\n\nexpected size to be 2, got 1',
      'DOWNLOAD_CRITICAL_DATA_UNAVAILABLE',
      'expected size to be 2, got 1',
    ],
    [
      500,
      'Traceback (most recent call last):\n  File "a.py", line 1\n    f()\nallmydata.interfaces.UploadUnhappinessError: only 3: of 7\nand more\n',
      'UPLOAD_UNHAPPINESS',
      'only 3: of 7\nand more',
    ],
    [500, 'Traceback (most recent call last):\nbuiltins.KeyError\n', 'WEB_500', 'KeyError'],
    [
      500,
      'Traceback (most recent call last):\nFailure: allmydata.mutable.common.NotWriteableError: \n',
      'NODE_NOT_WRITEABLE',
      'NotWriteableError',
    ],
    [
      410,
      '{"error": "UnrecoverableFileError: it could not be retrieved. This might be why. Or this."}',
      'MUTABLE_UNRECOVERABLE',
      'it could not be retrieved.',
    ],
    [400, '{"error": 5}', 'WEB_400', 'the gateway answered 400 Bad Request'],
    [400, '{nonsense', 'WEB_400', 'the gateway answered 400 Bad Request'],
    [
      404,
      '\n<html>\n<body><h1>Error</h1>\n<p>No such child: a&amp;b&lt;&#39;</p></body></html>\n',
      'CLI_NO_SUCH_FILE',
      "No such child: a&b<'",
    ],
    [404, 'nothing here', 'CLI_NO_SUCH_FILE', 'nothing here'],
    [400, 'PUT to a directory', 'CLI_IS_A_DIRECTORY', 'PUT to a directory'],
    [499, '', 'WEB_499', 'the gateway answered 499'],
    [405, '\n<html>\n …', 'WEB_405', 'the gateway answered 405 Method Not Allowed'],
  ])('%d %j', (status, text, code, message) => {
    expect(webApiError(status, text)).toMatchObject({ status, code, message })
  })

  it('is what ask throws', async () => {
    answer = (_request, response) => response.writeHead(400).end('PUT to a directory')
    await expect(ask(overHttp(), 'PUT', '/', { signal })).rejects.toMatchObject({
      code: 'CLI_IS_A_DIRECTORY',
      status: 400,
    })
  })
})

describe('runningNodeUrl', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lafs-test-'))
  })
  afterEach(() => rm(folder, { recursive: true }))

  it.each([
    ['no files', {}],
    ['a process that is gone', { 'running.process': '999999999 1.5', 'node.url': 'http://x/' }],
    ['no process', { 'node.url': 'http://x/' }],
    ['nonsense', { 'running.process': '-1 x', 'node.url': 'http://x/' }],
  ])('has none with %s', async (_what, files) => {
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
    expect(await runningNodeUrl(folder)).toBeUndefined()
  })

  it('is the one of a process that runs, if that has one', async () => {
    const release = await claimFolder(folder)
    expect(await runningNodeUrl(folder)).toBeUndefined()
    await writeFile(join(folder, 'node.url'), 'http://x/\n')
    expect(await runningNodeUrl(folder)).toBe('http://x/')
    await release()
    expect(await runningNodeUrl(folder)).toBeUndefined()
  })
})

describe('a name of several addresses, at none of which anybody answers', () => {
  it('is said so of', async () => {
    const addresses = [
      { address: '127.0.0.1', family: 4 },
      { address: '127.0.0.2', family: 4 },
      { address: '::1', family: 6 },
    ]
    const lookup = vi.spyOn(dns, 'lookup').mockImplementation((...words: unknown[]) => {
      const tell = words.at(-1) as (error: null, found: typeof addresses) => void
      tell(null, addresses)
    })
    try {
      await expect(
        overHttp('http://localhost:1').request('GET', '/', { signal }),
      ).rejects.toMatchObject({
        code: 'CLI_NO_GATEWAY',
        message: expect.stringMatching(
          /^no answer from the gateway at http:\/\/localhost:1: [^;]*ECONNREFUSED[^;]*; /,
        ),
      })
      expect(lookup).toHaveBeenCalled()
    } finally {
      lookup.mockRestore()
    }
  })
})

describe('an answer that should be the results of a check', () => {
  it.each(['{}', '[]', 'null', '7', '{"storage-index": 7}'])(
    'is not when it is %s',
    async (text) => {
      answer = (request, response) => request.resume().on('end', () => response.end(text))
      const outcome = await runHere(['-d', tmpdir(), 'check', '-u', url, 'URI:LIT:aa'])
      expect(outcome).toMatchObject({
        status: 1,
        stdout: '',
        stderr: expect.stringMatching(/^lafs: CLI_BAD_ANSWER: /),
      })
    },
  )
})

describe('an answer that should be a cap', () => {
  it.each([
    ['a page', '<!doctype html><p>Please log in.</p>'],
    ['two lines', 'URI:LIT:aa\nURI:LIT:bb'],
    ['nothing', ''],
  ])('is not kept when it is %s', async (_what, text) => {
    answer = (request, response) => request.resume().on('end', () => response.end(text))
    const node = await mkdtemp(join(tmpdir(), 'lafs-test-'))
    try {
      await writeFile(join(node, 'file'), 'something')
      for (const words of [['create-alias', 'work'], ['mkdir'], ['put', 'file']]) {
        const options = { cwd: node }
        const [command = '', ...rest] = words
        const outcome = await runHere(['-d', node, '-q', command, '-u', url, ...rest], options)
        expect(outcome).toMatchObject({
          status: 1,
          stdout: '',
          stderr: expect.stringMatching(/^lafs: CLI_BAD_ANSWER: expected a cap from the gateway/),
        })
      }
      expect(await readdir(node)).toEqual(['file'])
    } finally {
      await rm(node, { recursive: true })
    }
  })
})
