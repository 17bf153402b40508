import { get, post } from '../scenario.ts'
import type { WebGroup } from '../scenario.ts'

const check: WebGroup = {
  name: 'check',
  steps: [
    ...[
      '<lit>',
      '<chk>',
      '<big>',
      '<sdmf>',
      '<sdmf:ro>',
      '<mdmf>',
      '<chk:verify>',
      '<dir>',
    ].flatMap((cap) => [
      post(`/uri/${cap}?t=check&output=JSON`),
      post(`/uri/${cap}?t=check&output=json&verify=true`),
      post(`/uri/${cap}?t=check`),
    ]),
    post('/uri/<imm>?t=check&output=JSON'),
    post('/uri/<lit-dir>?t=check&output=JSON'),
    post('/uri/<dir:ro>?t=check&output=JSON'),
    post('/uri/<dir:verify>?t=check&output=JSON'),
    post('/uri/<dir>/a%20file?t=check&output=JSON'),
    post('/uri/<dir>/no-such?t=check&output=JSON'),
    post('/uri/<dir>/no/such?t=check&output=JSON'),
    post('/uri/<gone>?t=check&output=JSON'),
    post('/uri/<gone-mutable>?t=check&output=JSON'),
    post('/uri/<gone-dir>?t=check&output=JSON'),
    post('/uri/<unhealthy>?t=check&output=JSON'),
    post('/uri/<unrecoverable>?t=check&output=JSON'),
    post('/uri/<corrupt>?t=check&output=JSON'),
    post('/uri/<corrupt>?t=check&output=JSON&verify=true'),
    post('/uri/<corrupt>?t=check&verify=true'),
    post('/uri/<chk>?t=check&output=JSON&add-lease=true'),
    post('/uri/<sdmf>?t=check&output=JSON&add-lease=true&verify=true'),
    post('/uri/<chk>?t=check&output=JSON&repair=true'),
    post('/uri/<lit>?t=check&output=JSON&repair=true'),
    post('/uri/<sdmf>?t=check&output=JSON&repair=true'),
    post('/uri/<dir>?t=check&output=JSON&repair=true'),
    post('/uri/<chk>?t=check&repair=true'),
    post('/uri/<unrecoverable>?t=check&output=JSON&repair=true'),
    post('/uri/<damaged>?t=check&output=JSON&repair=true', { compare: 'shape' }),
    post('/uri/<damaged>?t=check&output=JSON', { compare: 'shape' }),
    post('/uri/<damaged-mutable>?t=check&output=JSON', { compare: 'any-server' }),
    post('/uri/<damaged-mutable>?t=check&output=JSON&repair=true&verify=true', {
      compare: 'any-server',
    }),
    post('/uri/<chk>?t=check&output=HTML'),
    post('/uri/<chk>?t=check&verify=perhaps'),
    post('/uri/<chk>?t=check&repair=perhaps'),
    post('/uri/<chk>?t=check&add-lease=perhaps'),
    post('/uri/<dir>?t=check&verify=perhaps'),
    post('/uri/<chk>?t=check&output=JSON&when_done=.'),
    post('/uri/<chk>?t=check&return_to=.'),
    post('/uri/<chk>', { id: 'as a form', form: [{ name: 't', value: 'check' }] }),
    get('/uri/<chk>?t=check'),
  ],
}

/** Starts an operation on a tree, asks for what it found in all ways, and lets go of it. */
function operation(kind: string, handle: string, args = ''): WebGroup {
  const at = `/operations/${handle}`
  return {
    name: `start ${kind}${args && ` with ${args.slice(1)}`}`,
    steps: [
      post(`/uri/<dir>?t=start-${kind}${args}&ophandle=${handle}`),
      get(`${at}?t=status&output=JSON`, { untilFinished: true }),
      get(`${at}?output=JSON`),
      get(`${at}?output=json`),
      get(at),
      get(`${at}?output=html`),
      get(`${at}?output=text`),
      get(`${at}?output=bogus`),
      get(`${at}?output=JSON&retain-for=1000`),
      get(`${at}?output=JSON&retain-for=abc`),
      get(`${at}?output=JSON&release-after-complete=perhaps`),
      get(`${at}/<chk:si>?output=JSON`),
      get(`${at}/<chk:si>`),
      get(`${at}/<gone:si>?output=JSON`),
      get(`${at}/nonsense?output=JSON`),
      get(`${at}?output=JSON&release-after-complete=true`),
      get(`${at}?output=JSON`, { id: 'after its release' }),
    ],
  }
}

