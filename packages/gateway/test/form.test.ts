import { uploadableFromBytes } from '@lafs/immutable'
import { expect, it } from 'vitest'
import type { GatewayRequest } from '../src/exchange.ts'
import { readForm } from '../src/request/form.ts'
import type { RequestForm } from '../src/request/form.ts'

const MIB = 1024 * 1024
const encoder = new TextEncoder()
const head = (name: string): Uint8Array =>
  encoder.encode(`--B\r\nContent-Disposition: form-data; ${name}\r\n\r\n`)

/** Reads a form of these pieces. */
const read = (...pieces: Uint8Array[]): ReturnType<typeof readAs> =>
  readAs('multipart/form-data; boundary=B', ...pieces)

async function readAs(
  contentType: string,
  ...pieces: Uint8Array[]
): Promise<{
  form: Promise<RequestForm | undefined>
  closed: () => number
}> {
  let closed = 0
  async function* body(): AsyncGenerator<Uint8Array> {
    yield* pieces
  }
  const request: GatewayRequest = {
    method: 'POST',
    target: '/uri',
    headers: new Map([['content-type', contentType]]),
    body: body(),
    signal: new AbortController().signal,
  }
  const form = readForm(request, async (content) => {
    for await (const _ of content);
    return {
      ...uploadableFromBytes(new Uint8Array()),
      close: async () => {
        closed += 1
      },
    }
  })
  await form.catch(() => undefined)
  return { form, closed: () => closed }
}

it('is limited in all of its fields together', async () => {
  const field = [head('name=a'), new Uint8Array(3 * MIB), encoder.encode('\r\n')]
  const five = [field, field, field, field, field].flat()
  expect((await (await read(...five, encoder.encode('--B--'))).form)?.fields.get('a')?.length).toBe(
    5,
  )
  const { form } = await read(...five, ...field, encoder.encode('--B--'))
  await expect(form).rejects.toMatchObject({ status: 413 })
})

it('gives up the file that it had when the rest is none', async () => {
  const file = [head('name=file; filename=f'), encoder.encode('content\r\n')]
  const good = await read(...file, encoder.encode('--B--'))
  expect((await good.form)?.file?.name).toBe('f')
  expect(good.closed()).toBe(0)
  for (const rest of [[encoder.encode('--B\r\n')], [...file, encoder.encode('--B--')]]) {
    const { form, closed } = await read(...file, ...rest)
    await expect(form).rejects.toMatchObject({ status: 400 })
    expect(closed()).toBe(1)
  }
})

it.each([
  ['fields', 't=mkdir&x=', 413],
  ['a field without a name', '=', 413],
  ['no field at all', 'a', 413],
  ['JSON', ' {"', undefined],
  ['a list in JSON', '[', undefined],
])('may be long like a query only where it is none: %s', async (_, begin, status) => {
  const rest = new Uint8Array(16 * MIB).fill(0x61)
  const { form } = await readAs('application/x-www-form-urlencoded', encoder.encode(begin), rest)
  if (status === undefined) expect((await form)?.raw?.length).toBe(begin.length + rest.length)
  else
    await expect(form).rejects.toMatchObject({ status, message: expect.stringContaining('fields') })
})
