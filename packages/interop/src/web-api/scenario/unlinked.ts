import { get, head, post, put, del } from '../scenario.ts'
import type { WebGroup } from '../scenario.ts'

const TEXT = 'A text that is too long to stand in its own cap: it goes to the servers. '
const file = (value: string, filename = 'a name.txt') => ({ name: 'file', value, filename })
const CHILDREN = JSON.stringify({
  'a file': ['filenode', { ro_uri: '<chk>', metadata: { kept: [1, 'two', null] } }],
  mutable: ['filenode', { rw_uri: '<sdmf>', ro_uri: '<sdmf:ro>' }],
  below: ['dirnode', { rw_uri: '<empty-dir>' }],
  unknown: ['unknown', { ro_uri: '<future-ro>' }],
})
const IMMUTABLE_CHILDREN = JSON.stringify({
  'a file': ['filenode', { ro_uri: '<chk>', metadata: { kept: true } }],
  'a literal': ['filenode', { ro_uri: '<lit>' }],
  below: ['dirnode', { ro_uri: '<imm>' }],
})

const putFile: WebGroup = {
  name: 'put a file that is linked nowhere',
  steps: [
    put('/uri', { body: 'short' }),
    put('/uri', { id: 'the longest literal', body: 'x'.repeat(55) }),
    put('/uri', { id: 'one byte more', body: 'x'.repeat(56) }),
    put('/uri', { id: 'empty', body: '' }),
    put('/uri', { id: 'without a body' }),
    put('/uri', { id: 'several segments', body: TEXT.repeat(4000) }),
    put('/uri/', { body: TEXT }),
    put('/cap', { body: TEXT }),
    put('/uri?format=CHK', { body: TEXT }),
    put('/uri?format=chk', { body: TEXT }),
    put('/uri?format=SDMF', { body: TEXT, keep: 'new-sdmf' }),
    get('/uri/<new-sdmf>'),
    get('/uri/<new-sdmf>?t=json'),
    put('/uri?format=mdmf', { body: TEXT, keep: 'new-mdmf' }),
    get('/uri/<new-mdmf>'),
    get('/uri/<new-mdmf>?t=json'),
    put('/uri?mutable=true', { body: TEXT, keep: 'new-mutable' }),
    get('/uri/<new-mutable>?t=json'),
    put('/uri?mutable=TRUE', { body: '' }),
    put('/uri?mutable=false', { body: TEXT }),
    put('/uri?mutable=off', { body: TEXT }),
    put('/uri?mutable=yes', { body: TEXT }),
    put('/uri?mutable=', { body: TEXT }),
    put('/uri?mutable=true&format=CHK', { body: TEXT }),
    put('/uri?mutable=false&format=SDMF', { body: TEXT }),
    put('/uri?format=SDMF&format=CHK', { body: TEXT }),
    put('/uri?format=TAR', { body: TEXT }),
    put('/uri?format=', { body: TEXT }),
    put('/uri?format=%FF', { body: TEXT }),
    put('/uri?t=upload', { body: TEXT }),
    put('/uri?t=bogus', { body: TEXT }),
    put('/uri?t=', { body: TEXT }),
    put('/uri?t=%20mkdir%20'),
    put('/uri?unknown=argument', { body: TEXT }),
    put('/uri', {
      id: 'Content-Range',
      body: TEXT,
      headers: { 'content-range': 'bytes 0-4/10' },
    }),
    put('/uri?format=SDMF&private-key=<private-key>', { body: TEXT, keep: 'of-a-key' }),
    get('/uri/<of-a-key>'),
    put('/uri?format=CHK&private-key=<private-key>', { body: TEXT }),
    put('/uri?format=SDMF&private-key=no%20key', { body: TEXT }),
    put('/uri?format=SDMF&private-key=', { body: TEXT, compare: 'status' }),
  ],
}