const operations: WebGroup = {
  name: 'operations',
  steps: [
    ...['deep-check', 'manifest', 'deep-size', 'deep-stats'].flatMap((kind) => [
      post(`/uri/<dir>?t=start-${kind}`),
      post(`/uri/<dir>?t=start-${kind}&ophandle=`),
      post(`/uri/<chk>?t=start-${kind}&ophandle=x`),
    ]),
    post('/uri/<dir>?t=start-deep-check&ophandle=x&verify=perhaps'),
    post('/uri/<gone-dir>?t=start-manifest&ophandle=of-nothing'),
    get('/operations/of-nothing?output=JSON', { untilFinished: true }),
    get('/operations/of-nothing?output=text'),
    post('/uri/<dir>?t=start-manifest&ophandle=with%20output&output=JSON'),
    get('/operations/with%20output?output=JSON', { untilFinished: true }),
    post('/uri/<dir>?t=start-manifest&ophandle=redirected&when_done=.'),
    post('/uri/<dir:ro>?t=start-manifest&ophandle=ro'),
    get('/operations/ro?output=JSON', { untilFinished: true }),
    post('/uri/<imm>?t=start-deep-check&ophandle=imm'),
    get('/operations/imm?output=JSON', { untilFinished: true }),
    post('/uri/<dir>/%C3%A9?t=start-deep-stats&ophandle=below'),
    get('/operations/below?output=JSON', { untilFinished: true }),
    post('/uri/<dir>', {
      id: 'as a form',
      form: [
        { name: 't', value: 'start-manifest' },
        { name: 'ophandle', value: 'form' },
      ],
    }),
    post('/operations/form?t=cancel', { compare: 'status' }),
    get('/operations/form', { id: 'after it was cancelled' }),
    post('/uri/<dir>?t=start-manifest&ophandle=retained&retain-for=abc'),
    post('/uri/<dir>?t=start-manifest&ophandle=retained&retain-for=-1'),
    get('/operations/no-such?output=JSON'),
    get('/operations/no-such'),
    post('/operations/no-such?t=cancel'),
    get('/operations'),
    get('/operations/'),
  ],
}

const streams: WebGroup = {
  name: 'streamed deep operations',
  steps: [
    ...['<dir>', '<dir:ro>', '<imm>', '<lit-dir>', '<empty-dir>'].flatMap((cap) => [
      post(`/uri/${cap}?t=stream-manifest`),
      post(`/uri/${cap}?t=stream-deep-check`),
    ]),
    post('/uri/<dir>?t=stream-deep-check&verify=true'),
    post('/uri/<dir>?t=stream-deep-check&add-lease=true'),
    post('/uri/<dir>?t=stream-deep-check&repair=true'),
    post('/uri/<dir>?t=stream-deep-check&verify=perhaps'),
    post('/uri/<dir>/%C3%A9?t=stream-manifest'),
    post('/uri/<dir>/no-such?t=stream-manifest'),
    post('/uri/<gone-dir>?t=stream-manifest', { compare: 'status' }),
    post('/uri/<gone-dir>?t=stream-deep-check', { compare: 'status' }),
    post('/uri/<with-gone>?t=stream-manifest', { compare: 'status' }),
    post('/uri/<chk>?t=stream-manifest'),
    get('/uri/<dir>?t=stream-manifest'),
  ],
}

/** Requests that look at the health of files, and that walk through trees. */
export const checkGroups: readonly WebGroup[] = [
  check,
  operation('deep-check', 'deep-check'),
  operation('deep-check', 'deep-check-and-repair', '&repair=true&verify=true'),
  operation('manifest', 'manifest'),
  operation('deep-size', 'deep-size'),
  operation('deep-stats', 'deep-stats'),
  operations,
  streams,
]
