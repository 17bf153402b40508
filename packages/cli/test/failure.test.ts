import { describe, expect, it } from 'vitest'
import { blotOutSecrets, describeFailure } from '../src/failure.ts'

describe('describeFailure', () => {
  it('gives code, message and next step on one line', () => {
    const error = Object.assign(new Error('only 3 of 7 servers\nanswered'), {
      code: 'UPLOAD_UNHAPPINESS',
    })
    expect(describeFailure(error)).toBe(
      'lafs: UPLOAD_UNHAPPINESS: only 3 of 7 servers answered. Start more servers, or lower shares.happy in the [client] section of tahoe.cfg.',
    )
  })

  it.each([
    ['WEB_500', 'lafs: WEB_500: x. The log of the node may say more.'],
    ['WEB_405', 'lafs: WEB_405: x.'],
    ['URI_MALFORMED', 'lafs: URI_MALFORMED: x. Check that the whole cap was copied.'],
    ['URI_EXTENSION_BAD', 'lafs: URI_EXTENSION_BAD: x.'],
  ])('says what helps against %s', (code, text) => {
    expect(describeFailure(Object.assign(new Error('x'), { code }))).toBe(text)
  })

  it('does not repeat a code that the message begins with', () => {
    const error = Object.assign(new Error("ENOENT: no such file, open 'x'"), { code: 'ENOENT' })
    expect(describeFailure(error)).toBe(
      "lafs: ENOENT: no such file, open 'x'. Check the name of the file.",
    )
  })

  it.each([
    ["open '/home/me/URI:CHK:abc:def:3:10:99'", "open '/home/me/[cap]'"],
    ['URI%3ALIT%3Aabc is no file', '[cap] is no file'],
    ['URI%3alit%3aabc is no file', '[cap] is no file'],
    ['at pb://tub@tcp:h:1/swissnum now', 'at [cap] now'],
    ['ro.x-tahoe-future:secret', 'ro.[cap]'],
    ['nothing to hide', 'nothing to hide'],
  ])('blots out what looks like a secret: %s', (text, blotted) => {
    expect(blotOutSecrets(text)).toBe(blotted)
  })
})
