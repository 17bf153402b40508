import { describe, expect, it } from 'vitest'
import { CodecError, isCodecError } from '@lafs/codec-interface'

describe('CodecError', () => {
  const cause = new Error('no such library')
  const error = new CodecError('CODEC_UNAVAILABLE', 'the native codec cannot be had', { cause })

  it('says what, why and which code', () => {
    expect(error).toBeInstanceOf(Error)
    expect(error).toMatchObject({ name: 'CodecError', code: 'CODEC_UNAVAILABLE', cause })
    expect(String(error)).toBe('CodecError: the native codec cannot be had')
  })

  it('is known by its name and code', () => {
    expect(isCodecError(error)).toBe(true)
    expect(isCodecError(error, 'CODEC_UNAVAILABLE')).toBe(true)
    expect(isCodecError(error, 'CODEC_BAD_PARAMS')).toBe(false)
  })

  it.each([[new Error('other')], [undefined], [{ name: 'CodecError', code: 'CODEC_BAD_PARAMS' }]])(
    'is not %o',
    (value) => {
      expect(isCodecError(value)).toBe(false)
    },
  )
})
