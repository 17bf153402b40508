import { load, type NativeAddon } from '@lafs/native'

/** The addon, or why it is not there. Where `LAFS_REQUIRE_NATIVE` asks for it, its absence throws. */
function loadAddon(): NativeAddon | string {
  try {
    return load()
  } catch (error) {
    if (process.env['LAFS_REQUIRE_NATIVE'] === '1') throw error
    console.warn(`The native codec is not tested: ${String(error)}`)
    return String(error)
  }
}

const loaded = loadAddon()

export const addon: NativeAddon | undefined = typeof loaded === 'string' ? undefined : loaded
export const whyNoAddon: string = typeof loaded === 'string' ? loaded : ''