const putDirectory: WebGroup = {
  name: 'put a directory that is linked nowhere',
  steps: [
    put('/uri?t=mkdir', { keep: 'new-dir' }),
    get('/uri/<new-dir>?t=json'),
    put('/uri?t=mkdir&format=SDMF'),
    put('/uri?t=mkdir&format=MDMF', { keep: 'new-mdmf-dir' }),
    get('/uri/<new-mdmf-dir>?t=json'),
    put('/uri?t=mkdir&format=CHK'),
    put('/uri?t=mkdir&format=TAR'),
    put('/uri?t=mkdir&mutable=true'),
    put('/uri?t=mkdir', { id: 'with a body', body: 'ignored' }),
    put('/uri?t=mkdir-with-children', { body: CHILDREN }),
  ],
}

const postFile: WebGroup = {
  name: 'post a file that is linked nowhere',
  steps: [
    post('/uri', { form: [file(TEXT)] }),
    post('/uri?t=upload', { form: [file(TEXT)] }),
    post('/uri', { id: 't in the form', form: [{ name: 't', value: 'upload' }, file(TEXT)] }),
    post('/uri', { id: 't behind the file', form: [file(TEXT), { name: 't', value: 'upload' }] }),
    post('/uri?t=upload&when_done=%2Funi%2F%25(uri)s', { form: [file(TEXT)] }),
    post('/uri?t=upload&when_done=status', { form: [file(TEXT)] }),
    post('/uri?t=upload', {
      id: 'when_done in the form',
      form: [{ name: 'when_done', value: '/uri/%(uri)s' }, file(TEXT)],
    }),
    post('/uri?t=upload&when_done=http%3A%2F%2Fexample.org%2F', { form: [file(TEXT)] }),
    post('/uri?t=upload&format=SDMF', { form: [file(TEXT)] }),
    post('/uri?t=upload&format=MDMF', { form: [file(TEXT)] }),
    post('/uri?t=upload&mutable=true', { form: [file(TEXT)] }),
    post('/uri?t=upload', {
      id: 'format in the form',
      form: [{ name: 'format', value: 'SDMF' }, file(TEXT)],
    }),
    post('/uri?t=upload&format=TAR', { form: [file(TEXT)] }),
    post('/uri?t=upload', { id: 'no file', form: [{ name: 'name', value: 'x' }] }),
    post('/uri?t=upload', { id: 'a file without a name', form: [{ name: 'file', value: TEXT }] }),
    post('/uri?t=upload', { id: 'no form at all', body: TEXT }),
    post('/uri?t=upload', { id: 'nothing' }),
    post('/uri?t=upload', {
      id: 'a form that is cut',
      headers: { 'content-type': 'multipart/form-data; boundary=b' },
      body: '--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\ndata',
    }),
    post('/uri?t=upload', {
      id: 'a form without a boundary',
      headers: { 'content-type': 'multipart/form-data' },
      body: 'data',
    }),
    post('/uri?t=bogus', { form: [file(TEXT)] }),
    post('/uri?t=bogus', { id: 'an unknown t and no form' }),
  ],
}

