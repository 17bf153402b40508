import { defaultCrypto } from '@lafs/crypto'
import { loadBytes, loadVectors } from '@lafs/vectors'
import { vi } from 'vitest'

/**
 * From now on, new RSA keys are those that upstream has published, one after the other: making as
 * many would take most of the time of a test. No two files of one grid may share a key.
 */
export async function usePublishedKeys(): Promise<void> {
  const { cases } = await loadVectors<{ cases: { offset: number; length: number }[] }>(
    'mutable/published',
  )
  const bytes = await loadBytes('mutable/published-keys.bytes')
  const keys = cases.map(({ offset, length }) => bytes.slice(offset, offset + length))
  const makeKey = defaultCrypto.generateRsaKey.bind(defaultCrypto)
  vi.spyOn(defaultCrypto, 'generateRsaKey').mockImplementation(() => {
    const key = keys.pop()
    return key === undefined ? makeKey() : defaultCrypto.importRsaSigningKey(key)
  })
}
