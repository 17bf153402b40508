// The addon under test, or undefined where it is not built and LAFS_REQUIRE_NATIVE does not ask for it.
import { load, type NativeAddon } from '@lafs/native'

function loadAddon(): NativeAddon | undefined {
  try {
    return load()
  } catch (error) {
    if (process.env['LAFS_REQUIRE_NATIVE'] === '1') throw error
    console.warn(`The native addon is not tested: ${String(error)}`)
    return undefined
  }
}

export const addon: NativeAddon | undefined = loadAddon()