const postDirectory: WebGroup = {
  name: 'post a directory that is linked nowhere',
  steps: [
    post('/uri?t=mkdir', { keep: 'posted-dir' }),
    get('/uri/<posted-dir>?t=json'),
    post('/uri?t=mkdir&format=MDMF'),
    post('/uri?t=mkdir&private-key=<second-key>', { keep: 'dir-of-a-key' }),
    get('/uri/<dir-of-a-key>?t=json'),
    post('/uri?t=mkdir&private-key=nonsense'),
    post('/uri?t=mkdir&format=CHK'),
    post('/uri?t=mkdir&format=TAR'),
    post('/uri', { id: 'as a form', form: [{ name: 't', value: 'mkdir' }] }),
    post('/uri', {
      id: 'as an urlencoded form',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: 't=mkdir&format=MDMF',
    }),
    post('/uri?t=mkdir&redirect_to_result=true'),
    post('/uri?t=mkdir&redirect_to_result=false'),
    post('/uri?t=mkdir&redirect_to_result=perhaps'),
    post('/uri?t=mkdir&when_done=status'),
    post('/uri?t=mkdir-with-children', { body: CHILDREN, keep: 'with-children' }),
    get('/uri/<with-children>?t=json'),
    post('/uri?t=mkdir-with-children&format=MDMF', { body: CHILDREN }),
    post('/uri?t=mkdir-with-children&redirect_to_result=true', { body: CHILDREN }),
    post('/uri?t=mkdir-with-children', { id: 'no children', body: '{}' }),
    post('/uri?t=mkdir-with-children', { id: 'no body' }),
    post('/uri?t=mkdir-with-children', { id: 'no JSON', body: 'children' }),
    post('/uri?t=mkdir-with-children', { id: 'a list', body: '[]' }),
    post('/uri?t=mkdir-with-children', { id: 'a number', body: '{"name": 1}' }),
    post('/uri?t=mkdir-with-children', { id: 'one item', body: '{"name": ["filenode"]}' }),
    post('/uri?t=mkdir-with-children', { id: 'no caps', body: '{"name": ["filenode", {}]}' }),
    post('/uri?t=mkdir-with-children', {
      id: 'an unknown cap that writes',
      body: '{"name": ["unknown", {"rw_uri": "<future>"}]}',
    }),
    post('/uri?t=mkdir-with-children', {
      id: 'a cap that writes in the place of one that reads',
      body: '{"name": ["filenode", {"ro_uri": "<sdmf>"}]}',
    }),
    post('/uri?t=mkdir-with-children', {
      id: 'a cap that is no text',
      body: '{"name": ["filenode", {"ro_uri": 7}]}',
    }),
    post('/uri?t=mkdir-immutable', { body: IMMUTABLE_CHILDREN, keep: 'new-imm' }),
    get('/uri/<new-imm>?t=json'),
    post('/uri?t=mkdir-immutable', { id: 'empty', body: '{}' }),
    post('/uri?t=mkdir-immutable&redirect_to_result=true', { body: IMMUTABLE_CHILDREN }),
    post('/uri?t=mkdir-immutable', {
      id: 'with a mutable file',
      body: '{"a name": ["filenode", {"ro_uri": "<sdmf:ro>"}]}',
    }),
    post('/uri?t=mkdir-immutable', {
      id: 'with a mutable directory',
      body: '{"a name": ["dirnode", {"rw_uri": "<empty-dir>"}]}',
    }),
    post('/uri?t=mkdir-immutable', {
      id: 'with an unknown cap',
      body: '{"a name": ["unknown", {"ro_uri": "<future-imm>"}]}',
    }),
    post('/uri?t=mkdir-immutable', {
      id: 'with an unknown cap that may be mutable',
      body: '{"a name": ["unknown", {"ro_uri": "<future-ro>"}]}',
    }),
    post('/uri?t=mkdir-immutable', { id: 'no JSON', body: '{' }),
  ],
}

const redirects: WebGroup = {
  name: 'a cap as an argument',
  steps: [
    get('/uri'),
    head('/uri'),
    del('/uri'),
    get('/uri?uri=<chk>'),
    get('/uri/?uri=<chk>'),
    get('/cap?uri=<chk>'),
    get('/uri?uri=<chk>&t=json'),
    get('/uri?uri=<dir>&t=json&t=uri&save=true'),
    get('/uri?uri=<dir>%2Fpath'),
    get('/uri?uri='),
    get('/uri?uri=nonsense'),
    get('/uri?uri=..%2F..%2Fstatus'),
    get('/uri?uri=http%3A%2F%2Fexample.org%2F'),
    get('/uri?uri=<future>'),
    get('/uri?uri=<chk>&uri=<lit>'),
    head('/uri?uri=<chk>'),
    get('/uri/'),
  ],
}

/** Requests on `/uri` itself. */
export const unlinkedGroups: readonly WebGroup[] = [
  putFile,
  putDirectory,
  postFile,
  postDirectory,
  redirects,
]
