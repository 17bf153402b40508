import { describe, expect, it } from 'vitest'
import { IntroducerError, isIntroducerError, UnknownKeyError } from '@lafs/service-interface'

describe('the errors of introducers', () => {
  it('have their names and codes', () => {
    const error = new UnknownKeyError('only v0 keys are known')
    expect(error).toBeInstanceOf(IntroducerError)
    expect(error).toMatchObject({ name: 'UnknownKeyError', code: 'INTRODUCER_UNKNOWN_KEY' })
    expect(isIntroducerError(error)).toBe(true)
    expect(isIntroducerError(error, 'INTRODUCER_UNKNOWN_KEY')).toBe(true)
    expect(isIntroducerError(error, 'INTRODUCER_BAD_SIGNATURE')).toBe(false)
  })

  it.each([[new Error('other')], [{ code: 'INTRODUCER_UNKNOWN_KEY' }], [undefined]])(
    'are not %o',
    (value) => {
      expect(isIntroducerError(value)).toBe(false)
    },
  )
})
