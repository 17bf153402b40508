import type { StorageResponse } from './types.ts'

/** The web `Response` for what a handler answered. (A web `Request` needs no adapter.) */
export function toWebResponse(response: StorageResponse): Response {
  const { status, headers, body } = response
  const init = { status, headers: { ...headers } }
  if (body === null || body instanceof Uint8Array) {
    return new Response(body, init)
  }
  return new Response(
    new ReadableStream<Uint8Array>({
      async pull(controller) {
        const { done, value } = await body.next()
        if (done === true) controller.close()
        else controller.enqueue(value)
      },
      async cancel() {
        await body.return?.()
      },
    }),
    init,
  )
}
