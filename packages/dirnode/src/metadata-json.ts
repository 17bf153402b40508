/** Metadata as they are handled here: JSON values, the object's keys in their order. */
export type MetadataObject = Record<string, unknown>

/**
 * How an object was spelled, as far as its members do not tell: Python knows 1.0 from 1, integers
 * of any size and NaN, and keeps keys that look like numbers where they stand.
 */
interface Spelling {
  /** The spelling of numbers that would come out differently, by key. */
  readonly numbers: Map<string, string>
  /** Present where some key looks like a number. */
  order?: string[]
}

const spellings = new WeakMap<object, Spelling>()

/** Nested deeper than this is no metadata. Python's own parser ends about there. */
const DEPTH_MAX = 500

/** Texts in which everything is spelled as JavaScript would spell it have none of these. */
const unusual = /NaN|Infinity|[0-9][eE]|\.0+(?![0-9])|[0-9]{16}|"[0-9]+"\s*:/

const space = /[ \t\n\r]*/y
const number = /NaN|-?Infinity|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y
// eslint-disable-next-line no-control-regex -- JSON forbids them in strings
const string = /"[^"\\\u0000-\u001f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\u0000-\u001f]*)*"/y
const word = /true|false|null/y

function isObject(value: unknown): value is MetadataObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** What Python's `repr` gives for a float. */
function floatText(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (!Number.isFinite(value)) return value < 0 ? '-Infinity' : 'Infinity'
  if (Object.is(value, -0)) return '-0.0'
  const size = Math.abs(value)
  if (size !== 0 && (size < 1e-4 || size >= 1e16)) {
    return value.toExponential().replace(/e([+-])([0-9])$/, 'e$10$2')
  }
  return Number.isInteger(value) ? `${value}.0` : String(value)
}

/** How Python writes a number that it has read as this text. */
function numberText(text: string): string {
  if (/^-?[0-9]+$/.test(text)) return text === '-0' ? '0' : text
  return floatText(Number(text))
}

/** How Python writes a number of which nothing is known but its value. */
function plainNumberText(value: number): string {
  return numberText(JSON.stringify(value))
}

function spellingOf(value: object): Spelling {
  let spelling = spellings.get(value)
  if (spelling === undefined) spellings.set(value, (spelling = { numbers: new Map() }))
  return spelling
}

function noteNumber(holder: object, key: string, value: number, text: string): void {
  if (Number.isFinite(value) && plainNumberText(value) === text) return
  spellingOf(holder).numbers.set(key, text)
}

function setMember(holder: object, key: string, value: unknown): void {
  Object.defineProperty(holder, key, {
    value,
    writable: true,
    enumerable: true,
    configurable: true,
  })
}

/** A parser of JSON as Python has it, that notes how things were spelled. */
class Parser {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  whole(): unknown {
    const holder: unknown[] = []
    this.#value(holder, '0', 0)
    this.#take(space)
    if (this.#at < this.#text.length) throw this.#error('the end')
    return holder[0]
  }

