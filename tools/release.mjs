// The release flow, run from a clean checkout after `pnpm changeset version` has been committed:
//
//   node tools/release.mjs            checks, builds this platform's addon, says what would be published
//   node tools/release.mjs --publish  the same, then publishes what the registry does not have yet
//
// Addons of other platforms are built on those platforms (`pnpm --filter @lafs/native prebuild`) and
// copied into native/lafs-native/prebuilds beforehand. A platform without one uses WebAssembly.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { pnpm, root, run, setup } from './setup.mjs'

const platforms = ['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64', 'win32-x64']
const prebuilds = join(root, 'native/lafs-native/prebuilds')

const status = spawnSync('git', ['status', '--porcelain'], { cwd: root, encoding: 'utf8' })
if (status.status !== 0 || status.stdout !== '') {
  console.error(`A release is made from a clean checkout:\n${status.stdout}${status.stderr}`)
  process.exit(1)
}

setup()
run(process.execPath, ['tools/check.mjs'])
run(process.execPath, ['native/lafs-native/build.mjs', '--prebuild'])

const built = existsSync(prebuilds) ? readdirSync(prebuilds) : []
for (const platform of platforms) {
  console.log(
    `${platform}: ${built.includes(platform) ? 'addon' : 'no addon, WebAssembly will be used'}`,
  )
}
if (process.argv.includes('--publish')) pnpm(['exec', 'changeset', 'publish'])
else pnpm(['-r', 'publish', '--dry-run', '--no-git-checks'])
