import { CommandError } from './failure.ts'

/** Plain data of Python's: a dict is a map, a tuple a list, and bytes are text by their numbers. */
export type PlainPython =
  | null
  | boolean
  | number
  | string
  | readonly PlainPython[]
  | ReadonlyMap<PlainPython, PlainPython>

/** The mark on the stack from which a list or a tuple takes its items. */
const MARK = Symbol('mark')
/** An object that later instructions may still add to. */
type Open = null | boolean | number | string | Open[] | Map<Open, Open>

/** What is read, and how far; what was read, and what of it can be referred to again. */
interface Machine {
  readonly data: DataView
  at: number
  readonly stack: (Open | typeof MARK)[]
  readonly memo: Map<number, Open>
}

/**
 * Reads a file of Python's pickle module that holds plain data, of the protocols 0 to 5. Nothing in it is
 * run: whatever would make an object of a class is refused.
 *
 * @throws {@link CommandError} `CLI_BAD_PICKLE`.
 * @see Python's pickletools
 */
export function unpickle(bytes: Uint8Array): PlainPython {
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const machine: Machine = { data, at: 0, stack: [], memo: new Map() }
  try {
    for (;;) {
      const code = String.fromCharCode(data.getUint8(machine.at++))
      if (code === '.') return pop(machine)
      const instruction = INSTRUCTIONS[code]
      if (instruction === undefined) throw badPickle('plain data')
      instruction(machine)
    }
  } catch (error) {
    // A read beyond the end.
    if (error instanceof RangeError) throw badPickle('a whole file')
    throw error
  }
}

type Instruction = (machine: Machine) => void

/** Instructions by the character of their code. */
const INSTRUCTIONS: Readonly<Record<string, Instruction>> = {
  '\x80': (machine) => void machine.at++,
  '\x95': (machine) => void (machine.at += 8),
  '(': ({ stack }) => void stack.push(MARK),
  '0': (machine) => void pop(machine),
  '1': (machine) => void toMark(machine),
  '2': ({ stack }) => void stack.push(stack.at(-1) ?? null),
  N: push(() => null),
  '\x88': push(() => true),
  '\x89': push(() => false),
  I: push((machine) => {
    const text = line(machine)
    return text === '00' ? false : text === '01' ? true : wholeNumber(text)
  }),
  J: push(({ data }, at) => data.getInt32(at, true), 4),
  K: push(({ data }, at) => data.getUint8(at), 1),
  M: push(({ data }, at) => data.getUint16(at, true), 2),
  L: push((machine) => wholeNumber(line(machine).replace(/L$/, ''))),
  '\x8a': push((machine) => littleEndian(take(machine, machine.data.getUint8(machine.at++)))),
  F: push((machine) => Number(line(machine))),
  G: push(({ data }, at) => data.getFloat64(at), 8),
  S: push((machine) => pythonText(line(machine))),
  T: push((machine) => latin1(take(machine, size32(machine)))),
  U: push((machine) => latin1(take(machine, machine.data.getUint8(machine.at++)))),
  B: push((machine) => latin1(take(machine, size32(machine)))),
  C: push((machine) => latin1(take(machine, machine.data.getUint8(machine.at++)))),
  V: push((machine) =>
    line(machine).replaceAll(/\\u([0-9a-f]{4})/g, (_found, hex: string) =>
      String.fromCharCode(parseInt(hex, 16)),
    ),
  ),
  X: push((machine) => new TextDecoder().decode(take(machine, size32(machine)))),
  '\x8c': push((machine) =>
    new TextDecoder().decode(take(machine, machine.data.getUint8(machine.at++))),
  ),
  '}': push(() => new Map<Open, Open>()),
  ']': push(() => []),
  ')': push(() => []),
  d: push((machine) => new Map(pairs(toMark(machine)))),
  l: push(toMark),
  t: push(toMark),
  '\x85': push((machine) => machine.stack.splice(-1) as Open[]),
  '\x86': push((machine) => machine.stack.splice(-2) as Open[]),
  '\x87': push((machine) => machine.stack.splice(-3) as Open[]),
  s: (machine) => setItems(machine, [pop(machine), pop(machine)].toReversed()),
  u: (machine) => setItems(machine, toMark(machine)),
  a: (machine) => append(machine, [pop(machine)]),
  e: (machine) => append(machine, toMark(machine)),
  p: (machine) => remember(machine, wholeNumber(line(machine))),
  q: (machine) => remember(machine, machine.data.getUint8(machine.at++)),
  r: (machine) => remember(machine, size32(machine)),
  '\x94': (machine) => remember(machine, machine.memo.size),
  g: push((machine) => recall(machine, wholeNumber(line(machine)))),
  h: push(({ data, memo }, at) => recall({ memo }, data.getUint8(at)), 1),
  j: push(({ data, memo }, at) => recall({ memo }, data.getUint32(at, true)), 4),
}