  #error(expected: string): SyntaxError {
    return new SyntaxError(`expected ${expected} at character ${this.#at}`)
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)?.[0]
    if (found !== undefined) this.#at += found.length
    return found
  }

  /** Whether this character comes next, which is then taken. */
  #is(character: string): boolean {
    this.#take(space)
    if (this.#text[this.#at] !== character) return false
    this.#at++
    return true
  }

  #value(holder: object, key: string, depth: number): void {
    if (depth > DEPTH_MAX) throw this.#error(`at most ${DEPTH_MAX} levels`)
    if (this.#is('{')) return setMember(holder, key, this.#object(depth + 1))
    if (this.#is('[')) return setMember(holder, key, this.#array(depth + 1))
    const plain = this.#take(string) ?? this.#take(word)
    if (plain !== undefined) return setMember(holder, key, JSON.parse(plain))
    const text = this.#take(number)
    if (text === undefined) throw this.#error('a value')
    const value = Number(text)
    setMember(holder, key, value)
    noteNumber(holder, key, value, numberText(text))
  }

  #object(depth: number): MetadataObject {
    const object: MetadataObject = {}
    const keys = new Set<string>()
    if (this.#is('}')) return object
    do {
      this.#take(space)
      const quoted = this.#take(string)
      if (quoted === undefined) throw this.#error('a key')
      const key: string = JSON.parse(quoted)
      if (!this.#is(':')) throw this.#error('a colon')
      spellings.get(object)?.numbers.delete(key)
      keys.add(key)
      this.#value(object, key, depth)
    } while (this.#is(','))
    if (!this.#is('}')) throw this.#error('a comma or a brace')
    const order = [...keys]
    if (order.some((key) => /^[0-9]+$/.test(key))) spellingOf(object).order = order
    return object
  }

  #array(depth: number): unknown[] {
    const array: unknown[] = []
    if (this.#is(']')) return array
    do {
      this.#value(array, String(array.length), depth)
    } while (this.#is(','))
    if (!this.#is(']')) throw this.#error('a comma or a bracket')
    return array
  }
}

/** JSON with nothing unusual in it. The platform's error would quote the text, which is somebody's. */
function parsePlain(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new SyntaxError('expected JSON')
  }
}

/**
 * The metadata that a text stands for: JSON as Python reads it, with `NaN`, `Infinity` and integers
 * of any size. The objects remember how their numbers were spelled, so that
 * {@link formatMetadata} writes what Python would; copies of them do not.
 *
 * @throws SyntaxError for what is no JSON, and for what is no object.
 */
export function parseMetadata(text: string): MetadataObject {
  const value: unknown = unusual.test(text) ? new Parser(text).whole() : parsePlain(text)
  if (!isObject(value)) throw new SyntaxError('expected an object')
  return value
}

function textOfString(value: string): string {
  return JSON.stringify(value).replaceAll(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

function keysOf(object: MetadataObject): readonly string[] {
  const order = spellings.get(object)?.order
  const keys = Object.keys(object)
  if (order === undefined) return keys
  const kept = order.filter((key) => Object.hasOwn(object, key))
  return [...kept, ...keys.filter((key) => !order.includes(key))]
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

function format(value: unknown, holder: object | undefined, key: string, depth: number): string {
  if (depth > DEPTH_MAX) throw new TypeError(`metadata: expected at most ${DEPTH_MAX} levels`)
  if (value === null || typeof value === 'boolean') return String(value)
  if (typeof value === 'string') return textOfString(value)
  if (typeof value === 'number') {
    const noted = holder && spellings.get(holder)?.numbers.get(key)
    if (noted !== undefined && Object.is(Number(noted), value)) return noted
    if (Number.isFinite(value)) return plainNumberText(value)
  }
  if (Array.isArray(value)) {
    const items = value.map((item, index) => format(item, value, String(index), depth + 1))
    return `[${items.join(', ')}]`
  }
  if (isObject(value) && isPlain(value)) {
    const members = keysOf(value)
      .filter((name) => value[name] !== undefined)
      .map((name) => `${textOfString(name)}: ${format(value[name], value, name, depth + 1)}`)
    return `{${members.join(', ')}}`
  }
  throw new TypeError(`metadata: expected JSON, got ${kindOf(value)}`)
}

function kindOf(value: unknown): string {
  return typeof value === 'number'
    ? 'a number that is not finite'
    : `a value of type ${typeof value}`
}

/**
 * The text of metadata, character for character as Python's `json.dumps` writes it: pure ASCII,
 * with a space after each comma and colon. Members that are undefined are left out.
 *
 * @throws TypeError for what JSON cannot hold, and for what is no object.
 */
export function formatMetadata(metadata: Readonly<MetadataObject>): string {
  if (!isObject(metadata)) throw new TypeError('metadata: expected an object')
  return format(metadata, undefined, '', 0)
}

/** A copy of one level, spelled alike. */
function copyOf(object: Readonly<MetadataObject>): MetadataObject {
  const copy: MetadataObject = {}
  for (const [key, value] of Object.entries(object)) setMember(copy, key, value)
  const spelling = spellings.get(object)
  if (spelling !== undefined) {
    const { numbers, order } = spelling
    spellings.set(copy, { numbers: new Map(numbers), ...(order && { order: [...order] }) })
  }
  return copy
}

function deleteMember(object: MetadataObject, key: string): void {
  Reflect.deleteProperty(object, key)
  const spelling = spellings.get(object)
  spelling?.numbers.delete(key)
  if (spelling?.order !== undefined) spelling.order = spelling.order.filter((name) => name !== key)
}

function setFloat(object: MetadataObject, key: string, value: number): void {
  setMember(object, key, value)
  noteNumber(object, key, value, floatText(value))
}

/**
 * The metadata of an entry that is added or changed. What the caller gives replaces the old, all but
 * `tahoe`: that is the file store's, which notes there when the entry was first made and when it was
 * last changed. Files from before `tahoe` kept the former in `ctime`.
 *
 * @param old - undefined for a new entry.
 * @param replacement - undefined to keep the old.
 * @param nowSeconds - since 1970.
 * @returns a fresh object.
 * @see allmydata.dirnode.update_metadata
 */
export function updateMetadata(
  old: Readonly<MetadataObject> | undefined,
  replacement: Readonly<MetadataObject> | undefined,
  nowSeconds: number,
): MetadataObject {
  const metadata = copyOf(replacement ?? old ?? {})
  const oldTimes = old?.['tahoe']
  if (replacement !== undefined) deleteMember(metadata, 'tahoe')
  const times = isObject(oldTimes) ? copyOf(oldTimes) : {}
  if (!Object.hasOwn(times, 'linkcrtime')) {
    const created = old !== undefined && Object.hasOwn(old, 'ctime') ? old['ctime'] : null
    if (old !== undefined && created !== null) {
      setMember(times, 'linkcrtime', created)
      const spelled = spellings.get(old)?.numbers.get('ctime')
      if (spelled !== undefined) spellingOf(times).numbers.set('linkcrtime', spelled)
    } else {
      setFloat(times, 'linkcrtime', nowSeconds)
    }
  }
  setFloat(times, 'linkmotime', nowSeconds)
  setMember(metadata, 'tahoe', times)
  return metadata
}

/**
 * Whether metadata ask for an entry that cannot write to its child: `no-write` with a value that
 * Python takes for true.
 */
export function asksForNoWrite(metadata: Readonly<MetadataObject>): boolean {
  const value = metadata['no-write']
  if (Array.isArray(value)) return value.length > 0
  if (isObject(value)) return Object.keys(value).length > 0
  return Number.isNaN(value) || Boolean(value)
}
