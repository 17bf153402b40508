import { Buffer } from 'node:buffer'
import { StorageError } from '@lafs/storage-interface'
import {
  GatheredBody,
  type HeaderReader,
  type IncomingResponse,
  type OutgoingRequest,
  responseTooLong,
} from '@lafs/storage-protocol/client'

/** How long the head of a response may be, those that only say that it will come included; bytes. */
const HEAD_SIZE_MAX: number = 16 * 1024
/** How long what follows the last chunk may be, and what stands beside the size of each; bytes. */
const TRAILER_SIZE_MAX: number = 16 * 1024
const CHUNK_LINE_SIZE_MAX = 256

/**
 * Where the bytes go that are looked at as soon as they come: one place for everybody, since a socket
 * hands on what it reads before anything else is read.
 */
export const passingBytes: Uint8Array = new Uint8Array(64 * 1024)

const LINE_FEED = 10
const TOKEN: RegExp = /^[!#$%&'*+.^_`|~\dA-Za-z-]+$/
// oxlint-disable-next-line no-control-regex -- these are what a value may not hold
const NO_VALUE: RegExp = /[\0-\u0008\u000A-\u001F\u007F]/

/** What comes next: a line of the head or of a chunked body, or bytes of the body. */
type Part = 'status' | 'header' | 'body' | 'chunk size' | 'chunk' | 'chunk end' | 'trailer' | 'end'

/**
 * Reads one response of HTTP/1.1 from a connection, whole, each byte of a body whose size is known
 * straight into its place. Strict: what two readers could understand in two ways is refused.
 *
 * @see RFC 9112.
 */
export class ResponseReader {
  readonly #bodySizeMax: OutgoingRequest['bodySizeMax']
  #part: Part = 'status'
  /** The beginning of a line that has not come whole. */
  #line = ''
  /** How many bytes of the head, or behind the last chunk, have come. */
  #linesSize = 0
  #version = ''
  #status = 0
  readonly #headers = new Map<string, string>()
  #body: GatheredBody = new GatheredBody(0)
  #bodySizeLimit = 0
  /** How many bytes of the body or of the chunk are to come; Infinity where only its end tells. */
  #missing = 0

  constructor(bodySizeMax: OutgoingRequest['bodySizeMax']) {
    this.#bodySizeMax = bodySizeMax
  }

  /** Where the next bytes are to be put. */
  get place(): Uint8Array {
    if (this.#part !== 'body' || this.#missing === Infinity) return passingBytes
    const { room } = this.#body
    return room.length > this.#missing ? room.subarray(0, this.#missing) : room
  }

  /**
   * Looks at bytes that have been put there.
   *
   * @param place - what {@link place} was when they were.
   * @param size - how many bytes.
   * @returns whether the response is complete.
   * @throws {@link StorageError} `STORAGE_UNREACHABLE` for what is no such response,
   *   `STORAGE_BAD_RESPONSE` when its body is too long.
   */
  take(place: Uint8Array, size: number): boolean {
    if (place !== passingBytes) {
      this.#body.filled(size)
      this.#count(size)
    } else {
      let rest = passingBytes.subarray(0, size)
      while (rest.length > 0 && this.#part !== 'end') rest = rest.subarray(this.#takeSome(rest))
      if (rest.length > 0) throw notHttp('there is more than one response')
    }
    return this.#part === 'end'
  }

  /** The peer sends no more. @returns whether the response is complete. */
  finish(): boolean {
    if (this.#part === 'body' && this.#missing === Infinity) this.#part = 'end'
    return this.#part === 'end'
  }

  /** The response, once it is complete. */
  get response(): IncomingResponse {
    const { bytes } = this.#body
    return { status: this.#status, headers: this.#headerReader, body: bytes }
  }

  /**
   * How long the connection may rest before its next request, in milliseconds; 0 when it may have none.
   * A peer that says nothing of it may close it soon.
   */
  get restMs(): number {
    const isKept = this.#version === '1.1' && !this.#has('connection', 'close')
    if (!isKept || this.#missing === Infinity) return 0
    const told = /(?:^|[\s,;])timeout=(\d{1,6})/i.exec(this.#headers.get('keep-alive') ?? '')?.[1]
    if (told === undefined) return REST_MS
    return Math.min(Math.max(Number(told) * 1000 - REST_MARGIN_MS, 0), REST_MS_MAX)
  }

  /** @returns how many of the bytes it has taken: at least one. */
  #takeSome(bytes: Uint8Array): number {
    if (this.#part === 'body' || this.#part === 'chunk') {
      const size = Math.min(bytes.length, this.#missing)
      if (this.#body.size + size > this.#bodySizeLimit) throw this.#tooLong()
      this.#body.add(bytes.subarray(0, size))
      this.#count(size)
      return size
    }
    const found = bytes.indexOf(LINE_FEED)
    const size = found < 0 ? bytes.length : found + 1
    this.#linesSize += size
    if (this.#linesSize > this.#linesSizeMax) throw notHttp('a line is too long')
    this.#line += Buffer.from(bytes.buffer, bytes.byteOffset, size).toString('latin1')
    if (found >= 0) {
      if (!this.#line.endsWith('\r\n')) throw notHttp('a line does not end as it should')
      const line = this.#line.slice(0, -2)
      this.#line = ''
      this.#takeLine(line)
    }
    return size
  }

  get #linesSizeMax(): number {
    if (this.#part === 'status' || this.#part === 'header') return HEAD_SIZE_MAX
    return this.#part === 'trailer' ? TRAILER_SIZE_MAX : CHUNK_LINE_SIZE_MAX
  }

  /** So many bytes of the body, or of a chunk of it, have come. */
  #count(size: number): void {
    this.#missing -= size
    if (this.#missing === 0) this.#go(this.#part === 'chunk' ? 'chunk end' : 'end')
  }

  #go(part: Part): void {
    this.#part = part
    if (part !== 'status' && part !== 'header') this.#linesSize = 0
  }

  #takeLine(line: string): void {
    const part = this.#part
    if (part === 'status') return this.#takeStatus(line)
    if (part === 'header') return line === '' ? this.#beginBody() : this.#takeHeader(line)
    if (part === 'chunk size') return this.#beginChunk(line)
    if (part === 'chunk end') {
      if (line !== '') throw notHttp('a chunk is longer than it says')
      return this.#go('chunk size')
    }
    if (line === '') return this.#go('end')
    // Nobody asks for what stands behind the last chunk, as long as it is in order.
    parseHeader(line)
  }

  #takeStatus(line: string): void {
    const [, version, status] = /^HTTP\/(1\.[01]) ([1-9]\d\d)(?: .*)?$/.exec(line) ?? []
    if (version === undefined) throw notHttp('it does not begin with a status')
    this.#version = version
    this.#status = Number(status)
    this.#go('header')
  }

  #takeHeader(line: string): void {
    const [name, value] = parseHeader(line)
    const before = this.#headers.get(name)
    this.#headers.set(name, before === undefined ? value : `${before}, ${value}`)
  }

  #beginBody(): void {
    if (this.#status < 200) {
      // It only says that another will come, unless that is to be of another protocol.
      const isGood = this.#status !== 101 && this.#version === '1.1'
      if (!isGood) throw notHttp(`the status ${this.#status}`)
      this.#headers.clear()
      return this.#go('status')
    }
    this.#bodySizeLimit = this.#bodySizeMax(this.#status, this.#headerReader)
    const size = this.#announcedSize()
    if (size === 0) return this.#go('end')
    if (size === undefined) return this.#go('chunk size')
    if (size !== Infinity && size > this.#bodySizeLimit) throw this.#tooLong()
    this.#body = new GatheredBody(size === Infinity ? 0 : size)
    this.#missing = size
    this.#go('body')
  }

  /** The size of the body in bytes; undefined when it comes in chunks, Infinity when its end will tell. */
  #announcedSize(): number | undefined {
    const codings = this.#headers.get('transfer-encoding')
    const length = this.#headers.get('content-length')
    if (codings !== undefined) {
      const isChunked = codings.toLowerCase() === 'chunked' && this.#version === '1.1'
      if (!isChunked || length !== undefined) throw notHttp('the end of its body is not clear')
      return this.#isBodiless ? 0 : undefined
    }
    if (length !== undefined && !/^\d{1,15}$/.test(length)) throw notHttp('its length is no number')
    if (this.#isBodiless) return 0
    return length === undefined ? Infinity : Number(length)
  }

  get #isBodiless(): boolean {
    return this.#status === 204 || this.#status === 304
  }

  #beginChunk(line: string): void {
    const [, digits] = /^([\dA-Fa-f]{1,12})(?:;[\t -~]*)?$/.exec(line) ?? []
    if (digits === undefined) throw notHttp('a chunk has no size')
    this.#missing = Number.parseInt(digits, 16)
    if (this.#body.size + this.#missing > this.#bodySizeLimit) throw this.#tooLong()
    this.#go(this.#missing === 0 ? 'trailer' : 'chunk')
  }

  get #headerReader(): HeaderReader {
    return { get: (name) => this.#headers.get(name.toLowerCase()) ?? null }
  }

  #has(name: string, token: string): boolean {
    const tokens = this.#headers.get(name)?.toLowerCase().split(',') ?? []
    return tokens.some((each) => each.trim() === token)
  }

  #tooLong(): StorageError {
    return responseTooLong(this.#status, this.#bodySizeLimit)
  }
}

/** How long a connection rests whose peer says nothing of that, in milliseconds. */
const REST_MS = 4000
/** The longest that one rests. */
const REST_MS_MAX = 600_000
/** How much earlier than the peer we give it up. */
const REST_MARGIN_MS = 2000

function parseHeader(line: string): [name: string, value: string] {
  const colon = line.indexOf(':')
  const name = line.slice(0, Math.max(colon, 0)).toLowerCase()
  let begin = colon + 1
  let end = line.length
  while (isBlank(line[begin])) begin += 1
  while (end > begin && isBlank(line[end - 1])) end -= 1
  const value = line.slice(begin, end)
  if (!TOKEN.test(name) || NO_VALUE.test(value)) throw notHttp('a header makes no sense')
  return [name, value]
}

function isBlank(character: string | undefined): boolean {
  return character === ' ' || character === '\t'
}

function notHttp(why: string): StorageError {
  return new StorageError('STORAGE_UNREACHABLE', `the answer is not HTTP: ${why}`)
}
