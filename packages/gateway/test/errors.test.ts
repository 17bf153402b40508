import {
  CapConstraintError,
  ExistingChildError,
  FileProhibitedError,
  FilesystemError,
  NoSharesError,
  NoSuchChildError,
  NotEnoughSharesError,
  UnableToFetchCriticalDownloadDataError,
  UncoordinatedWriteError,
  UnrecoverableFileError,
} from '@lafs/filesystem-interface'
import { describe, expect, it, vi } from 'vitest'
import { describeError, WebError } from '../src/errors.ts'
import { quoteName } from '../src/quote.ts'
import { useWeb } from './web.ts'

const system = (code: string): Error =>
  Object.assign(new Error(`${code}: sorry, open '/home/me/private/x'`), { code, syscall: 'open' })

describe('a failure', () => {
  it.each<[error: unknown, status: number, text: RegExp]>([
    [new WebError(418, 'short'), 418, /^short$/],
    [new NoSuchChildError('', { childName: 'x' }), 404, /^No such child: x$/],
    [new NoSuchChildError('', { childName: 'a\nb' }), 404, /^No such child: "a\\x0ab"$/],
    [new ExistingChildError(''), 409, /^There was already a child by that name, and you asked/],
    [new NotEnoughSharesError('2 of 3'), 410, /^NotEnoughSharesError: [^]*2 of 3$/],
    [new NoSharesError('none'), 410, /^NoSharesError: /],
    [
      new UnableToFetchCriticalDownloadDataError('expected size to be 2, got 1'),
      410,
      /^UnableToFetchCriticalDownloadDataError: [^]*altered[^]*\n\nexpected size to be 2, got 1$/,
    ],
    [new UnrecoverableFileError(''), 410, /^UnrecoverableFileError: /],
    [new UncoordinatedWriteError('who?'), 409, /^UncoordinatedWriteError: who\?$/],
    [new FileProhibitedError('because'), 403, /^Access Prohibited: because$/],
    [
      new CapConstraintError('URI_MUST_BE_READONLY', '', { childName: 'x' }),
      400,
      /^MustBeReadonlyError: the child named 'x' needs/,
    ],
    [new CapConstraintError('URI_MUST_BE_READONLY', ''), 400, /: the child needs/],
    [new FilesystemError('UPLOAD_NO_SERVERS', 'none'), 500, /^FilesystemError: none$/],
    [system('ENOSPC'), 507, /^The disk of this node is full/],
    [system('EDQUOT'), 507, /^The disk of this node is full/],
    [system('EACCES'), 500, /^Internal error: EACCES$/],
    [new TypeError('oops'), 500, /^Internal error: oops$/],
    ['oops', 500, /^Internal error: unknown$/],
    [undefined, 500, /^Internal error: unknown$/],
  ])('%s is %i', (error, status, text) => {
    const described = describeError(error)
    expect(described.status).toBe(status)
    expect(described.message).toMatch(text)
  })
})

describe('a name in an error', () => {
  it.each([
    ['plain', 'plain'],
    ['with space', 'with space'],
    ['é 💾', 'é 💾'],
    ['', ''],
    ['"', '"\\""'],
    ['a"b', 'a"b'],
    ['a\x1B[31m', '"a\\x1b[31m"'],
    ['`$"\\\n', '"\\`\\$\\"\\\\\\x0a"'],
    ['\u202Etxt', '"\\u202etxt"'],
    ['a\u0085', '"a\\x85"'],
    ['\0', '"\\x00"'],
    ['x'.repeat(301), `${'x'.repeat(300)}…`],
  ])('%j', (name, quoted) => {
    expect(quoteName(name)).toBe(quoted)
  })
})

describe('a gateway', () => {
  const web = useWeb({ temporaryFolder: '/nowhere/at/all' })

  it('stays up whatever fails, and tells no path of the node', async () => {
    const large = await web.put('/uri', new Uint8Array(5_000_000))
    expect([large.status, large.text]).toEqual([500, 'Internal error: ENOENT'])
    const upload = vi.spyOn(web.client, 'upload')
    upload.mockRejectedValueOnce(system('ENOSPC'))
    expect((await web.put('/uri', 'x')).status).toBe(507)
    upload.mockImplementationOnce(() => {
      throw new Error('at once')
    })
    expect((await web.put('/uri', 'x')).status).toBe(500)
    expect((await web.put('/uri', 'x')).status).toBe(200)
    upload.mockRestore()
  })

  it('answers with a page where somebody looks', async () => {
    const page = await web.get('/nowhere', { accept: 'text/html,application/xhtml+xml' })
    expect([page.status, page.headers.get('content-type')]).toEqual([
      404,
      'text/html; charset=utf-8',
    ])
    expect((await web.get('/nowhere', { accept: '*/*' })).headers.get('content-type')).toBe(
      'text/plain;charset=utf-8',
    )
    const refused = await web.ask('POST', '/uri/garbage', { headers: { accept: 'text/html' } })
    expect([refused.status, refused.headers.get('allow')]).toEqual([405, 'GET, HEAD, DELETE'])
  })
})