/** An instruction that puts a value on the stack. @param size - of its argument, which is passed over. */
function push(value: (machine: Machine, at: number) => Open, size = 0): Instruction {
  return (machine) => {
    const read = value(machine, machine.at)
    machine.at += size
    machine.stack.push(read)
  }
}

function pop({ stack }: Machine): Open {
  const value = stack.pop()
  if (value === undefined || value === MARK) throw badPickle('something on the stack')
  return value
}

/** What was put on the stack since the last mark, which goes too. */
function toMark({ stack }: Machine): Open[] {
  const mark = stack.lastIndexOf(MARK)
  if (mark < 0) throw badPickle('a mark on the stack')
  const values = stack.splice(mark + 1) as Open[]
  stack.pop()
  return values
}

function setItems({ stack }: Machine, items: Open[]): void {
  const target = stack.at(-1)
  if (!(target instanceof Map)) throw badPickle('a dict to put items into')
  for (const [key, value] of pairs(items)) target.set(key, value)
}

function append({ stack }: Machine, items: Open[]): void {
  const target = stack.at(-1)
  if (!Array.isArray(target)) throw badPickle('a list to append to')
  for (const item of items) target.push(item)
}

function pairs(items: Open[]): [Open, Open][] {
  return items.flatMap((item, index) =>
    index % 2 === 0 ? [[item, items[index + 1] ?? null] as [Open, Open]] : [],
  )
}

function remember({ stack, memo }: Machine, index: number): void {
  const value = stack.at(-1)
  if (value === undefined || value === MARK) throw badPickle('something to remember')
  memo.set(index, value)
}

function recall({ memo }: Pick<Machine, 'memo'>, index: number): Open {
  const value = memo.get(index)
  if (value === undefined) throw badPickle('something that was remembered')
  return value
}

function size32(machine: Machine): number {
  machine.at += 4
  return machine.data.getUint32(machine.at - 4, true)
}

function take(machine: Machine, size: number): Uint8Array {
  const bytes = new Uint8Array(machine.data.buffer, machine.data.byteOffset + machine.at, size)
  machine.at += size
  if (machine.at > machine.data.byteLength) throw badPickle('a whole file')
  return bytes
}

function line(machine: Machine): string {
  let text = ''
  for (;;) {
    const character = String.fromCharCode(machine.data.getUint8(machine.at++))
    if (character === '\n') return text
    text += character
  }
}

function wholeNumber(text: string): number {
  if (!/^-?\d+$/.test(text)) throw badPickle('a whole number')
  return Number(text)
}

function littleEndian(bytes: Uint8Array): number {
  const magnitude = bytes.reduce((sum, byte, index) => sum + byte * 256 ** index, 0)
  return (bytes.at(-1) ?? 0) >= 0x80 ? magnitude - 256 ** bytes.length : magnitude
}

function latin1(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join('')
}

/** The text of a Python literal in single or double quotes, without escapes but for those of ASCII. */
function pythonText(literal: string): string {
  const [, text = ''] = /^(?:'([^]*)'|"[^]*")$/.exec(literal) ?? []
  const content = text === '' ? literal.slice(1, -1) : text
  return content.replaceAll(/\\(?:x([0-9a-f]{2})|(.))/g, (_found, hex?: string, other?: string) =>
    hex === undefined
      ? (ESCAPES[other ?? ''] ?? other ?? '')
      : String.fromCharCode(parseInt(hex, 16)),
  )
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' }

function badPickle(expected: string): CommandError {
  return new CommandError('CLI_BAD_PICKLE', `expected ${expected} in a pickle, got something else`)
}
