// Version 3 of the SSH File Transfer Protocol, as draft-ietf-secsh-filexfer-02 has it: every message is
//   uint32 length, byte type, uint32 id, body
// where a string is a uint32 length and its bytes. The ssh2 library speaks it too, but neither announces
// extensions nor answers them.

/** The types of requests. */
export const REQUEST = {
  init: 1,
  open: 3,
  close: 4,
  read: 5,
  write: 6,
  lstat: 7,
  fstat: 8,
  setstat: 9,
  fsetstat: 10,
  opendir: 11,
  readdir: 12,
  remove: 13,
  mkdir: 14,
  rmdir: 15,
  realpath: 16,
  stat: 17,
  rename: 18,
  readlink: 19,
  symlink: 20,
  extended: 200,
} as const

const RESPONSE = {
  version: 2,
  status: 101,
  handle: 102,
  data: 103,
  name: 104,
  attrs: 105,
  extended: 201,
}

/** How a request went. */
export const STATUS = {
  ok: 0,
  eof: 1,
  noSuchFile: 2,
  permissionDenied: 3,
  failure: 4,
  badMessage: 5,
  unsupported: 8,
} as const

/** How a file is to be opened. */
export const OPEN = {
  read: 1,
  write: 2,
  append: 4,
  create: 8,
  truncate: 16,
  exclusive: 32,
} as const

/** The most bytes of a message; as many as OpenSSH takes. */
const MESSAGE_MAX = 256 * 1024

/** The most bytes that one read gives: what fits into a message. */
export const READ_MAX: number = MESSAGE_MAX - 1024

const ATTRIBUTE = { size: 1, owner: 2, permissions: 4, times: 8, extended: 0x80000000 }

/** What is known of a file, or what is to be noted of it. Times are seconds since 1970. */
export interface Attributes {
  readonly size?: number | undefined
  /** The bits of Unix, those of the kind included. */
  readonly permissions?: number | undefined
  readonly modifiedSeconds?: number | undefined
}

/** An entry of a directory. */
export interface NameEntry {
  readonly name: string
  /** As `ls -l` would print it. */
  readonly longName: string
  readonly attributes: Attributes
}

/** An answer, but for the id of its request. */
export interface Reply {
  readonly type: number
  readonly body: Uint8Array
}

/** A request that cannot be granted; its message goes to the user and holds no secret. */
export class StatusError extends Error {
  override name = 'StatusError'
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** Takes fields off a message. Past its end it throws a {@link StatusError} of a bad message. */
export class FieldReader {
  readonly #view: DataView
  #at = 0

  constructor(message: Uint8Array) {
    this.#view = new DataView(message.buffer, message.byteOffset, message.byteLength)
  }

  get atEnd(): boolean {
    return this.#at === this.#view.byteLength
  }

  byte(): number {
    return this.#view.getUint8(this.#take(1))
  }

  uint32(): number {
    return this.#view.getUint32(this.#take(4))
  }

  /** A number up to 2^53; more than that is a bad message. */
  uint64(): number {
    const value = this.#view.getBigUint64(this.#take(8))
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed()
    return Number(value)
  }

  /** The bytes of a string, in the memory of the message. */
  bytes(): Uint8Array {
    const length = this.uint32()
    const at = this.#take(length)
    return new Uint8Array(this.#view.buffer, this.#view.byteOffset + at, length)
  }

  /** A string that must be UTF-8. */
  text(): string {
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(this.bytes())
    } catch (error) {
      if (error instanceof StatusError) throw error
      throw new StatusError(STATUS.noSuchFile, 'path could not be decoded as UTF-8')
    }
  }

  attributes(): Attributes {
    const flags = this.uint32()
    const has = (flag: number): boolean => (flags & flag) !== 0
    const size = has(ATTRIBUTE.size) ? this.uint64() : undefined
    if (has(ATTRIBUTE.owner)) this.#take(8)
    const permissions = has(ATTRIBUTE.permissions) ? this.uint32() : undefined
    const [, modifiedSeconds] = has(ATTRIBUTE.times) ? [this.uint32(), this.uint32()] : []
    if (has(ATTRIBUTE.extended)) {
      for (let left = this.uint32(); left > 0; left--) {
        this.bytes()
        this.bytes()
      }
    }
    return { size, permissions, modifiedSeconds }
  }

