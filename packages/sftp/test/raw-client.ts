import { PassThrough } from 'node:stream'
import { FilesInWork } from '../src/files-in-work.ts'
import { FieldReader, REQUEST, uint32, uint64 } from '../src/protocol.ts'
import { Session } from '../src/session.ts'
import type { SessionContext } from '../src/session.ts'
import { Subsystem } from '../src/subsystem.ts'
import { Transfers } from '../src/transfers.ts'

/** An answer: its type, and its fields. */
export interface Answer {
  readonly type: number
  readonly fields: FieldReader
}

/** A connection behind SSH: whole requests go in, in any order and before the answers to others. */
export interface RawClient {
  /** @returns the answer, whenever it comes. */
  ask(type: number, ...fields: readonly Uint8Array[]): Promise<Answer>
  /** Sends bytes as they are. */
  send(bytes: Uint8Array): void
  /** Goes away; settles when the server has noticed. @returns what the server threw, if anything. */
  leave(): Promise<unknown>
}

/** A string as requests have it. */
export function text(value: string | Uint8Array): Uint8Array {
  const bytes = typeof value === 'string' ? new TextEncoder().encode(value) : value
  return concat([uint32(bytes.length), bytes])
}

/** Attributes that say nothing. */
export const noAttributes: Uint8Array = uint32(0)

/** The fields of a read or a write after the handle. */
export const offset: (value: number) => Uint8Array = uint64

export function concat(pieces: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(pieces.flatMap((piece) => [...piece]))
}

/** A connection of a user. @param filesInWork - shared by the connections of a frontend. */
export function connect(
  context: Omit<SessionContext, 'filesInWork'>,
  rootCap: string,
  filesInWork: FilesInWork = new FilesInWork(),
): RawClient {
  const input = new PassThrough()
  const waiting = new Map<number, (answer: Answer) => void>()
  const session = new Session({ ...context, filesInWork }, new Transfers(), rootCap)
  const served = new Subsystem(session)
    .serve(input, async (bytes) => {
      const fields = new FieldReader(bytes)
      fields.uint32()
      const type = fields.byte()
      const id = fields.uint32()
      waiting.get(id)?.({ type, fields })
      waiting.delete(id)
    })
    .then(
      () => undefined,
      (error: unknown) => error,
    )
  let nextId = 1
  return {
    ask: (type, ...fields) =>
      new Promise((resolve) => {
        const id = nextId++
        waiting.set(id, resolve)
        const body = concat(fields)
        input.write(concat([uint32(5 + body.length), Uint8Array.of(type), uint32(id), body]))
      }),
    send: (bytes) => void input.write(bytes),
    leave: () => {
      input.end()
      return served
    },
  }
}

/** The status of an answer. */
export function statusOf({ type, fields }: Answer): number {
  if (type !== 101) throw new Error(`expected a status, got an answer of type ${type}`)
  return fields.uint32()
}

/** Opens a file. @returns its handle, as later requests have it. */
export async function open(client: RawClient, path: string, flags: number): Promise<Uint8Array> {
  const answer = await client.ask(REQUEST.open, text(path), uint32(flags), noAttributes)
  if (answer.type !== 102) throw new Error(`expected a handle, got status ${statusOf(answer)}`)
  return text(answer.fields.bytes())
}

export { REQUEST, uint32 }
