import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import nodeGypBuild from 'node-gyp-build'

const root = fileURLToPath(new URL('.', import.meta.url))
const require = createRequire(import.meta.url)

function failure(code, message, cause) {
  return Object.assign(new Error(message, { cause }), { code })
}

function findBuild() {
  try {
    return nodeGypBuild.path(root)
  } catch (cause) {
    throw failure('NATIVE_ABSENT', 'no build of @lafs/native for this platform', cause)
  }
}

export function load() {
  const file = findBuild()
  try {
    return require(file)
  } catch (cause) {
    throw failure('NATIVE_BROKEN', `the build of @lafs/native does not load: ${file}`, cause)
  }
}
