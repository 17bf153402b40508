// Makes a checkout ready: installs, builds, and builds the addon where a compiler is there. Needs
// Node and npm only; pnpm comes by npx at the version that package.json pins, and nothing is global.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

export const root = join(import.meta.dirname, '..')
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const stampFile = join(root, '.lafs', 'installed')

/** The environment of every tool that we start: no telemetry, no questions. */
export const toolEnvironment = {
  ...process.env,
  TURBO_TELEMETRY_DISABLED: '1',
  TURBO_NO_UPDATE_NOTIFIER: '1',
  DO_NOT_TRACK: '1',
  npm_config_update_notifier: 'false',
}

/** Runs a command in the checkout and ends this process with its exit code if that is not 0. */
export function run(command, args, { env = {}, quiet = false } = {}) {
  const result = spawnSync(command, args, {
    cwd: root,
    env: { ...toolEnvironment, ...env },
    stdio: quiet ? ['ignore', 'pipe', 'pipe'] : ['ignore', 'inherit', 'inherit'],
    shell: process.platform === 'win32',
  })
  if (result.status === 0) return
  if (quiet) process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? ''}`)
  console.error(
    `failed: ${command} ${args.join(' ')}${result.error ? ` (${result.error.message})` : ''}`,
  )
  process.exit(result.status || 1)
}

/** Runs pnpm at the pinned version. */
export function pnpm(args, options) {
  run('npx', ['--yes', manifest.packageManager, ...args], options)
}

/** Packs every public package into a folder, or those alone that one of them needs to run. */
export function pack(folder, neededBy) {
  const rooms =
    neededBy === undefined
      ? ['./packages/*', './native/*'].flatMap((room) => ['--filter', room])
      : ['--filter-prod', `${neededBy}...`]
  pnpm(['-r', ...rooms, 'pack', '--pack-destination', folder], { quiet: true })
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > 20 || (major === 20 && minor >= 19)) return
  console.error(`Node ${process.versions.node} is too old: 20.19 or later is needed`)
  process.exit(1)
}

/** What an install depends on; while it stays the same there is nothing to install. */
function installFingerprint() {
  const hash = createHash('sha256').update(process.version)
  for (const file of ['pnpm-lock.yaml', 'pnpm-workspace.yaml', 'package.json']) {
    hash.update(readFileSync(join(root, file)))
  }
  return hash.digest('hex')
}

/** Makes the checkout ready to run; says nothing when `quiet` and all goes well. */
export function setup({ quiet = false } = {}) {
  checkNode()
  const fingerprint = installFingerprint()
  const installed = existsSync(stampFile) && readFileSync(stampFile, 'utf8') === fingerprint
  if (!installed || !existsSync(join(root, 'node_modules'))) {
    if (quiet) console.error('Installing …')
    pnpm(['install', '--frozen-lockfile'], { quiet })
    mkdirSync(join(root, '.lafs'), { recursive: true })
    writeFileSync(stampFile, fingerprint)
  }
  if (quiet) console.error('Building …')
  pnpm(['exec', 'turbo', 'run', 'build', '--output-logs=errors-only'], { quiet })
  run(process.execPath, ['native/lafs-native/build.mjs'], { quiet })
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) setup()
