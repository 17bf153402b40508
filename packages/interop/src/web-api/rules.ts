import { isFailure } from './compare.ts'
import type { DifferenceRule } from './compare.ts'

const PLAIN = 'text/plain;charset=utf-8'
const isText = (value: unknown): value is string => typeof value === 'string'

/** Whether one text is the other with the quotes of Python's bytes, as in `b'yes'`. */
function isOfBytes(upstream: unknown, own: unknown): boolean {
  return isText(upstream) && isText(own) && upstream.replaceAll(/\bb'/g, "'") === own
}

/** Whether both texts begin with the same name of an error. */
function hasSameName(upstream: unknown, own: unknown): boolean {
  if (!isText(upstream) || !isText(own)) return false
  const name = /^(error: )?\w+Error: /.exec(upstream)?.[0]
  return name !== undefined && own.startsWith(name)
}

/** What differs by intent in one way, wherever it is met. */
export const differenceRules: readonly DifferenceRule[] = [
  {
    reason: 'Upstream calls every text HTML to which it gives no type, such as a cap.',
    aspect: 'type',
    explains: (upstream, own) => upstream === 'text/html' && own === PLAIN,
  },
  {
    reason: 'Texts say in which charset they are.',
    aspect: 'type',
    explains: (upstream, own) => upstream === 'text/plain' && own === PLAIN,
  },
  {
    reason: 'Pages say in which charset they are.',
    aspect: 'type',
    explains: (upstream, own) => upstream === 'text/html' && own === 'text/html;charset=utf-8',
  },
  {
    reason: 'Upstream puts some errors into a page, also for programs; ours are texts.',
    aspect: 'type',
    explains: (upstream, own) => upstream === 'text/html;charset=utf-8' && own === PLAIN,
  },
  {
    reason: 'An ETag stands in quotes, as HTTP has it.',
    aspect: 'etag',
    explains: (upstream, own) => isText(upstream) && own === `"${upstream}"`,
  },
  {
    reason:
      'Pages tell their address to their own gateway: browsers would hide from it whether a form is its own.',
    aspect: 'referrer-policy',
    explains: (upstream, own) => upstream === 'no-referrer' && own === 'same-origin',
  },
  {
    reason: 'HEAD gives the ETag that GET gives.',
    aspect: 'etag',
    explains: (upstream, own) => upstream === undefined && own !== undefined,
  },
  {
    reason: 'What is not there has its own words.',
    aspect: 'body',
    explains: (upstream) =>
      upstream === 'Sorry. No luck finding that resource.' || upstream === 'File not found.',
  },
  {
    reason: 'The path, with the cap, is not repeated to say which methods there are.',
    aspect: 'body',
    explains: (upstream) => isText(upstream) && upstream.startsWith('Your browser approached me'),
  },
  {
    reason: 'Upstream shows some arguments as Python writes bytes.',
    aspect: 'body',
    explains: isOfBytes,
  },
  {
    reason: 'Errors have the names that programs go by, and words of their own.',
    aspect: 'body',
    explains: hasSameName,
  },
  {
    reason: 'Upstream fails, or closes the connection, where ours says what is wrong.',
    aspect: 'status',
    explains: (upstream, own) =>
      isFailure(upstream) && typeof own === 'number' && own >= 400 && own < 500,
  },
]