  #take(length: number): number {
    const at = this.#at
    if (at + length > this.#view.byteLength) throw malformed()
    this.#at += length
    return at
  }
}

function malformed(): StatusError {
  return new StatusError(STATUS.badMessage, 'the message cannot be understood')
}

/** A 32-bit number. */
export function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value)
  return bytes
}

/** A 64-bit number. */
export function uint64(value: number): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value))
  return bytes
}

function string(value: string | Uint8Array): Uint8Array[] {
  const bytes = typeof value === 'string' ? new TextEncoder().encode(value) : value
  return [uint32(bytes.length), bytes]
}

function attributes({ size, permissions, modifiedSeconds }: Attributes): Uint8Array[] {
  const flags =
    (size === undefined ? 0 : ATTRIBUTE.size) |
    (permissions === undefined ? 0 : ATTRIBUTE.permissions) |
    (modifiedSeconds === undefined ? 0 : ATTRIBUTE.times)
  return [
    uint32(flags),
    ...(size === undefined ? [] : [uint64(size)]),
    ...(permissions === undefined ? [] : [uint32(permissions)]),
    ...(modifiedSeconds === undefined ? [] : [uint32(modifiedSeconds), uint32(modifiedSeconds)]),
  ]
}

function concat(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}

/** The answers to requests. */
export const reply = {
  status: (status: number, message: string): Reply => ({
    type: RESPONSE.status,
    body: concat([uint32(status), ...string(message), ...string('en')]),
  }),
  ok: (): Reply => reply.status(STATUS.ok, 'request succeeded'),
  handle: (handle: number): Reply => ({
    type: RESPONSE.handle,
    body: concat(string(uint32(handle))),
  }),
  data: (data: Uint8Array): Reply => ({ type: RESPONSE.data, body: concat(string(data)) }),
  names: (entries: readonly NameEntry[]): Reply => ({
    type: RESPONSE.name,
    body: concat([
      uint32(entries.length),
      ...entries.flatMap((entry) => [
        ...string(entry.name),
        ...string(entry.longName),
        ...attributes(entry.attributes),
      ]),
    ]),
  }),
  attributes: (known: Attributes): Reply => ({
    type: RESPONSE.attrs,
    body: concat(attributes(known)),
  }),
  extended: (fields: readonly Uint8Array[]): Reply => ({
    type: RESPONSE.extended,
    body: concat(fields),
  }),
}

/** An answer as it goes out. @param id - of the request. */
export function frame(id: number, { type, body }: Reply): Uint8Array {
  return concat([uint32(5 + body.length), Uint8Array.of(type), uint32(id), body])
}

/** The answer to `init`: the version, and what of OpenSSH's extensions is there. */
export function versionFrame(extensions: Readonly<Record<string, string>>): Uint8Array {
  const body = concat([
    uint32(3),
    ...Object.entries(extensions).flatMap(([name, version]) => [
      ...string(name),
      ...string(version),
    ]),
  ])
  return concat([uint32(1 + body.length), Uint8Array.of(RESPONSE.version), body])
}

/**
 * Cuts a stream into messages, without their lengths.
 *
 * @throws {@link StatusError} for one that is empty or longer than any may be: the stream is of no use then.
 */
export async function* messages(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let rest: Uint8Array = new Uint8Array()
  for await (const piece of stream) {
    rest = rest.length === 0 ? piece : concat([rest, piece])
    while (rest.length >= 4) {
      const length = new DataView(rest.buffer, rest.byteOffset).getUint32(0)
      if (length === 0 || length > MESSAGE_MAX) throw malformed()
      if (rest.length < 4 + length) break
      yield rest.slice(4, 4 + length)
      rest = rest.subarray(4 + length)
    }
  }
}
